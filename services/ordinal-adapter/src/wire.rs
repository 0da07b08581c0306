//! What people say outside the bus: the choices of answer links, the fields of an operator's
//! action. Parsed here, so that decisions only see types.

use chrono::NaiveDate;
use contact::{Lien, Question};
use contracts::{
    DossierId, EngagementId, Referentiel,
    messages::{Issue, Situation},
};
use service::OperatorAction;
use uuid::Uuid;

use crate::state::{Dossier, Engagement, Event, Instruction, State, Terminer};

/// A CDOM's answer link.
pub const SUJET_VERIFICATION: &str = "verification";
/// The doctor's link to withdraw.
pub const SUJET_RETRAIT: &str = "retrait";
/// The doctor's only choice.
pub const RETIRER: &str = "retirer";
/// Causes that an operator may give to an end.
const CAUSES: [&str; 3] = ["retrait", "radiation", "decision-dns"];

/// The question that the n-th opening of an engagement asks.
pub fn question_retrait(ouverture: u32) -> String {
    if ouverture == 1 { "retrait".to_owned() } else { format!("retrait-{ouverture}") }
}

fn ouverture(question: &str) -> Option<u32> {
    match question.strip_prefix("retrait")? {
        "" => Some(1),
        rest => rest.strip_prefix('-')?.parse().ok(),
    }
}

/// The code of a choice, which is also what an operator writes in the field `issue`.
pub fn code(issue: Issue) -> &'static str {
    match issue {
        Issue::Favorable => "favorable",
        Issue::Defavorable => "defavorable",
        Issue::Complement => "complement",
    }
}

/// The issue that a choice stands for.
pub fn issue(choix: &str) -> Option<Issue> {
    [Issue::Favorable, Issue::Defavorable, Issue::Complement]
        .into_iter()
        .find(|issue| code(*issue) == choix)
}

/// The event that an answer to a link is; `None` when the choice is not one of the question's.
pub fn reponse(lien: &Lien, choix: &str) -> Option<Event> {
    match lien.sujet.as_str() {
        SUJET_VERIFICATION => {
            Some(Event::ReponseLien { demande: lien.question.parse().ok()?, issue: issue(choix)? })
        }
        SUJET_RETRAIT if choix == RETIRER => Some(Event::Terminer(Terminer {
            cause: "retrait".to_owned(),
            a_compter_du: None,
            ouverture: Some(ouverture(&lien.question)?),
        })),
        _ => None,
    }
}

/// The page behind a link.
pub fn question(state: Option<&State>, lien: &Lien, referentiel: &Referentiel) -> Option<Question> {
    match (lien.sujet.as_str(), state?) {
        (SUJET_VERIFICATION, State::Dossier(dossier)) => {
            let asked: Uuid = lien.question.parse().ok()?;
            Some(question_verification(dossier, asked, referentiel))
        }
        (SUJET_RETRAIT, State::Engagement(engagement)) => match &**engagement {
            Engagement::Connu(connu) => {
                let open = ouverture(&lien.question) == Some(connu.ouvertures)
                    && connu.activite.situation != Situation::Terminee;
                Some(page_retrait(open, &connu.activite.lieu.nom))
            }
            Engagement::Attendu { .. } => None,
        },
        _ => None,
    }
}

fn close(titre: &str) -> Question {
    Question {
        titre: titre.to_owned(),
        texte: vec!["Cette question n'attend plus de réponse. Merci.".to_owned()],
        choix: Vec::new(),
        champs: Vec::new(),
    }
}

fn choix(choix: &[(&str, &str)]) -> Vec<(String, String)> {
    choix.iter().map(|(code, label)| ((*code).to_owned(), (*label).to_owned())).collect()
}

fn question_verification(dossier: &Dossier, asked: Uuid, referentiel: &Referentiel) -> Question {
    const TITRE: &str = "Vérification ordinale d'un médecin volontaire";
    match dossier {
        Dossier::Verification { instruction, demande } if demande.id == asked => {
            page_verification(TITRE, instruction, referentiel)
        }
        Dossier::Attendu { .. }
        | Dossier::Identification { .. }
        | Dossier::Verification { .. }
        | Dossier::Complement { .. }
        | Dossier::Autorise { .. }
        | Dossier::Refuse { .. }
        | Dossier::Retire { .. } => close(TITRE),
    }
}

fn page_verification(titre: &str, instruction: &Instruction, register: &Referentiel) -> Question {
    let candidature = &instruction.candidature;
    let medecin = &candidature.medecin;
    let sites: Vec<String> = candidature
        .lieux_souhaites
        .iter()
        .filter_map(|id| register.lieu(id))
        .map(|l| format!("{} ({})", l.nom, l.departement))
        .collect();
    let rpps = match instruction.identite_connue() {
        None => "Le RPPS n'a pas encore été consulté.",
        Some(i) if !i.trouve => "Le RPPS ne connaît pas ce numéro.",
        Some(i) if !i.actif => "Le RPPS n'indique aucune activité de médecin.",
        Some(i) if i.concordance_identite == Some(false) => {
            "Le RPPS connaît ce numéro sous une autre identité."
        }
        Some(_) => "Le RPPS connaît ce médecin et son activité.",
    };
    let mut texte = vec![
        format!("Dossier n° {} de Démarches simplifiées.", candidature.dossier),
        format!("Dr {} {}, RPPS {}.", medecin.prenom, medecin.nom, medecin.rpps),
        format!("Lieux souhaités : {}.", sites.join(", ")),
        rpps.to_owned(),
    ];
    if candidature.remplacement_souhaite {
        texte.push(
            "Le médecin souhaite être remplacé à son cabinet (art. R.4127-65 du code de la santé \
             publique)."
                .to_owned(),
        );
    }
    texte.push("Aucun motif n'est demandé ni conservé.".to_owned());
    Question {
        titre: titre.to_owned(),
        texte,
        champs: Vec::new(),
        choix: choix(&[
            (code(Issue::Favorable), "Autoriser cette activité"),
            (code(Issue::Defavorable), "Ne pas l'autoriser"),
            (code(Issue::Complement), "Demander un complément au médecin"),
        ]),
    }
}

fn page_retrait(open: bool, lieu: &str) -> Question {
    const TITRE: &str = "Votre mission de solidarité territoriale";
    if !open {
        return close(TITRE);
    }
    Question {
        titre: TITRE.to_owned(),
        texte: vec![
            format!("Vous êtes autorisé à consulter au lieu suivant : {lieu}."),
            "Vous pouvez mettre fin à cette mission à tout moment ; les demi-journées déjà faites \
             restent dues."
                .to_owned(),
        ],
        choix: choix(&[(RETIRER, "Mettre fin à ma mission dès demain")]),
        champs: Vec::new(),
    }
}

/// The input that an operator's action is.
///
/// # Errors
/// A sentence for the operator.
pub fn operator(action: &OperatorAction) -> Result<(String, Event), String> {
    check_key(&action.cle)?;
    let champ = |name: &str| action.champs.get(name).map(|v| v.trim()).filter(|v| !v.is_empty());
    let event = match action.action.as_str() {
        "fermer-tache" => Event::FermerTache {
            tache: champ("tache")
                .and_then(|t| t.parse().ok())
                .ok_or("le champ « tache » doit être l'identifiant de la tâche")?,
            par: action.par.clone(),
            issue: champ("issue")
                .map(|text| {
                    issue(text).ok_or("« issue » vaut favorable, defavorable ou complement")
                })
                .transpose()?,
        },
        "retirer" => Event::Terminer(fin(&action.cle, champ("cause"), champ("a_compter_du"))?),
        other => return Err(format!("ordinal-adapter ne connaît pas l'action « {other} »")),
    };
    Ok((action.cle.clone(), event))
}

fn fin(cle: &str, cause: Option<&str>, date: Option<&str>) -> Result<Terminer, String> {
    if !cle.starts_with("engagement/") {
        return Err("« retirer » concerne un engagement : engagement/<identifiant>".to_owned());
    }
    let cause = cause.unwrap_or("retrait");
    if !CAUSES.contains(&cause) {
        return Err(format!("« cause » vaut {}", CAUSES.join(", ")));
    }
    let a_compter_du = date
        .map(|d| d.parse::<NaiveDate>().map_err(|_| "« a_compter_du » s'écrit aaaa-mm-jj"))
        .transpose()?;
    Ok(Terminer { cause: cause.to_owned(), a_compter_du, ouverture: None })
}

fn check_key(cle: &str) -> Result<(), String> {
    let known = cle.split_once('/').is_some_and(|(kind, id)| match kind {
        "dossier" => id.parse().map(DossierId).is_ok(),
        "engagement" => id.parse::<EngagementId>().is_ok(),
        _ => false,
    });
    if known {
        Ok(())
    } else {
        Err("« cle » vaut dossier/<numéro> ou engagement/<identifiant>".to_owned())
    }
}
