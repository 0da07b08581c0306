//! What the doctor and the instructeurs read, in French. Never a value that was typed.

use std::fmt::Write as _;

use contracts::messages::{Manque, ModeFacturation, Situation};

use crate::{
    config::Champ,
    state::{Attente, Dossier, Identite, Phase, Progres, ResumeActivite},
};

/// The message for a version that cannot be examined: each point with its remedy.
pub(super) fn a_corriger(numero: u64, manques: &[Manque]) -> String {
    let mut text = format!(
        "Bonjour,\n\nVotre candidature au dispositif « Un médecin près de chez vous » (dossier nº {numero}) \
ne peut pas encore être examinée. Merci de corriger les points suivants :\n"
    );
    for manque in manques {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n- {} : {}", libelle(&manque.champ), remede(manque));
    }
    text.push_str(FIN);
    text
}

/// The message when the CDOM needs more.
pub(super) fn complement(numero: u64, champs: &[String]) -> String {
    let mut text = format!(
        "Bonjour,\n\nLe conseil départemental de l’Ordre des médecins a besoin d’un complément pour \
examiner votre candidature au dispositif « Un médecin près de chez vous » (dossier nº {numero}).\n"
    );
    if champs.is_empty() {
        text.push_str("\nVérifiez votre dossier et complétez-le.");
    } else {
        text.push_str("\nMerci de compléter ou de joindre :\n");
        for champ in champs {
            let _ = write!(text, "\n- {}", libelle(champ));
        }
    }
    text.push_str(FIN);
    text
}

const FIN: &str = "\n\nModifiez votre dossier sur ce site, puis déposez-le de nouveau : c’est le \
nouveau dépôt qui relance son examen.\n\nCe message est automatique : il n’est pas nécessaire d’y \
répondre.";

/// A field by what the form calls it; a document by its code, made readable.
fn libelle(champ: &str) -> String {
    match champ.parse::<Champ>() {
        Ok(known) => known.libelle().to_owned(),
        Err(_) => champ.replace(['-', '_'], " "),
    }
}

fn remede(manque: &Manque) -> &'static str {
    match manque.code.as_str() {
        "manquant" => "cette information manque ; merci de la renseigner.",
        "rpps-forme" => "un numéro RPPS compte 11 chiffres ; vérifiez votre saisie.",
        "rpps-cle" => {
            "ce numéro comporte une erreur (sa clé de contrôle est fausse) ; vérifiez chaque chiffre."
        }
        "rpps-adeli" => {
            "vous avez indiqué un numéro ADELI, remplacé par le RPPS ; indiquez votre numéro RPPS à \
11 chiffres, qui figure sur votre carte CPS."
        }
        "rpps-siret" => {
            "vous avez indiqué un numéro SIRET ; indiquez votre numéro RPPS à 11 chiffres, qui figure \
sur votre carte CPS."
        }
        "rpps-inconnu" => {
            "ce numéro est inconnu du répertoire RPPS ; vérifiez votre saisie ou rapprochez-vous de \
votre conseil départemental de l’Ordre."
        }
        "rpps-inactif" => {
            "le répertoire RPPS n’indique aucune activité de médecin sous ce numéro ; rapprochez-vous de \
votre conseil départemental de l’Ordre pour mettre votre situation à jour."
        }
        "lieu-inconnu" => {
            "au moins un des lieux choisis ne fait pas partie du dispositif ; choisissez dans la liste \
proposée."
        }
        "lieu-deja-engage" => {
            "votre mission est déjà ouverte dans au moins un des lieux choisis ; gardez seulement les \
lieux à ajouter. Un dossier qui ne demande rien de plus peut être supprimé."
        }
        "trop-long" => "ce texte est trop long ; vérifiez votre saisie.",
        "courriel-invalide" => "cette adresse n’est pas valable ; vérifiez votre saisie.",
        "telephone-invalide" => {
            "ce numéro n’est pas valable ; indiquez 10 chiffres, ou un numéro international commençant \
par +."
        }
        "creneaux-manquants" => "indiquez au moins une date et une demi-journée.",
        "creneau-passe" => "au moins une date est passée ; proposez des dates à venir.",
        "creneau-lointain" => {
            "au moins une date est à plus de douze mois ; proposez des dates plus proches."
        }
        "creneau-illisible" => {
            "au moins un créneau n’est pas lisible ; indiquez une date (par exemple 02/03/2026) et \
« matin », « après-midi » ou « journée »."
        }
        "mode-inconnu" => "choisissez une des réponses proposées.",
        "departement-invalide" | "cdom-invalide" => {
            "indiquez un département français par son code, par exemple 63, 2A ou 974."
        }
        "civilite-invalide" => "indiquez « Madame » ou « Monsieur ».",
        _ => "cette information n’est pas valable ; vérifiez votre saisie.",
    }
}

/// The annotation « avancement ».
pub(super) fn avancement(dossier: &Dossier) -> String {
    match &dossier.phase {
        Phase::Reception if dossier.averti.is_some() => {
            "Dossier incomplet : corrections demandées au médecin".to_owned()
        }
        Phase::Reception => "Dossier reçu".to_owned(),
        Phase::Instruction { attente: None, .. } => "Vérification ordinale en cours".to_owned(),
        Phase::Instruction { attente: Some(Attente::Complement { .. }), .. } => {
            "Complément demandé au médecin par le conseil départemental de l’Ordre".to_owned()
        }
        Phase::Instruction {
            attente: Some(Attente::Identite | Attente::Correction | Attente::Doublon),
            ..
        } => "Corrections demandées au médecin".to_owned(),
        Phase::Autorisee => lignes(dossier, |p| p.activite.as_ref().map(activite)),
        Phase::Refusee => "Refus du conseil départemental de l’Ordre des médecins".to_owned(),
        Phase::Retiree { .. } => "Candidature retirée".to_owned(),
    }
}

fn activite(activite: &ResumeActivite) -> String {
    let date = activite.a_compter_du.format("%d/%m/%Y");
    match activite.situation {
        Situation::Ouverte => format!("activité autorisée à compter du {date}"),
        Situation::Suspendue => format!("activité suspendue à compter du {date}"),
        Situation::Terminee => format!("activité terminée à compter du {date}"),
    }
}

/// The annotation « identite ».
pub(super) fn identite(identite: Identite) -> &'static str {
    match identite {
        Identite::Active => "RPPS vérifié : médecin en activité",
        Identite::Inactive => "RPPS connu, sans activité de médecin",
        Identite::Inconnue => "RPPS inconnu du répertoire",
    }
}

/// The annotation « facturation ».
pub(super) fn facturation(dossier: &Dossier) -> String {
    lignes(dossier, |p| {
        p.facturation.map(|mode| match mode {
            ModeFacturation::Papier => "facturation possible sur papier".to_owned(),
            ModeFacturation::Teletransmission => "facturation par télétransmission".to_owned(),
        })
    })
}

/// The annotation « agenda ».
pub(super) fn agenda(dossier: &Dossier) -> String {
    lignes(dossier, |p| {
        p.agenda.map(|ouvert| match p.agenda_url.as_deref().filter(|_| ouvert) {
            Some(url) => format!("agenda ouvert, {url}"),
            None if ouvert => "agenda ouvert".to_owned(),
            None => "agenda fermé".to_owned(),
        })
    })
}

/// One line per site of which there is something to say.
fn lignes(dossier: &Dossier, line: impl Fn(&Progres) -> Option<String>) -> String {
    let of = |p: &Progres| {
        let site = &p.activite.as_ref()?.lieu_nom;
        line(p).map(|text| format!("{site} : {text}"))
    };
    dossier.engagements.values().filter_map(of).collect::<Vec<_>>().join("\n")
}
