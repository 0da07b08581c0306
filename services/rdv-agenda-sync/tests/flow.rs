//! From the authorisation to a day held, with real webhooks.

#[path = "commun/bout.rs"]
mod bout;
mod commun;
#[path = "commun/facteur.rs"]
mod facteur;

use std::time::Duration;

use bout::{Bout, COURRIEL, activite, lieu};
use chrono::{NaiveDate, NaiveTime, TimeDelta};
use commun::Banc;
use contracts::messages::{
    ActiviteTerminee, AgendaFerme, AgendaOuvert, PanneOuverte, PlanningPublie, Situation,
    TacheOuverte, VacationAnnulee, VacationPlanifiee, VacationRealisee,
};
use rdv_agenda_sync::{
    ics,
    simulator::{MARQUEUR, Options},
};

async fn flux(options: Options) -> Bout {
    Bout::demarrer(Banc::new(options).await, None).await
}

fn heure(h: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(h, 0, 0).expect("time")
}

fn jour(text: &str) -> NaiveDate {
    text.parse().expect("date")
}

#[tokio::test]
async fn from_the_authorisation_to_a_day_held() {
    let mut flux = flux(Options::default()).await;
    let organisation = flux.ouvrir().await;
    let sim = flux.banc.simulateur.clone();
    let url = flux.faits::<AgendaOuvert>().pop().expect("open").0.url;
    assert!(url.contains(&format!("/admin/organisations/{organisation}/agent_agendas/")));

    let rule = Some("FREQ=WEEKLY;BYDAY=TH;UNTIL=20260326T000000;".to_owned());
    let opened =
        sim.ouvrir_plage(COURRIEL, organisation, jour("2026-03-05"), heure(8), heure(12), rule);
    opened.expect("opened");
    let start = kernel::paris_at(jour("2026-03-05"), heure(9));
    let quarter = Duration::from_mins(15);
    let first = sim.prendre_rdv(COURRIEL, start, quarter).expect("booked");
    let second =
        sim.prendre_rdv(COURRIEL, start + TimeDelta::minutes(15), quarter).expect("booked");
    flux.vivre("2026-03-02T18:00:00Z").await;
    assert_eq!(flux.faits::<VacationPlanifiee>().len(), 4, "four Thursdays");
    let planning = flux.faits::<PlanningPublie>().pop().expect("published at 18:00");
    assert_eq!(planning.vacations.len(), 4);
    assert!(ics(&planning, &lieu()).contains("Dr Alan Fictif"));

    flux.vivre("2026-03-05T15:00:00Z").await;
    assert!(sim.statuer_rdv(first, "seen"));
    assert!(sim.statuer_rdv(second, "noshow"));
    flux.vivre("2026-03-06T06:00:00Z").await;
    let held = flux.faits::<VacationRealisee>();
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].0.date, held[0].0.rdv_honores), (jour("2026-03-05"), 1));

    // Away on the 12th; ended from the 20th on: the 19th is held, the 26th is cancelled.
    sim.ajouter_absence(COURRIEL, jour("2026-03-12"), heure(0), jour("2026-03-12"), heure(23))
        .expect("known");
    flux.vivre("2026-03-16T08:00:00Z").await;
    flux.publier(2, &ActiviteTerminee(activite(Situation::Terminee, "2026-03-20"))).await;
    flux.vivre("2026-04-01T08:00:00Z").await;
    let dates = |all: Vec<NaiveDate>| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    let held = flux.faits::<VacationRealisee>().into_iter().map(|v| v.0.date);
    assert_eq!(dates(held.collect()), ["2026-03-05", "2026-03-19"]);
    let gone = flux.faits::<VacationAnnulee>().into_iter().map(|v| v.0.date);
    assert_eq!(dates(gone.collect()), ["2026-03-12", "2026-03-26"]);
    assert_eq!(flux.faits::<AgendaFerme>().len(), 1);
    let task = flux.faits::<TacheOuverte>().pop().expect("a task");
    assert_eq!(task.gabarit, "rdv-revocation");
    assert_eq!(flux.faits::<PanneOuverte>(), []);
    let mails = flux.boite.lock().expect("lock").clone();
    let with = |kind: &str| mails.iter().filter(|m| m.contains(kind)).count();
    let plannings = flux.faits::<PlanningPublie>().len();
    let kinds = (with("text/calendar"), with("application/pdf"));
    assert_eq!(kinds, (plannings, plannings), "one mail each, to be imported and to be read");
    assert!(plannings < mails.len(), "the doctor's invitation");
    assert!(mails.iter().all(|m| !m.contains(MARQUEUR)));
    flux.fin().await;
}

#[tokio::test]
async fn deliveries_in_disorder_give_the_same_days() {
    let mut ends = Vec::new();
    for desordre_pour_cent in [0, 60] {
        let mut flux = flux(Options { desordre_pour_cent, ..Options::default() }).await;
        let organisation = flux.ouvrir().await;
        let sim = flux.banc.simulateur.clone();
        let mut rdvs = Vec::new();
        for (rang, date) in ["2026-03-09", "2026-03-10", "2026-03-11"].iter().enumerate() {
            let at = format!("2026-03-02T1{rang}:00:00Z");
            flux.vivre(&at).await;
            let opened =
                sim.ouvrir_plage(COURRIEL, organisation, jour(date), heure(8), heure(12), None);
            let opened = opened.expect("opened");
            rdvs.push(sim.prendre_rdv(
                COURRIEL,
                kernel::paris_at(jour(date), heure(9)),
                Duration::from_mins(15),
            ));
            flux.vivre(&format!("2026-03-02T1{rang}:04:00Z")).await;
            match rang {
                0 => assert!(sim.modifier_plage(opened, heure(8), heure(17))),
                1 => assert!(sim.supprimer_plage(opened)),
                _ => {}
            }
        }
        flux.vivre("2026-03-11T15:00:00Z").await;
        for rdv in rdvs.into_iter().flatten() {
            assert!(sim.statuer_rdv(rdv, "seen"));
        }
        flux.vivre("2026-03-13T08:00:00Z").await;
        let held = flux.faits::<VacationRealisee>();
        let mut last = std::collections::BTreeMap::new();
        for v in held {
            last.insert(v.0.date, (v.0.rdv_honores, v.0.demi_journees));
        }
        flux.fin().await;
        ends.push(last);
    }
    assert_eq!(ends[0].len(), 2, "{ends:?}");
    assert_eq!(ends[0], ends[1]);
}
