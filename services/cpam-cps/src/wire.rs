//! What people say outside the bus: the pages of answer links, the fields of an operator's action.
//! Parsed here, so that decisions only see types.

use std::{collections::BTreeMap, str::FromStr};

use contact::{Champ, Lien, Question, date_en_lettres};
use contracts::{CodeCpam, EngagementId, NumeroAm, Referentiel, Rib};
use service::OperatorAction;
use uuid::Uuid;

use crate::state::{
    Engagement, Etape, Event, FermerTache, IssueCaisse, ReponseCaisse, State, Suivi,
};

/// A CPAM's link about a number.
pub const SUJET_NUMERO: &str = "numero-am";
/// A CPAM's link about bank details.
pub const SUJET_RIB: &str = "rib";

/// The field of the number.
const NUMERO: &str = "numero_am";

/// The answers about a number, with what they say of the bank details.
const CREE: [(&str, &str, Rib); 3] = [
    ("cree-present", "Le numéro est créé, le RIB du médecin est connu", Rib::Present),
    ("cree-manquant", "Le numéro est créé, le RIB du médecin manque", Rib::Manquant),
    ("cree-inconnu", "Le numéro est créé, le RIB n'a pas été vérifié", Rib::Inconnu),
];

/// The refusals, with the codes that they become.
const REFUS: [(&str, &str); 3] = [
    ("medecin-inconnu", "Pas de numéro : le médecin est inconnu de nos services"),
    ("lieu-hors-ressort", "Pas de numéro : le lieu n'est pas de notre ressort"),
    ("autre-motif", "Pas de numéro : autre motif, à voir avec la DNS"),
];

/// The bank details are there.
const RIB_RECU: &str = "rib-recu";

/// The page behind a link; closed once nothing is awaited any more.
pub fn question(state: Option<&State>, lien: &Lien, referentiel: &Referentiel) -> Option<Question> {
    let State::Engagement(engagement) = state? else { return None };
    let Engagement::Connu(suivi) = &**engagement else { return None };
    let asked: Uuid = lien.question.parse().ok()?;
    match (lien.sujet.as_str(), &suivi.etape) {
        (SUJET_NUMERO, Etape::Demandee { demande, refus: None }) if demande.id == asked => {
            Some(page_numero(suivi, referentiel))
        }
        (SUJET_RIB, Etape::Ouverte(f))
            if f.rib != Rib::Present && f.demande_rib.as_ref().is_some_and(|d| d.id == asked) =>
        {
            Some(page_rib(suivi))
        }
        (SUJET_NUMERO | SUJET_RIB, _) => Some(Question {
            titre: "Question close".to_owned(),
            texte: vec!["Cette question n'attend plus de réponse. Merci.".to_owned()],
            choix: Vec::new(),
            champs: Vec::new(),
        }),
        _ => None,
    }
}

fn de_qui(suivi: &Suivi) -> Vec<String> {
    let (medecin, lieu) = (&suivi.activite.medecin, &suivi.activite.lieu);
    let structure = lieu.finess.as_ref().map(|f| format!("FINESS {f}"));
    let rang = lieu.rpps_rang.as_ref().map(|r| format!("RPPS-rang {r}"));
    let numeros: Vec<String> = structure.into_iter().chain(rang).collect();
    vec![
        format!("Médecin : {} {}, RPPS {}.", medecin.prenom, medecin.nom, medecin.rpps),
        format!("Lieu : {}, {} {}. {}", lieu.nom, lieu.adresse, lieu.commune, numeros.join(", "))
            .trim()
            .to_owned(),
    ]
}

fn page_numero(suivi: &Suivi, referentiel: &Referentiel) -> Question {
    let mut texte = de_qui(suivi);
    if let Some(fiche) = suivi.activite.lieu.cpam.as_ref().and_then(|code| referentiel.cpam(code)) {
        texte.push(format!("Caisse du lieu : {}.", fiche.nom));
    }
    texte.push(match suivi.constat {
        Some(jour) => format!("L'activité est au RPPS, vue le {}.", date_en_lettres(jour)),
        None => {
            "L'activité est autorisée par l'Ordre ; elle n'a pas encore été vue au RPPS.".into()
        }
    });
    texte.push(
        "Un numéro propre à la mission est attendu pour ce médecin et ce lieu. Le RIB lui-même ne \
         doit pas être transmis."
            .to_owned(),
    );
    let cree = CREE.iter().map(|(code, label, _)| (*code, *label));
    Question {
        titre: "Numéro AM propre à une activité solidaire".to_owned(),
        texte,
        choix: cree.chain(REFUS).map(|(c, l)| (c.to_owned(), l.to_owned())).collect(),
        champs: vec![Champ {
            nom: NUMERO.to_owned(),
            libelle: "Numéro AM".to_owned(),
            aide: "9 chiffres, clé comprise, si le numéro est créé".to_owned(),
            longueur_max: 20,
        }],
    }
}

fn page_rib(suivi: &Suivi) -> Question {
    let mut texte = de_qui(suivi);
    texte.push(
        "Le RIB de ce médecin manque au paiement. Le médecin a été invité à vous le transmettre."
            .to_owned(),
    );
    Question {
        titre: "RIB d'un médecin volontaire".to_owned(),
        texte,
        choix: vec![(RIB_RECU.to_owned(), "Le RIB est en notre possession".to_owned())],
        champs: Vec::new(),
    }
}

/// The event that an answer to a link is; `None` when the choice is not one of the question's.
///
/// # Errors
/// A sentence for the reader when the number is missing, or is none.
pub fn reponse(
    lien: &Lien,
    choix: &str,
    champs: &BTreeMap<String, String>,
) -> Result<Option<Event>, String> {
    let Ok(demande) = lien.question.parse() else { return Ok(None) };
    let issue = match lien.sujet.as_str() {
        SUJET_RIB if choix == RIB_RECU => Some(IssueCaisse::RibRecu),
        SUJET_NUMERO => issue_numero(choix, champs)?,
        _ => None,
    };
    Ok(issue.map(|issue| Event::ReponseLien(ReponseCaisse { demande, issue })))
}

fn issue_numero(
    choix: &str,
    champs: &BTreeMap<String, String>,
) -> Result<Option<IssueCaisse>, String> {
    if REFUS.iter().any(|(code, _)| *code == choix) {
        return Ok(Some(IssueCaisse::Refuse { code: choix.to_owned() }));
    }
    let Some((_, _, rib)) = CREE.iter().find(|(code, ..)| *code == choix) else { return Ok(None) };
    let text = champs.get(NUMERO).map(String::as_str).unwrap_or_default();
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if compact.is_empty() {
        return Err("Le numéro manque. Revenez à la page précédente pour l'indiquer.".to_owned());
    }
    let numero_am: NumeroAm = compact.parse().map_err(|_| {
        "Ce n'est pas un numéro AM de médecin : 9 chiffres, dont le troisième vaut 1. Revenez à la \
         page précédente pour le corriger."
            .to_owned()
    })?;
    Ok(Some(IssueCaisse::Cree { numero_am, rib: *rib }))
}

/// The input that an operator's action is.
///
/// # Errors
/// A sentence for the operator.
pub fn operator(action: &OperatorAction) -> Result<(String, Event), String> {
    let known =
        action.cle.strip_prefix("engagement/").is_some_and(|id| id.parse::<EngagementId>().is_ok());
    let depot = action.cle.strip_prefix("depot/").is_some_and(|c| c.parse::<CodeCpam>().is_ok())
        && action.action == "fermer-tache";
    if !known && !depot {
        return Err("« cle » vaut engagement/<identifiant>, ou celle de la tâche".to_owned());
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
        "numero-recu" => Event::NumeroRecu {
            numero_am: champ(action, "numero_am")?.ok_or("donnez le champ « numero_am »")?,
            rib: texte(action, "rib").map(rib).transpose()?.unwrap_or(Rib::Inconnu),
        },
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
