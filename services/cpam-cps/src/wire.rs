//! What an operator writes when closing a task: parsed here, so that decisions only see types.

use std::str::FromStr;

use contracts::{EngagementId, Rib};
use service::OperatorAction;

use crate::state::{Event, FermerTache};

/// The input that an operator's action is.
///
/// # Errors
/// A sentence for the operator.
pub fn operator(action: &OperatorAction) -> Result<(String, Event), String> {
    let known =
        action.cle.strip_prefix("engagement/").is_some_and(|id| id.parse::<EngagementId>().is_ok());
    if !known {
        return Err("« cle » vaut engagement/<identifiant>".to_owned());
    }
    let event = match action.action.as_str() {
        "fermer-tache" => Event::FermerTache(FermerTache {
            tache: champ(action, "tache")?
                .ok_or("le champ « tache » doit être l'identifiant de la tâche")?,
            par: action.par.clone(),
            numero_am: champ(action, "numero_am")?,
            rib: texte(action, "rib").map(rib).transpose()?,
            cpam: champ(action, "cpam")?,
        }),
        "redemander" => Event::Redemander,
        other => return Err(format!("cpam-cps ne connaît pas l'action « {other} »")),
    };
    Ok((action.cle.clone(), event))
}

fn texte<'a>(action: &'a OperatorAction, name: &str) -> Option<&'a str> {
    action.champs.get(name).map(|v| v.trim()).filter(|v| !v.is_empty())
}

/// A field of the form; spaces that people put inside a number are dropped.
fn champ<T: FromStr<Err: std::fmt::Display>>(
    action: &OperatorAction,
    name: &str,
) -> Result<Option<T>, String> {
    let Some(text) = texte(action, name) else { return Ok(None) };
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    compact.parse().map(Some).map_err(|e| format!("champ « {name} » : {e}"))
}

fn rib(text: &str) -> Result<Rib, String> {
    match text {
        "present" | "présent" => Ok(Rib::Present),
        "manquant" => Ok(Rib::Manquant),
        "inconnu" => Ok(Rib::Inconnu),
        _ => Err("« rib » vaut present, manquant ou inconnu".to_owned()),
    }
}
