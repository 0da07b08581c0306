//! A small fictive world: register, doctor, applications.

use bus::Origin;
use chrono::{DateTime, Utc};
use contracts::{
    Agence, Civilite, CodeCdom, Creneau, DemiJournee, DossierId, EngagementId, Lieu, Medecin,
    ModeExercice, Referentiel, Rpps,
    messages::{Candidature, DecisionLueDs, Issue, MedecinIdentifie, VerificationRendue},
    referentiel::{Canal, FicheAgence, FicheLieu},
};
use ordinal_adapter::{Config, OrdinalAdapter, engagement_id};
use service::Input;
use uuid::Uuid;

use crate::banc::{Banc, entree};

pub(crate) const DS: &str = "/relais/ds-intake";
pub(crate) const RPPS: &str = "/relais/rpps-flux";
pub(crate) const N: DossierId = DossierId(1042);
pub(crate) const CLE: &str = "dossier/1042";

/// A Monday, 10:00 in Paris.
pub(crate) fn depart() -> DateTime<Utc> {
    "2026-03-02T09:00:00Z".parse().expect("instant")
}

pub(crate) fn rpps() -> Rpps {
    "99790000014".parse().expect("RPPS")
}

pub(crate) fn autre_rpps() -> Rpps {
    "99790000022".parse().expect("RPPS")
}

pub(crate) fn cdom(code: &str) -> Agence {
    Agence::cdom(&code.parse().expect("CDOM"))
}

fn fiche_lieu(id: &str, departement: &str, cdom: Option<&str>) -> FicheLieu {
    FicheLieu {
        lieu: Lieu {
            id: id.parse().expect("id"),
            nom: format!("Maison de santé de {id}"),
            adresse: "1 place de la Mairie".to_owned(),
            commune: id.to_owned(),
            departement: departement.parse().expect("département"),
            finess: Some("639990019".parse().expect("FINESS")),
            rpps_rang: None,
            cpam: Some("631".parse().expect("CPAM")),
            cdom: cdom.map(|c| c.parse().expect("CDOM")),
            contact_courriel: None,
        },
        intercommunalite: "Fictive".to_owned(),
        latitude: None,
        longitude: None,
        source: "fictif".to_owned(),
    }
}

fn fiche_cdom(code: &str, canal: Canal, courriel: Option<&str>) -> (CodeCdom, FicheAgence) {
    let fiche = FicheAgence {
        code: code.to_owned(),
        nom: format!("CDOM {code}"),
        canal,
        courriel: courriel.map(str::to_owned),
        source: "fictif".to_owned(),
    };
    (code.parse().expect("CDOM"), fiche)
}

/// 63 has a queue, 03 reads its mail, 15 works on Démarches simplifiées, 43 has no address.
pub(crate) fn referentiel() -> Referentiel {
    Referentiel::new(
        [
            fiche_lieu("ambert", "63", Some("63")),
            fiche_lieu("lapalisse", "03", Some("03")),
            fiche_lieu("brioude", "43", None),
        ],
        [],
        [
            fiche_cdom("63", Canal::File, None),
            fiche_cdom("03", Canal::Courriel, Some("cdom03@ordre.example")),
            fiche_cdom("15", Canal::Ds, Some("cdom15@ordre.example")),
            fiche_cdom("43", Canal::Courriel, None),
        ],
    )
}

pub(crate) fn banc() -> Banc<OrdinalAdapter> {
    Banc::new(Config::default(), referentiel(), depart())
}

pub(crate) fn candidature(cdom: &str, lieux: &[&str]) -> Candidature {
    Candidature {
        dossier: N,
        medecin: Medecin {
            rpps: rpps(),
            civilite: Civilite::Mme,
            nom: "Fictive".to_owned(),
            prenom: "Anne".to_owned(),
            courriel: "anne@medecin.example".to_owned(),
            telephone: "0600000000".to_owned(),
            mode_exercice: ModeExercice::Liberal,
            departement_exercice_principal: cdom.parse().expect("département"),
            cdom_inscription: cdom.parse().expect("CDOM"),
        },
        lieux_souhaites: lieux.iter().map(|l| l.parse().expect("id")).collect(),
        creneaux_souhaites: vec![Creneau {
            date: "2026-04-07".parse().expect("date"),
            demi_journee: DemiJournee::Matin,
        }],
        remplacement_souhaite: false,
        depose_le: depart(),
    }
}

pub(crate) fn identite(rpps: Rpps, trouve: bool) -> MedecinIdentifie {
    MedecinIdentifie {
        dossier: N,
        rpps,
        trouve,
        actif: trouve,
        profession: trouve.then(|| "10".to_owned()),
        savoir_faire: Vec::new(),
        concordance_identite: trouve.then_some(true),
    }
}

pub(crate) fn decision_ds(issue: Issue) -> DecisionLueDs {
    DecisionLueDs { dossier: N, issue, rendue_le: depart() }
}

/// The id of the n-th verification of the dossier, as everybody can derive it.
pub(crate) fn demande(rank: u32) -> Uuid {
    kernel::derive_id(&["ordinal-adapter", "verification", &N.to_string(), &rank.to_string()])
}

pub(crate) fn rendue(rank: u32, issue: Issue) -> VerificationRendue {
    VerificationRendue {
        demande: contracts::Demande { id: demande(rank), rang: 1 },
        dossier: N,
        issue,
        champs: Vec::new(),
        rendue_le: depart(),
        agent: "agent-1".to_owned(),
    }
}

pub(crate) fn engagement(lieu: &str) -> EngagementId {
    engagement_id(&rpps(), &lieu.parse().expect("id"))
}

pub(crate) fn cle_engagement(lieu: &str) -> String {
    format!("engagement/{}", engagement(lieu))
}

/// A message of another service, for a trial.
pub(crate) fn de<M: contracts::Message>(source: &str, message: &M) -> Input<OrdinalAdapter> {
    entree(message, Origin::Relais, source, Some(u64::MAX), depart())
}

/// An answer of a CDOM, for a trial.
pub(crate) fn du_cdom<M: contracts::Message>(code: &str, message: &M) -> Input<OrdinalAdapter> {
    let agence = cdom(code);
    entree(message, Origin::Agence(agence.clone()), &agence.source(), None, depart())
}
