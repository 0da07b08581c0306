//! The fictive doctors and what each of them will do: drawn from a seed, doctor by doctor, so that
//! nothing depends on when it is drawn.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use contracts::{
    Civilite, CodeCdom, Creneau, DemiJournee, Departement, DossierId, LieuId, ModeExercice,
    Referentiel, Rpps,
};
use kernel::Draw;

/// Who applies and what happens: one doctor.
#[derive(Clone, Debug)]
pub struct Parcours {
    /// The doctor.
    pub personne: Personne,
    /// One dossier, or two: the second for another site.
    pub dossiers: Vec<DossierPrevu>,
    /// The CPAM has no bank details at first.
    pub rib_manquant: bool,
    /// Days from the numéro AM to the card's appearance.
    pub jours_carte: u64,
}

/// A fictive doctor.
#[derive(Clone, Debug)]
pub struct Personne {
    /// Number within the population, from 0.
    pub rang: u32,
    /// RPPS number; valid, fictive.
    pub rpps: Rpps,
    /// Civility.
    pub civilite: Civilite,
    /// Family name.
    pub nom: String,
    /// First name.
    pub prenom: String,
    /// E-mail address.
    pub courriel: String,
    /// Phone number, from the range reserved for fiction.
    pub telephone: String,
    /// How the doctor practises.
    pub mode: ModeExercice,
    /// Département of practice.
    pub departement: Departement,
    /// CDOM of registration.
    pub cdom: CodeCdom,
}

/// How a dossier goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profil {
    /// Accepted at the first reading.
    Normal,
    /// The RPPS key is wrong, corrected when asked.
    RppsFauxCorrige,
    /// The RPPS key is wrong, never corrected.
    RppsFauxAbandon,
    /// The number is somebody's whom the RPPS does not know, corrected when asked.
    RppsInconnuCorrige,
    /// The same, never corrected: the CDOM refuses in the end.
    RppsInconnuAbandon,
    /// The CDOM refuses.
    Refus,
    /// The CDOM asks for a complement, given.
    Complement,
    /// The CDOM asks for a complement; the doctor deletes the dossier instead.
    Retrait,
}

/// A dossier to come.
#[derive(Clone, Debug)]
pub struct DossierPrevu {
    /// Its number on Démarches simplifiées.
    pub numero: DossierId,
    /// When it is deposited.
    pub depose_le: DateTime<Utc>,
    /// How it goes.
    pub profil: Profil,
    /// The engagements it leads to when authorised, one per site.
    pub engagements: Vec<EngagementPrevu>,
    /// The half-days wished on the form.
    pub creneaux: Vec<Creneau>,
    /// Wants to be replaced at the main practice.
    pub remplacement: bool,
}

/// What a doctor does at a site.
#[derive(Clone, Debug)]
pub struct EngagementPrevu {
    /// The site.
    pub lieu: LieuId,
    /// One vacation a week, from the week after the invitation was accepted.
    pub vacations: Vec<VacationPrevue>,
    /// Withdraws the day after this many vacations.
    pub retrait_apres: Option<usize>,
}

/// One day of consultation to come.
#[derive(Clone, Debug)]
pub struct VacationPrevue {
    /// Days after the Monday of its week, 0 to 4.
    pub jour: u64,
    /// Its half-days.
    pub demi_journees: Vec<DemiJournee>,
    /// What becomes of it.
    pub sort: Sort,
}

/// What becomes of a vacation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Held, with at least one honoured appointment.
    Honoree {
        /// Appointments taken.
        rdv: u32,
    },
    /// Held, and no patient came; the site attests.
    SansPatient,
    /// The doctor did not come; the site says so.
    Absent,
    /// The doctor closes the slots before the day.
    Annulee,
}

const NOMS: [&str; 8] =
    ["Exemple", "Fictif", "Témoin", "Modèle", "Essai", "Imaginaire", "Échantillon", "Spécimen"];
const PRENOMS: [&str; 10] = [
    "Anne",
    "Benoît",
    "Claire",
    "Daniel",
    "Elsa",
    "François",
    "Hélène",
    "Idriss",
    "Jeanne",
    "Karim",
];
const DEPARTEMENTS: [&str; 12] =
    ["03", "07", "15", "18", "29", "40", "42", "43", "56", "62", "63", "80"];

/// Draws for one doctor.
struct Tirage {
    seed: u64,
    medecin: String,
}

impl Tirage {
    fn de(&self, quoi: &str) -> Draw {
        Draw::of(self.seed, &["population", &self.medecin, quoi])
    }

    fn de_n(&self, quoi: &str, n: usize) -> Draw {
        Draw::of(self.seed, &["population", &self.medecin, quoi, &n.to_string()])
    }
}

/// The whole population of a run that starts on `debut`.
pub fn population(
    seed: u64,
    medecins: u32,
    debut: NaiveDate,
    referentiel: &Referentiel,
) -> Vec<Parcours> {
    let lieux: Vec<LieuId> = referentiel.lieux().map(|f| f.lieu.id.clone()).collect();
    (0..medecins).map(|rang| parcours(seed, rang, debut, &lieux)).collect()
}

fn parcours(seed: u64, rang: u32, debut: NaiveDate, lieux: &[LieuId]) -> Parcours {
    let tirage = Tirage { seed, medecin: rang.to_string() };
    let personne = personne(&tirage, rang);
    let premier_lieu = lieu_sauf(&tirage, "lieu", lieux, &[]);
    let profil = profil(&tirage);
    let autre = lieu_sauf(&tirage, "autre-lieu", lieux, std::slice::from_ref(&premier_lieu));
    let abouti = matches!(profil, Profil::Normal | Profil::Complement);
    let deux_lieux = abouti && tirage.de("deux-lieux").percent(9);
    let second = profil == Profil::Normal && !deux_lieux && tirage.de("second").percent(6);
    let mut engagements = vec![engagement(&tirage, 0, premier_lieu)];
    if deux_lieux {
        engagements.push(engagement(&tirage, 1, autre.clone()));
    }
    let depose_le = depot(&tirage, "depot", debut, 0);
    let mut dossiers =
        vec![dossier(&tirage, 10_000 + u64::from(rang), depose_le, profil, engagements)];
    if second {
        let depose_le = depot(&tirage, "second-depot", debut, 7);
        let engagements = vec![engagement(&tirage, 1, autre)];
        let numero = 60_000 + u64::from(rang);
        dossiers.push(dossier(&tirage, numero, depose_le, Profil::Normal, engagements));
    }
    let tard = tirage.de("carte-tardive").percent(10);
    let jours_carte =
        if tard { tirage.de("carte").between(24, 30) } else { tirage.de("carte").between(12, 20) };
    Parcours { personne, dossiers, rib_manquant: tirage.de("rib").percent(15), jours_carte }
}

fn personne(tirage: &Tirage, rang: u32) -> Personne {
    let departement = *tirage.de("departement").pick(&DEPARTEMENTS);
    let modes = [
        ModeExercice::Liberal,
        ModeExercice::Liberal,
        ModeExercice::Salarie,
        ModeExercice::Hospitalier,
        ModeExercice::Remplacant,
        ModeExercice::Retraite,
    ];
    Personne {
        rang,
        rpps: rpps(9_000_000 + u64::from(rang)),
        civilite: *tirage.de("civilite").pick(&[Civilite::Mme, Civilite::M]),
        nom: (*tirage.de("nom").pick(&NOMS)).to_owned(),
        prenom: (*tirage.de("prenom").pick(&PRENOMS)).to_owned(),
        courriel: format!("medecin{rang:05}@medecins.example"),
        // 06 39 98 xx xx is reserved by the ARCEP for fiction.
        telephone: format!("06 39 98 {:02} {:02}", rang / 100 % 100, rang % 100),
        mode: *tirage.de("mode").pick(&modes),
        departement: departement.parse().expect("a known département"),
        cdom: departement.parse().expect("a known département"),
    }
}

/// A fictive RPPS number: `997`, a serial, and the Luhn key.
///
/// # Panics
/// Never: a serial of at most 7 digits makes a valid number.
pub fn rpps(serie: u64) -> Rpps {
    let stem = format!("997{:07}", serie % 10_000_000);
    (0..10)
        .find_map(|key| format!("{stem}{key}").parse().ok())
        .expect("one of ten keys is the right one")
}

/// The same number with a wrong key, as a tired doctor types it.
pub fn rpps_faux(rpps: &Rpps) -> String {
    let (stem, key) = rpps.as_str().split_at(10);
    let wrong = (key.parse::<u32>().unwrap_or(0) + 1) % 10;
    format!("{stem}{wrong}")
}

/// A valid number that the RPPS does not know.
pub fn rpps_inconnu(rang: u32) -> Rpps {
    rpps(5_000_000 + u64::from(rang))
}

fn profil(tirage: &Tirage) -> Profil {
    match tirage.de("profil").below(100) {
        0..5 => Profil::RppsFauxCorrige,
        5..7 => Profil::RppsFauxAbandon,
        7..10 => Profil::RppsInconnuCorrige,
        10..12 => Profil::RppsInconnuAbandon,
        12..19 => Profil::Refus,
        19..26 => Profil::Complement,
        26..30 => Profil::Retrait,
        _ => Profil::Normal,
    }
}

fn lieu_sauf(tirage: &Tirage, quoi: &str, lieux: &[LieuId], sauf: &[LieuId]) -> LieuId {
    let libres: Vec<&LieuId> = lieux.iter().filter(|l| !sauf.contains(l)).collect();
    (*tirage.de(quoi).pick(&libres)).clone()
}

/// A minute of a working day of the first week, `decalage` days later.
fn depot(tirage: &Tirage, quoi: &str, debut: NaiveDate, decalage: u64) -> DateTime<Utc> {
    let jour = debut + Days::new(tirage.de(quoi).below(5) + decalage);
    let minute = tirage.de(&format!("{quoi}-minute")).between(8 * 60, 19 * 60);
    let minute = i64::try_from(minute).unwrap_or(0);
    kernel::paris_at(jour, NaiveTime::MIN + TimeDelta::minutes(minute))
}

fn dossier(
    tirage: &Tirage,
    numero: u64,
    depose_le: DateTime<Utc>,
    profil: Profil,
    engagements: Vec<EngagementPrevu>,
) -> DossierPrevu {
    let premier = kernel::paris_date(depose_le) + Days::new(28);
    let creneau = |semaine: u64| Creneau {
        date: premier + Days::new(7 * semaine),
        demi_journee: *tirage
            .de_n("creneau", usize::try_from(semaine).unwrap_or(0))
            .pick(&[DemiJournee::Matin, DemiJournee::ApresMidi]),
    };
    DossierPrevu {
        numero: DossierId(numero),
        depose_le,
        profil,
        engagements,
        creneaux: (0..tirage.de("creneaux").between(1, 3)).map(creneau).collect(),
        remplacement: tirage.de("remplacement").percent(40),
    }
}

/// The first engagement of a doctor works from Monday to Wednesday, the second on Thursday and
/// Friday: one person is never expected at two sites at once.
fn engagement(tirage: &Tirage, rang: usize, lieu: LieuId) -> EngagementPrevu {
    let quoi = format!("engagement-{rang}");
    let count = usize::try_from(tirage.de(&quoi).between(2, 3)).unwrap_or(2);
    let vacations: Vec<_> = (0..count).map(|n| vacation(tirage, rang, n)).collect();
    let tenues = vacations.iter().filter(|v| v.sort != Sort::Annulee).count();
    let retire = rang == 0 && tenues == count && tirage.de("retrait-apres").percent(6);
    EngagementPrevu { lieu, retrait_apres: retire.then_some(count - 1), vacations }
}

fn vacation(tirage: &Tirage, rang: usize, n: usize) -> VacationPrevue {
    let draw = |quoi: &str| tirage.de_n(&format!("vacation-{rang}-{quoi}"), n);
    let (matin, apres_midi) = (DemiJournee::Matin, DemiJournee::ApresMidi);
    let demi_journees = match draw("demi").below(10) {
        0..5 => vec![matin, apres_midi],
        5..8 => vec![matin],
        _ => vec![apres_midi],
    };
    let sort = match draw("sort").below(100) {
        0..8 => Sort::SansPatient,
        8..12 => Sort::Absent,
        12..22 => Sort::Annulee,
        _ => Sort::Honoree { rdv: u32::try_from(draw("rdv").between(2, 6)).unwrap_or(2) },
    };
    let jour = if rang == 0 { draw("jour").below(3) } else { 3 + draw("jour").below(2) };
    VacationPrevue { jour, demi_journees, sort }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_people_whatever_their_number() {
        let debut = NaiveDate::from_ymd_opt(2026, 1, 5).expect("date");
        let referentiel = Referentiel::demo();
        let few = population(7, 10, debut, &referentiel);
        let many = population(7, 300, debut, &referentiel);
        assert_eq!(format!("{few:?}"), format!("{:?}", &many[..10]));
        for profil in [Profil::Normal, Profil::Refus, Profil::Retrait, Profil::RppsFauxAbandon] {
            assert!(many.iter().any(|p| p.dossiers[0].profil == profil), "{profil:?} is missing");
        }
        assert!(many.iter().any(|p| p.dossiers.len() == 2));
        assert!(many.iter().any(|p| p.dossiers[0].engagements[0].retrait_apres.is_some()));
    }

    #[test]
    fn a_wrong_key_is_refused() {
        assert!(rpps_faux(&rpps(9_000_001)).parse::<Rpps>().is_err());
    }
}
