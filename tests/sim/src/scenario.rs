//! What is true: the doctors, their applications, what each agency intends. Drawn from the seed
//! alone, never from the order of events.

use std::{collections::BTreeSet, rc::Rc};

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use contracts::{
    DemiJournee, Lieu, Referentiel, Rpps,
    referentiel::{Canal, FicheAgence, FicheLieu},
};
use kernel::Draw;

/// Sites: id, CPAM, CDOM, FINESS, whether it has an address.
pub(crate) const LIEUX: [(&str, &str, &str, &str, bool); 3] = [
    ("ambert", "631", "63", "639990019", true),
    ("thiers", "631", "63", "639990027", false),
    ("vichy", "031", "03", "039990015", true),
];

/// Days during which things happen; then nothing goes wrong any more, and everything must end.
pub(crate) const JOURS: u64 = 70;

/// The way of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parcours {
    Simple,
    /// The first form lacks the phone number; corrected.
    Incomplet,
    /// The same, never corrected.
    IncompletJamais,
    /// The first number is unknown to the RPPS; corrected.
    RppsFaux,
    Refus,
    Complement,
    /// The doctor deletes the dossier before the CDOM answers.
    Suppression,
}

/// How it must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Issue {
    Autorise,
    Refuse,
    Retire,
    Jamais,
}

impl Parcours {
    pub(crate) fn issue(self) -> Issue {
        match self {
            Self::Simple | Self::Incomplet | Self::RppsFaux | Self::Complement => Issue::Autorise,
            Self::Refus => Issue::Refuse,
            Self::Suppression => Issue::Retire,
            Self::IncompletJamais => Issue::Jamais,
        }
    }
}

/// A doctor.
pub(crate) struct Medecin {
    pub(crate) rpps: Rpps,
    pub(crate) nom: String,
    pub(crate) courriel: String,
    pub(crate) cdom: &'static str,
    /// Suspended: days after the start at which it is said, days until it holds, days until it is
    /// lifted.
    pub(crate) suspension: Option<(u64, u64, Option<u64>)>,
}

/// An application.
pub(crate) struct Candidature {
    pub(crate) numero: u64,
    pub(crate) medecin: usize,
    pub(crate) lieux: Vec<usize>,
    pub(crate) parcours: Parcours,
    pub(crate) depot: DateTime<Utc>,
}

/// A day of consultation that a doctor intends.
pub(crate) struct Intention {
    /// Its rank among those of its site.
    pub(crate) rang: u64,
    /// Days after the slots are opened.
    pub(crate) dans: u64,
    pub(crate) debut: NaiveTime,
    pub(crate) fin: NaiveTime,
    pub(crate) demi_journees: &'static [DemiJournee],
    /// Cancelled that many days before.
    pub(crate) annulee: Option<u64>,
    pub(crate) vient: bool,
    /// Patients seen, when the doctor comes.
    pub(crate) vus: u64,
}

/// Everything that is true.
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) debut: DateTime<Utc>,
    pub(crate) medecins: Vec<Medecin>,
    pub(crate) candidatures: Vec<Candidature>,
    pub(crate) registre: Rc<Referentiel>,
    pub(crate) coupes: Coupes,
}

/// Starts with a trap: both clock changes, a leap day, a new year.
const DEBUTS: [&str; 4] = ["2026-02-23", "2026-09-14", "2028-01-24", "2025-11-24"];

/// What is taken out of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coupes {
    /// Applications that are not filed.
    pub dossiers: BTreeSet<u64>,
    /// (application, site) that is not chosen; the last site of an application stays.
    pub lieux: BTreeSet<(u64, usize)>,
    /// (application, site, rank) of a day that is not opened.
    pub jours: BTreeSet<(u64, usize, u64)>,
    /// Applications whose doctor is not suspended.
    pub mesures: BTreeSet<u64>,
    /// (application, site) from which the doctor does not withdraw.
    pub retraits: BTreeSet<(u64, usize)>,
}

impl Scenario {
    pub(crate) fn new(seed: u64, coupes: &Coupes) -> Self {
        let draw = |parts: &[&str]| Draw::of(seed, parts);
        let jour: NaiveDate = draw(&["debut"]).pick(&DEBUTS).parse().expect("date");
        let debut = kernel::paris_at(jour, NaiveTime::MIN);
        let count = draw(&["medecins"]).between(3, 5);
        let mut medecins = Vec::new();
        let mut candidatures = Vec::new();
        for n in 0..count {
            let name = format!("medecin {n}");
            let d = |what: &str| draw(&[&name, what]);
            let suspension = d("suspension").percent(20).then(|| {
                let lift = d("levee").percent(60).then(|| d("duree").between(5, 15));
                (d("suspendu le").between(25, 50), d("effet").between(1, 4), lift)
            });
            medecins.push(Medecin {
                rpps: rpps(n),
                nom: format!("Essai{n}"),
                courriel: format!("medecin{n}@medecin.example"),
                cdom: if d("cdom").percent(60) { "63" } else { "03" },
                suspension,
            });
            let files = if d("second dossier").percent(25) { 2 } else { 1 };
            let first = usize::try_from(d("lieu").below(3)).expect("small");
            for rank in 0..files {
                let numero = 1000 + n * 10 + rank;
                let name = format!("dossier {n} {rank}");
                let d = |what: &str| draw(&[&name, what]);
                let mut lieux = vec![(first + usize::from(rank > 0)) % 3];
                if files == 1 && d("deux lieux").percent(35) {
                    lieux.push((first + 1) % 3);
                }
                if lieux.iter().any(|l| !coupes.lieux.contains(&(numero, *l))) {
                    lieux.retain(|l| !coupes.lieux.contains(&(numero, *l)));
                }
                if coupes.mesures.contains(&numero) {
                    medecins.last_mut().expect("just added").suspension = None;
                }
                if coupes.dossiers.contains(&numero) {
                    continue;
                }
                let minutes = d("minute").below(20 * 24 * 60) + u64::from(rank > 0) * 7 * 24 * 60;
                candidatures.push(Candidature {
                    numero,
                    medecin: usize::try_from(n).expect("small"),
                    lieux,
                    parcours: parcours(d("parcours"), rank > 0),
                    depot: debut
                        + chrono::TimeDelta::minutes(i64::try_from(minutes).expect("small")),
                });
            }
        }
        let (registre, coupes) = (Rc::new(registre()), coupes.clone());
        Self { seed, debut, medecins, candidatures, registre, coupes }
    }

    pub(crate) fn draw(&self, parts: &[&str]) -> Draw {
        Draw::of(self.seed, parts)
    }

    pub(crate) fn calme_a(&self) -> DateTime<Utc> {
        self.debut + Days::new(JOURS)
    }

    /// What a doctor intends at a site.
    pub(crate) fn intentions(&self, candidature: usize, lieu: usize) -> Vec<Intention> {
        let dossier = self.candidatures[candidature].numero;
        let numero = dossier.to_string();
        let (site, count) = (LIEUX[lieu].0, self.draw(&[&numero, "jours"]).between(1, 5));
        let intention = |n: u64| {
            let rank = n.to_string();
            let d = |what: &str| self.draw(&[&numero, site, &rank, what]);
            let (debut, fin, halves): (_, _, &'static [DemiJournee]) = match d("horaire").below(4) {
                0 => (9, 12, &[DemiJournee::Matin]),
                1 => (14, 18, &[DemiJournee::ApresMidi]),
                _ => (9, 17, &[DemiJournee::Matin, DemiJournee::ApresMidi]),
            };
            let heure = |h| NaiveTime::from_hms_opt(h, 0, 0).expect("hour");
            let vient = d("vient").percent(88);
            Intention {
                rang: n,
                dans: d("dans").between(3, 24),
                debut: heure(debut),
                fin: heure(fin),
                demi_journees: halves,
                annulee: d("annulee").percent(15).then(|| d("avant").between(1, 2)),
                vient,
                vus: if vient { d("vus").below(6) } else { 0 },
            }
        };
        let kept = |n: &u64| !self.coupes.jours.contains(&(dossier, lieu, *n));
        let mut all: Vec<Intention> = (0..count).filter(kept).map(intention).collect();
        // One opening a day: two of the same day would be one vacation.
        all.sort_by_key(|i| i.dans);
        all.dedup_by_key(|i| i.dans);
        all
    }
}

fn parcours(draw: Draw, second: bool) -> Parcours {
    match draw.below(100) {
        0..45 => Parcours::Simple,
        45..57 => Parcours::Incomplet,
        57..65 => Parcours::RppsFaux,
        65..77 => Parcours::Complement,
        // A doctor whose first application is authorised stays so.
        _ if second => Parcours::Simple,
        77..86 => Parcours::Refus,
        86..94 => Parcours::Suppression,
        _ => Parcours::IncompletJamais,
    }
}

/// A fictive number with a valid key (Luhn); 40 and more are nobody's.
pub(crate) fn rpps(n: u64) -> Rpps {
    let stem = format!("99790{n:05}");
    let key = (0..10).map(|k| format!("{stem}{k}")).find(|text| text.parse::<Rpps>().is_ok());
    key.expect("one of ten keys is right").parse().expect("just checked")
}

fn registre() -> Referentiel {
    let lieux = LIEUX.map(|(id, cpam, cdom, finess, contact)| FicheLieu {
        lieu: Lieu {
            id: id.parse().expect("id"),
            nom: format!("MSP {id}"),
            adresse: "1 place de l'Essai".to_owned(),
            commune: id.to_owned(),
            departement: cdom.parse().expect("département"),
            finess: finess.parse().ok(),
            rpps_rang: None,
            cpam: cpam.parse().ok(),
            cdom: cdom.parse().ok(),
            contact_courriel: contact.then(|| format!("{id}@lieu.example")),
        },
        intercommunalite: String::new(),
        latitude: Some(45.5),
        longitude: Some(3.5),
        source: "fictif".to_owned(),
    });
    let fiche = |code: &str, canal, domain: &str| FicheAgence {
        code: code.to_owned(),
        nom: code.to_owned(),
        canal,
        courriel: Some(format!("agence{code}@{domain}.example")),
        source: "fictif".to_owned(),
    };
    let canal = |code: &str| if code.starts_with("63") { Canal::File } else { Canal::Courriel };
    let cpam = ["631", "031"].map(|c| (c.parse().expect("code"), fiche(c, canal(c), "cpam")));
    let cdom = ["63", "03"].map(|c| (c.parse().expect("code"), fiche(c, canal(c), "cdom")));
    Referentiel::new(lieux, cpam, cdom)
}
