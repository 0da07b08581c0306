//! Fictive doctors, engagements and observations.

use std::sync::LazyLock;

use bus::Origin;
use contracts::{
    Civilite, Lieu, Medecin as Candidat, ModeExercice, Rpps,
    messages::{Activite, Candidature, Situation, SourceRpps},
};

use super::{BTreeSet, Carte, DossierId, EngagementId, Fiche, NaiveDate, Observation};

pub(super) const DOSSIER: DossierId = DossierId(1042);

pub(super) static ENGAGEMENT: LazyLock<EngagementId> =
    LazyLock::new(|| "0a1b2c3d4e".parse().expect("an id"));

pub(super) static CARTE: LazyLock<Carte> = LazyLock::new(|| Carte {
    numero: "9001".to_owned(),
    debut: jour("2026-01-08"),
    fin: Some(jour("2029-01-07")),
});

pub(super) fn rpps(numero: &str) -> Rpps {
    numero.parse().expect("a number")
}

pub(super) fn jour(texte: &str) -> NaiveDate {
    texte.parse().expect("a day")
}

pub(super) fn origine() -> Origin {
    Origin::Relais
}

fn candidat(nom: &str, numero: &str) -> Candidat {
    Candidat {
        rpps: rpps(numero),
        civilite: Civilite::Mme,
        nom: nom.to_owned(),
        prenom: "Anne".to_owned(),
        courriel: "anne@medecin.example".to_owned(),
        telephone: "0100000000".to_owned(),
        mode_exercice: ModeExercice::Liberal,
        departement_exercice_principal: "63".parse().expect("a département"),
        cdom_inscription: "63".parse().expect("a CDOM"),
    }
}

pub(super) fn candidature_de(nom: &str, numero: &str) -> Candidature {
    Candidature {
        dossier: DOSSIER,
        medecin: candidat(nom, numero),
        lieux_souhaites: vec!["ambert-msp".parse().expect("an id")],
        creneaux_souhaites: Vec::new(),
        remplacement_souhaite: false,
        depose_le: "2026-01-05T07:00:00Z".parse().expect("an instant"),
    }
}

/// The engagement at a site, named by its FINESS or its RPPS-rang.
pub(super) fn activite_a(structure: &str, situation: Situation) -> Activite {
    Activite {
        engagement: ENGAGEMENT.clone(),
        dossier: DOSSIER,
        medecin: candidat("Exemple", "99790000014"),
        lieu: Lieu {
            id: "ambert-msp".parse().expect("an id"),
            nom: "MSP".to_owned(),
            adresse: String::new(),
            commune: "Ambert".to_owned(),
            departement: "63".parse().expect("a département"),
            finess: structure.parse().ok(),
            rpps_rang: structure.parse().ok(),
            cpam: None,
            cdom: None,
            contact_courriel: None,
        },
        creneaux_souhaites: Vec::new(),
        remplacement_autorise: false,
        situation,
        a_compter_du: jour("2026-01-05"),
        cause: None,
        interruptions: Vec::new(),
    }
}

pub(super) fn fiche_a(structures: &[&str]) -> Fiche {
    Fiche {
        noms: BTreeSet::from([("EXEMPLE".to_owned(), "ANNE".to_owned())]),
        professions: BTreeSet::from(["10".to_owned()]),
        savoir_faire: BTreeSet::from(["SM54".to_owned()]),
        structures: structures.iter().map(|s| (*s).to_owned()).collect(),
        cartes: Vec::new(),
    }
}

pub(super) fn observation(day: &str, fiche: Option<Fiche>) -> Observation {
    Observation {
        rpps: rpps("99790000014"),
        jour: jour(day),
        source: SourceRpps::Extraction,
        fiche,
    }
}
