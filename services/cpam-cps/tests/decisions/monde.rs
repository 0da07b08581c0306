//! A small fictive world: register, doctor, activity.

use bus::Origin;
use chrono::{DateTime, NaiveDate, Utc};
use contact::Lien;
use contracts::{
    Agence, Civilite, CodeCpam, Demande, DossierId, EngagementId, Lieu, Medecin, ModeExercice,
    Referentiel, Rib, Rpps,
    messages::{
        Activite, ActiviteAutorisee, ActiviteEnregistreeRpps, CarteCpsConstatee, NumeroAmCree,
        NumeroAmRefuse, RibRecu, Situation, SourceRpps,
    },
    referentiel::{Canal, FicheAgence, FicheLieu},
};
use cpam_cps::{Config, CpamCps};
use service::Input;
use uuid::Uuid;

use crate::banc::{Banc, entree};

pub(crate) const ORDRE: &str = "/relais/ordinal-adapter";
pub(crate) const RPPS: &str = "/relais/rpps-flux";
pub(crate) const E: &str = "0000000001";
pub(crate) const CLE: &str = "engagement/0000000001";
pub(crate) const MEDECIN: &str = "medecin/99790000014";
pub(crate) const NUMERO: &str = "631990017";

/// A Monday, 10:00 in Paris.
pub(crate) fn depart() -> DateTime<Utc> {
    "2026-03-02T09:00:00Z".parse().expect("instant")
}

pub(crate) fn jour(text: &str) -> NaiveDate {
    text.parse().expect("date")
}

pub(crate) fn cpam(code: &str) -> Agence {
    Agence::cpam(&code.parse().expect("CPAM"))
}

pub(crate) fn rpps() -> Rpps {
    "99790000014".parse().expect("RPPS")
}

fn lieu(id: &str, departement: &str, cpam: Option<&str>) -> Lieu {
    Lieu {
        id: id.parse().expect("id"),
        nom: format!("Maison de santé de {id}"),
        adresse: "1 place de la Mairie".to_owned(),
        commune: id.to_owned(),
        departement: departement.parse().expect("département"),
        finess: Some("639990019".parse().expect("FINESS")),
        rpps_rang: None,
        cpam: cpam.map(|c| c.parse().expect("CPAM")),
        cdom: None,
        contact_courriel: None,
    }
}

fn fiche_lieu(lieu: Lieu) -> FicheLieu {
    FicheLieu {
        lieu,
        intercommunalite: "Fictive".to_owned(),
        latitude: None,
        longitude: None,
        source: "fictif".to_owned(),
    }
}

fn fiche_cpam(code: &str, canal: Canal, courriel: Option<&str>) -> (CodeCpam, FicheAgence) {
    let fiche = FicheAgence {
        code: code.to_owned(),
        nom: format!("CPAM {code}"),
        canal,
        courriel: courriel.map(str::to_owned),
        source: "fictif".to_owned(),
    };
    (code.parse().expect("CPAM"), fiche)
}

/// 631 has a queue, 031 reads its mail, 431 has no address, 021 a folder.
pub(crate) fn referentiel() -> Referentiel {
    Referentiel::new(
        [
            fiche_lieu(lieu("ambert", "63", Some("631"))),
            fiche_lieu(lieu("lapalisse", "03", Some("031"))),
            fiche_lieu(lieu("brioude", "43", Some("431"))),
            fiche_lieu(lieu("montbard", "21", Some("021"))),
            fiche_lieu(lieu("sans-cpam", "63", None)),
        ],
        [
            fiche_cpam("631", Canal::File, None),
            fiche_cpam("031", Canal::Courriel, Some("cpam031@caisse.example")),
            fiche_cpam("431", Canal::Courriel, None),
            fiche_cpam("021", Canal::Fichier, None),
        ],
        [],
    )
}

pub(crate) fn banc() -> Banc<CpamCps> {
    Banc::new(Config::default(), referentiel(), depart())
}

pub(crate) fn engagement(id: &str) -> EngagementId {
    id.parse().expect("engagement")
}

/// The activity of engagement `id` at a site of the register.
pub(crate) fn activite(id: &str, lieu_id: &str, situation: Situation) -> Activite {
    let site = lieu_id.parse().expect("id");
    Activite {
        engagement: engagement(id),
        dossier: DossierId(1042),
        medecin: Medecin {
            rpps: rpps(),
            civilite: Civilite::M,
            nom: "Fictif".to_owned(),
            prenom: "Paul".to_owned(),
            courriel: "paul@medecin.example".to_owned(),
            telephone: "0600000000".to_owned(),
            mode_exercice: ModeExercice::Remplacant,
            departement_exercice_principal: "63".parse().expect("département"),
            cdom_inscription: "63".parse().expect("CDOM"),
        },
        lieu: referentiel().lieu(&site).expect("a site of the register").clone(),
        creneaux_souhaites: Vec::new(),
        remplacement_autorise: false,
        situation,
        a_compter_du: jour("2026-03-02"),
        cause: None,
        interruptions: Vec::new(),
    }
}

pub(crate) fn autorisee(lieu: &str) -> ActiviteAutorisee {
    ActiviteAutorisee(activite(E, lieu, Situation::Ouverte))
}

pub(crate) fn constat() -> ActiviteEnregistreeRpps {
    ActiviteEnregistreeRpps {
        engagement: engagement(E),
        rpps: rpps(),
        structure: "639990019".to_owned(),
        constatee_le: jour("2026-03-02"),
        source: SourceRpps::Extraction,
    }
}

pub(crate) fn carte(debut: &str) -> CarteCpsConstatee {
    CarteCpsConstatee {
        rpps: rpps(),
        pseudonyme: "abc".to_owned(),
        numero_carte: debut[6..].replace('-', "0"),
        debut_validite: jour(debut),
        fin_validite: None,
    }
}

fn derive(kind: &str, cle: &str, rank: u32) -> Uuid {
    kernel::derive_id(&["cpam-cps", kind, cle, &rank.to_string()])
}

/// The id of the n-th request for a number, as everybody can derive it.
pub(crate) fn demande(rank: u32) -> Demande {
    Demande { id: derive("numero", CLE, rank), rang: 1 }
}

pub(crate) fn cree(rank: u32, numero: &str, rib: Rib) -> NumeroAmCree {
    NumeroAmCree {
        demande: demande(rank),
        engagement: engagement(E),
        numero_am: numero.parse().expect("number"),
        rib,
    }
}

pub(crate) fn refuse(rank: u32) -> NumeroAmRefuse {
    let code = "medecin-inconnu".to_owned();
    NumeroAmRefuse { demande: demande(rank), engagement: engagement(E), code }
}

pub(crate) fn rib_recu() -> RibRecu {
    let demande = Demande { id: derive("rib", CLE, 1), rang: 1 };
    RibRecu { demande, engagement: engagement(E) }
}

/// A fact of another service, for a trial.
pub(crate) fn de<M: contracts::Message>(source: &str, message: &M) -> Input<CpamCps> {
    entree(message, Origin::Relais, source, Some(u64::MAX), depart())
}

/// An answer of a CPAM, for a trial.
pub(crate) fn de_la_cpam<M: contracts::Message>(code: &str, message: &M) -> Input<CpamCps> {
    let agence = cpam(code);
    entree(message, Origin::Agence(agence.clone()), &agence.source(), None, depart())
}

/// The link of a mail about a request.
pub(crate) fn lien_de(sujet: &str, demande: Uuid) -> Lien {
    Lien {
        sujet: sujet.to_owned(),
        cle: CLE.to_owned(),
        question: demande.to_string(),
        expire_le: depart(),
    }
}
