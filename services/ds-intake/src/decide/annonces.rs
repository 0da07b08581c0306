//! What the doctor reads at each milestone, in French; nothing personal, and no engagement's id.

use contracts::messages::{ModeFacturation, Situation};

use crate::{config::Jalon, state::Progres};

const FIN: &str = "\n\nCe message est automatique : il n’est pas nécessaire d’y répondre.";

/// The message of a milestone that is reached; `None` while it is not.
pub(super) fn annonce(jalon: Jalon, numero: u64, progres: &Progres) -> Option<String> {
    let activite = progres.activite.as_ref().filter(|a| a.situation == Situation::Ouverte)?;
    let lieu = &activite.lieu_nom;
    let suite = match jalon {
        Jalon::Autorisation => format!(
            "votre activité au lieu « {lieu} » est autorisée à compter du {}. L’ouverture de votre \
             agenda et la demande de votre numéro de facturation à l’Assurance maladie sont en \
             cours.",
            activite.a_compter_du.format("%d/%m/%Y")
        ),
        Jalon::Agenda => {
            let opened = progres.agenda? && progres.agenda_url.is_some();
            let url = progres.agenda_url.as_deref().filter(|_| opened)?;
            format!("votre agenda pour le lieu « {lieu} » est ouvert : {url}")
        }
        Jalon::Facturation => match progres.facturation? {
            ModeFacturation::Papier | ModeFacturation::Teletransmission => format!(
                "votre numéro de facturation pour le lieu « {lieu} » est créé : vous pouvez \
                 facturer, sur feuilles de soins papier tant que votre carte CPS n’indique pas ce \
                 lieu."
            ),
        },
        Jalon::Teletransmission => match progres.facturation? {
            ModeFacturation::Papier => return None,
            ModeFacturation::Teletransmission => format!(
                "votre carte CPS indique désormais le lieu « {lieu} » : vous pouvez y télétransmettre \
                 vos feuilles de soins."
            ),
        },
    };
    Some(format!(
        "Bonjour,\n\nVotre candidature au dispositif « Un médecin près de chez vous » (dossier nº \
         {numero}) avance : {suite}{FIN}"
    ))
}
