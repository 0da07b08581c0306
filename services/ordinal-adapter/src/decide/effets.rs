//! What several rules do: open and close tasks, ask a CDOM through the channel of the register.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use contact::{Courriel, Echelle, Lien, Modele, jour_ouvre_suivant};
use contracts::{
    Agence, CodeCdom, Demande, Lieu,
    messages::{Candidature, RelanceEnvoyee, TacheFaite, TacheOuverte, VerificationDemandee},
    referentiel::Canal,
};
use kernel::{derive_id, paris_at, paris_date};
use service::{Refusal, Service};
use uuid::Uuid;

use super::{Cx, Effet};
use crate::{
    OrdinalAdapter,
    agency::Ask,
    state::{DemandeFaite, Instruction, Taches},
};

/// Who closes a task when Relais itself saw the result.
pub(super) const OBSERVE: &str = "observe";
/// Task: ask a CDOM that has neither a queue nor an address.
const A_JOINDRE: &str = "cdom-a-joindre";

/// Opens a task once per (state, kind, `distinct`); nothing when it is open already.
pub(super) fn ouvrir(
    taches: &mut Taches,
    cx: &Cx<'_>,
    gabarit: &str,
    distinct: &str,
    champs: &[(&str, String)],
) -> Vec<Effet> {
    let tache = derive_id(&[OrdinalAdapter::NAME, "tache", cx.key, gabarit, distinct]);
    if taches.0.insert(tache, gabarit.to_owned()).is_some() {
        return Vec::new();
    }
    vec![Effet::publish(&TacheOuverte {
        tache,
        gabarit: gabarit.to_owned(),
        service: OrdinalAdapter::NAME.to_owned(),
        cle: cx.key.to_owned(),
        objet: cx.key.to_owned(),
        champs: champs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
    })]
}

/// Closes one task; nothing when it is not open.
pub(super) fn fermer(taches: &mut Taches, tache: Uuid, par: &str) -> Option<(String, Effet)> {
    let gabarit = taches.0.remove(&tache)?;
    Some((gabarit, Effet::publish(&TacheFaite { tache, faite_par: par.to_owned() })))
}

/// Closes every open task: what they asked for is settled.
pub(super) fn fermer_toutes(taches: &mut Taches) -> Vec<Effet> {
    let ids: Vec<Uuid> = taches.0.keys().copied().collect();
    ids.into_iter().filter_map(|id| fermer(taches, id, OBSERVE)).map(|(_, e)| e).collect()
}

/// The step after `taken` reminders of a request made at `depuis`; when the service was stopped
/// meanwhile, what is late keeps some days between its steps.
pub(super) fn echeance(depuis: DateTime<Utc>, taken: u32, cx: &Cx<'_>) -> DateTime<Utc> {
    const RATTRAPAGE_JOURS: u32 = 3;
    let config = cx.config;
    let ladder =
        Echelle { relances: config.relances_jours.clone(), escalade: config.escalade_jours };
    let pause = if taken == 0 { 1 } else { RATTRAPAGE_JOURS };
    let earliest = matin(cx.today() + Days::new(pause.into()));
    ladder.prochaine(depuis, taken).map_or(earliest, |(at, _)| at.max(earliest))
}

/// 09:00 in Paris on that day, or on the next working day.
pub(super) fn matin(day: NaiveDate) -> DateTime<Utc> {
    const NEUF_HEURES: NaiveTime = match NaiveTime::from_hms_opt(9, 0, 0) {
        Some(time) => time,
        None => NaiveTime::MIN,
    };
    paris_at(jour_ouvre_suivant(day), NEUF_HEURES)
}

/// The sites of an application, as the register describes them.
pub(super) fn lieux(candidature: &Candidature, cx: &Cx<'_>) -> Result<Vec<Lieu>, Refusal> {
    let known = candidature.lieux_souhaites.iter().map(|id| {
        cx.referentiel.lieu(id).cloned().ok_or_else(|| {
            Refusal::new("lieu-inconnu", format!("the register does not know the site {id}"))
        })
    });
    known.collect()
}

/// How a CDOM is reached.
pub(super) enum Acheminement {
    /// Its own queue.
    File(Agence),
    /// A mail, with an answer link or, when it decides on Démarches simplifiées, without.
    Courriel {
        /// The address.
        adresse: String,
        /// With an answer link.
        lien: bool,
    },
    /// Only a person can.
    Personne,
}

/// The channel that the register gives for a CDOM.
pub(super) fn acheminement(cdom: &CodeCdom, cx: &Cx<'_>) -> Acheminement {
    let Some(fiche) = cx.referentiel.cdom(cdom) else { return Acheminement::Personne };
    match (fiche.canal, &fiche.courriel) {
        (Canal::File, _) => Acheminement::File(Agence::cdom(cdom)),
        (Canal::Courriel | Canal::Fichier, Some(adresse)) => {
            Acheminement::Courriel { adresse: adresse.clone(), lien: true }
        }
        (Canal::Ds, Some(adresse)) => {
            Acheminement::Courriel { adresse: adresse.clone(), lien: false }
        }
        (Canal::Courriel | Canal::Fichier | Canal::Ds, None) => Acheminement::Personne,
    }
}

/// Sends a request, or its reminder when `rang` is more than 1.
pub(super) fn transmettre(
    instruction: &mut Instruction,
    demande: &DemandeFaite,
    cx: &Cx<'_>,
) -> Result<Vec<Effet>, Refusal> {
    let mut effets = Vec::new();
    let canal = match acheminement(&demande.cdom, cx) {
        Acheminement::File(agence) => {
            effets.push(Effet::request(&agence, &verification(instruction, demande, cx)?));
            "file"
        }
        Acheminement::Courriel { adresse, lien } => {
            let modele = match demande.rang {
                1 => Modele::VerificationDemandee,
                rang => Modele::VerificationRelance { rang: rang - 1 },
            };
            effets.push(Effet::Ask(Ask::Courriel(Courriel {
                a: adresse,
                modele,
                reference: format!("dossier {}", instruction.candidature.dossier),
                lien: lien.then(|| lien_verification(demande, cx)),
            })));
            "courriel"
        }
        Acheminement::Personne => {
            if instruction.taches.0.values().any(|gabarit| gabarit == A_JOINDRE) {
                return Ok(effets);
            }
            let distinct = format!("{} {}", demande.id, demande.rang);
            let champs = champs_cdom(instruction, demande, cx);
            effets.extend(ouvrir(&mut instruction.taches, cx, A_JOINDRE, &distinct, &champs));
            return Ok(effets);
        }
    };
    if demande.rang > 1 {
        effets.push(relance(cx, demande, canal));
    }
    Ok(effets)
}

fn relance(cx: &Cx<'_>, demande: &DemandeFaite, canal: &str) -> Effet {
    let (id, rang) = (demande.id.to_string(), demande.rang.to_string());
    Effet::publish(&RelanceEnvoyee {
        relance: derive_id(&[OrdinalAdapter::NAME, "relance", &id, &rang]),
        destinataire: "cdom".to_owned(),
        canal: canal.to_owned(),
        rang: demande.rang - 1,
        objet: cx.key.to_owned(),
    })
}

fn verification(
    instruction: &Instruction,
    demande: &DemandeFaite,
    cx: &Cx<'_>,
) -> Result<VerificationDemandee, Refusal> {
    let candidature = &instruction.candidature;
    let hoped = cx.config.relances_jours.first().copied().unwrap_or(cx.config.escalade_jours);
    Ok(VerificationDemandee {
        demande: Demande { id: demande.id, rang: demande.rang },
        dossier: candidature.dossier,
        medecin: candidature.medecin.clone(),
        lieux: lieux(candidature, cx)?,
        remplacement_souhaite: candidature.remplacement_souhaite,
        identite: instruction.identite_connue().cloned(),
        reponse_attendue_le: jour_ouvre_suivant(
            paris_date(demande.faite_le) + Days::new(hoped.into()),
        ),
    })
}

fn lien_verification(demande: &DemandeFaite, cx: &Cx<'_>) -> Lien {
    Lien {
        sujet: crate::wire::SUJET_VERIFICATION.to_owned(),
        cle: cx.key.to_owned(),
        question: demande.id.to_string(),
        expire_le: cx.now + Days::new(cx.config.lien_verification_jours.into()),
    }
}

/// What an operator needs in order to reach a CDOM.
pub(super) fn champs_cdom(
    instruction: &Instruction,
    demande: &DemandeFaite,
    cx: &Cx<'_>,
) -> Vec<(&'static str, String)> {
    let fiche = cx.referentiel.cdom(&demande.cdom);
    vec![
        ("dossier", instruction.candidature.dossier.to_string()),
        ("cdom", demande.cdom.to_string()),
        ("cdom_nom", fiche.map(|f| f.nom.clone()).unwrap_or_default()),
        ("cdom_courriel", fiche.and_then(|f| f.courriel.clone()).unwrap_or_default()),
        ("demande", demande.id.to_string()),
        ("demande_le", paris_date(demande.faite_le).to_string()),
        ("relances", (demande.rang - 1).to_string()),
    ]
}

/// The mail that goes with an escalation, when the DNS wants one.
pub(super) fn escalade(cx: &Cx<'_>, gabarit: &str, reference: String) -> Option<Effet> {
    let adresse = cx.config.dns_courriel.clone()?;
    Some(Effet::Ask(Ask::Courriel(Courriel {
        a: adresse,
        modele: Modele::Escalade { gabarit: gabarit.to_owned() },
        reference,
        lien: None,
    })))
}
