//! Random histories: what happened, and when each message about it arrives.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Utc, Weekday};
use contracts::{
    Civilite, DemiJournee, DossierId, EngagementId, Lieu, Medecin, ModeExercice, Rib, VacationId,
    messages::{
        Activite, ActiviteModifiee, ActiviteRetablie, ActiviteSuspendue, ActiviteTerminee,
        FacturationOuverte, Interruption, ModeFacturation, Situation, Vacation, VacationAnnulee,
        VacationPlanifiee, VacationRealisee,
    },
};
use indemnite::Incoming;
use kernel::Draw;

/// Calendars with a trap in them: spring change and month end, autumn change, leap day, new year.
const STARTS: [&str; 4] = ["2026-03-17", "2026-10-12", "2028-02-14", "2025-12-16"];
const RPPS: [&str; 2] = ["99790000014", "99790000022"];
const LIEUX: [(&str, &str); 3] = [("ambert", "631"), ("thiers", "631"), ("bourbon", "031")];
const NUMEROS: [&str; 3] = ["631990017", "631990025", "031990013"];

/// One delivery.
#[derive(Clone)]
pub(crate) struct Livraison {
    pub(crate) at: DateTime<Utc>,
    pub(crate) id: String,
    pub(crate) subject: String,
    pub(crate) sequence: u64,
    pub(crate) message: Incoming,
}

/// Every delivery of a history, in order of arrival.
pub(crate) struct Histoire {
    pub(crate) seed: u64,
    pub(crate) debut: NaiveDate,
    pub(crate) livraisons: Vec<Livraison>,
}

pub(crate) fn instant(day: NaiveDate, hour: u32, minute: u32) -> DateTime<Utc> {
    kernel::paris_at(day, NaiveTime::from_hms_opt(hour, minute, 0).expect("time"))
}

pub(crate) fn plus(day: NaiveDate, days: u64) -> NaiveDate {
    day + Days::new(days)
}

/// What is special about a day.
pub(crate) fn traps(day: NaiveDate) -> Vec<&'static str> {
    let noon = |day| instant(day, 12, 0);
    let hours = (noon(plus(day, 1)) - noon(day)).num_hours();
    let all = [
        ("29 février", day.format("%m-%d").to_string() == "02-29"),
        ("veille d'un changement d'heure", hours != 24),
        ("fin de mois", plus(day, 1).format("%d").to_string() == "01"),
    ];
    all.into_iter().filter(|(_, is)| *is).map(|(what, _)| what).collect()
}

impl Histoire {
    pub(crate) fn new(seed: u64, jours: u32) -> Self {
        let draw = Draw::of(seed, &["debut"]);
        let debut: NaiveDate = draw.pick(&STARTS).parse().expect("date");
        let mut histoire = Self { seed, debut, livraisons: Vec::new() };
        for medecin in 0..RPPS.len() {
            for lieu in 0..LIEUX.len() {
                histoire.engagement(medecin, lieu, jours);
            }
        }
        histoire.livraisons.sort_by_key(|l| (l.at, l.id.clone()));
        histoire
    }

    pub(crate) fn draw(&self, parts: &[&str]) -> Draw {
        Draw::of(self.seed, parts)
    }

    fn engagement(&mut self, medecin: usize, lieu: usize, jours: u32) {
        let name = format!("0eng{medecin}{lieu}");
        if self.draw(&[&name, "existe"]).percent(20) {
            return;
        }
        let engagement: EngagementId = name.parse().expect("id");
        self.activites(&engagement, medecin, lieu);
        self.facturations(&engagement, medecin, lieu);
        for n in 0..jours {
            let jour = plus(self.debut, self.draw(&[&name, "jour", &n.to_string()]).below(30));
            if jour.weekday() != Weekday::Sun {
                self.vacation(&engagement, jour);
            }
        }
    }

    /// Adds a message: late, doubled, or sent again under another id, as drawn.
    fn send(&mut self, happened: DateTime<Utc>, subject: &str, sequence: u64, message: &Incoming) {
        let name = format!("{subject}#{sequence}");
        let draw = |what: &str| Draw::of(self.seed, &[&name, what]);
        let late = |what: &str| match draw(what).below(10) {
            0..7 => TimeDelta::minutes(1),
            7..9 => TimeDelta::hours(i64::try_from(draw("heures").between(1, 60)).expect("small")),
            _ => TimeDelta::days(i64::try_from(draw("jours").between(2, 25)).expect("small")),
        };
        let mut copies = vec![(name.clone(), late("retard"))];
        if draw("doublon").percent(20) {
            copies.push((name.clone(), late("retard du doublon")));
        }
        if draw("renvoi").percent(10) {
            copies.push((format!("{name} bis"), late("retard du renvoi")));
        }
        for (id, delay) in copies {
            // Odd minutes: nothing arrives at the instant of a wake-up.
            let at = happened + delay + TimeDelta::minutes(16);
            let (subject, message) = (subject.to_owned(), message.clone());
            self.livraisons.push(Livraison { at, id, subject, sequence, message });
        }
    }

    fn activites(&mut self, engagement: &EngagementId, medecin: usize, lieu: usize) {
        let subject = format!("activite/{engagement}");
        let day = |what: &str, from: u64, to: u64| {
            plus(self.debut, self.draw(&[&subject, what]).between(from, to))
        };
        let (s, r, t) = (day("suspension", 4, 20), day("retour", 8, 30), day("fin", 6, 35));
        let (said_s, said_t) = (day("dit la suspension", 2, 26), day("dit la fin", 4, 34));
        let open = day("ouverture", 0, 3);
        let mut steps = vec![(instant(open, 10, 0), Situation::Ouverte, self.debut)];
        if self.draw(&[&subject, "modifiee"]).percent(30) {
            steps.push((instant(plus(open, 1), 10, 0), Situation::Ouverte, self.debut));
        }
        match self.draw(&[&subject, "suite"]).below(10) {
            0..5 => {}
            5..7 => steps.push((instant(said_t, 11, 0), Situation::Terminee, t)),
            7 => steps.push((instant(said_s, 11, 0), Situation::Suspendue, s)),
            _ => {
                steps.push((instant(said_s, 11, 0), Situation::Suspendue, s));
                steps.push((instant(plus(said_s, 3), 11, 0), Situation::Ouverte, r.max(s)));
            }
        }
        let suspended = steps.iter().find(|(_, situation, _)| *situation == Situation::Suspendue);
        let suspended = suspended.map(|(_, _, du)| *du);
        for (n, (at, situation, du)) in steps.into_iter().enumerate() {
            let mut activite = activite(engagement, medecin, lieu, situation, du);
            activite.interruptions = match (situation, suspended) {
                (Situation::Suspendue, _) => vec![Interruption { du, au: None }],
                (Situation::Ouverte, Some(since)) if n >= 2 && since < du => {
                    vec![Interruption { du: since, au: Some(du) }]
                }
                (Situation::Ouverte | Situation::Terminee, _) => Vec::new(),
            };
            let message = match situation {
                Situation::Ouverte if n == 0 => {
                    Incoming::ActiviteModifiee(ActiviteModifiee(activite))
                }
                Situation::Ouverte => Incoming::ActiviteRetablie(ActiviteRetablie(activite)),
                Situation::Suspendue => Incoming::ActiviteSuspendue(ActiviteSuspendue(activite)),
                Situation::Terminee => Incoming::ActiviteTerminee(ActiviteTerminee(activite)),
            };
            self.send(at, &subject, n as u64 + 1, &message);
        }
    }

    fn facturations(&mut self, engagement: &EngagementId, medecin: usize, lieu: usize) {
        let subject = format!("facturation/{engagement}");
        let number = plus(self.debut, self.draw(&[&subject, "numero"]).below(40));
        let ribs = match self.draw(&[&subject, "rib"]).below(3) {
            0 => vec![(0, Rib::Present)],
            1 => vec![(0, Rib::Manquant), (12, Rib::Present)],
            _ => vec![(0, Rib::Inconnu), (3, Rib::Manquant), (30, Rib::Present)],
        };
        for (n, (after, rib)) in ribs.into_iter().enumerate() {
            let facturation = FacturationOuverte {
                engagement: engagement.clone(),
                rpps: RPPS[medecin].parse().expect("rpps"),
                cpam: LIEUX[lieu].1.parse().expect("cpam"),
                lieu: LIEUX[lieu].0.parse().expect("lieu"),
                numero_am: NUMEROS[lieu].parse().expect("numéro AM"),
                numero_cree_le: number,
                rib,
                mode: ModeFacturation::Papier,
            };
            let at = instant(plus(number, after), 14, 0);
            self.send(at, &subject, n as u64 + 1, &Incoming::FacturationOuverte(facturation));
        }
    }

    fn vacation(&mut self, engagement: &EngagementId, date: NaiveDate) {
        let subject = format!("vacation/{}", VacationId::new(engagement, date));
        if self.livraisons.iter().any(|l| l.subject == subject) {
            return;
        }
        let halves = |what: &str| match self.draw(&[&subject, what]).below(4) {
            0 => vec![DemiJournee::Matin],
            1 => vec![DemiJournee::ApresMidi],
            _ => vec![DemiJournee::ApresMidi, DemiJournee::Matin],
        };
        let rdv = |what: &str| {
            let n = self.draw(&[&subject, what]).below(5);
            u32::try_from(n.saturating_sub(1)).expect("small")
        };
        let vacation = |demi_journees: Vec<DemiJournee>, rdv_honores: u32| Vacation {
            vacation: VacationId::new(engagement, date),
            engagement: engagement.clone(),
            date,
            demi_journees,
            rdv_honores,
            creneaux: Vec::new(),
        };
        let (first, changed) = (vacation(halves("prevu"), 0), vacation(halves("tenu"), rdv("rdv")));
        let later = vacation(halves("revu"), rdv("rdv revu"));
        let six = instant(plus(date, 1), 6, 0);
        let mut steps = vec![(
            instant(date, 7, 0) - TimeDelta::days(6),
            Incoming::VacationPlanifiee(VacationPlanifiee(first.clone())),
        )];
        match self.draw(&[&subject, "suite"]).below(12) {
            0 | 1 => {
                steps
                    .push((instant(date, 7, 0), Incoming::VacationAnnulee(VacationAnnulee(first))));
            }
            2 => {}
            3 | 4 => {
                steps.push((six, Incoming::VacationRealisee(VacationRealisee(changed))));
                let at = six + TimeDelta::days(1);
                steps.push((at, Incoming::VacationRealisee(VacationRealisee(later))));
            }
            5 => {
                steps.push((six, Incoming::VacationRealisee(VacationRealisee(changed))));
                let at = six + TimeDelta::days(2);
                steps.push((at, Incoming::VacationAnnulee(VacationAnnulee(later))));
            }
            _ => steps.push((six, Incoming::VacationRealisee(VacationRealisee(changed)))),
        }
        for (n, (at, message)) in steps.into_iter().enumerate() {
            self.send(at, &subject, n as u64 + 1, &message);
        }
    }
}

fn activite(
    engagement: &EngagementId,
    medecin: usize,
    lieu: usize,
    situation: Situation,
    du: NaiveDate,
) -> Activite {
    let (id, cpam) = LIEUX[lieu];
    Activite {
        engagement: engagement.clone(),
        dossier: DossierId(medecin as u64),
        medecin: Medecin {
            rpps: RPPS[medecin].parse().expect("rpps"),
            civilite: Civilite::M,
            nom: format!("Essai{medecin}"),
            prenom: "Alix".to_owned(),
            courriel: "alix@medecin.example".to_owned(),
            telephone: "0100000000".to_owned(),
            mode_exercice: ModeExercice::Retraite,
            departement_exercice_principal: "63".parse().expect("département"),
            cdom_inscription: "63".parse().expect("cdom"),
        },
        lieu: Lieu {
            id: id.parse().expect("lieu"),
            nom: id.to_owned(),
            adresse: String::new(),
            commune: String::new(),
            departement: "63".parse().expect("département"),
            finess: None,
            rpps_rang: None,
            cpam: Some(cpam.parse().expect("cpam")),
            cdom: None,
            contact_courriel: (id != "bourbon").then(|| format!("{id}@lieu.example")),
        },
        creneaux_souhaites: Vec::new(),
        remplacement_autorise: false,
        situation,
        a_compter_du: du,
        cause: None,
        interruptions: Vec::new(),
    }
}
