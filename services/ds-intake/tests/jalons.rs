//! What the doctor is told at each milestone, decisions that nobody of the CDOM took, second
//! dossiers for the same site, and dossiers that vanish without a word.
#![cfg(feature = "simulator")]

mod commun;

use chrono::TimeDelta;
use commun::{Banc, champs, depot};
use contracts::messages::{
    Activite, ActiviteAutorisee, ActiviteTerminee, Agenda, AgendaOuvert, CandidatureIncomplete,
    CandidatureRetiree, DecisionLueDs, FacturationOuverte, Issue, ModeFacturation, Situation,
    TacheFaite, TacheOuverte,
};
use ds_intake::{
    Ask, Client, Message,
    agency::Cible,
    config::Jalon,
    simulator::{Champs, Etat, Options},
};
use service::Attempt;
use uuid::Uuid;

const MINUTE: TimeDelta = TimeDelta::minutes(1);

fn facturation(mode: ModeFacturation) -> Message {
    let body = serde_json::json!({
        "engagement": "eng0000001", "rpps": "99790000014", "cpam": "631", "lieu": "ambert",
        "numero_am": "631000012", "numero_cree_le": "2026-03-12", "rib": "present", "mode": mode,
    });
    let fact: FacturationOuverte = serde_json::from_value(body).expect("a fact");
    Message::FacturationOuverte(fact)
}

fn agenda() -> Message {
    let url = "https://rdv.example/agenda".to_owned();
    let engagement = "eng0000001".parse().expect("engagement");
    Message::AgendaOuvert(AgendaOuvert(Agenda { engagement, url }))
}

#[tokio::test]
async fn the_doctor_hears_of_each_milestone_once() {
    let mut b =
        Banc::avec(Options::default(), |c| c.messages = Jalon::ALL.iter().copied().collect()).await;
    b.sim.deposer(depot(1, champs()));
    b.attendre(MINUTE * 2).await;
    let activite = b.activite(1, Situation::Ouverte);
    // Each fact comes twice, and billing before the agenda.
    for _ in 0..2 {
        b.recevoir(Message::ActiviteAutorisee(ActiviteAutorisee(activite.clone()))).await;
        b.recevoir(facturation(ModeFacturation::Papier)).await;
        b.recevoir(agenda()).await;
        b.recevoir(facturation(ModeFacturation::Teletransmission)).await;
    }
    b.attendre(MINUTE * 5).await;
    let messages = b.sim.messages(1);
    let parts = [
        "autorisée à compter du 10/03/2026",
        "feuilles de soins papier",
        "est ouvert : https://rdv.example/agenda",
        "télétransmettre",
    ];
    for part in parts {
        let told = messages.iter().filter(|m| m.corps.contains(part)).count();
        assert_eq!(told, 1, "{part}");
    }
    assert_eq!(messages.len(), parts.len());
    assert!(messages.iter().all(|m| m.correction.is_none()), "nothing is to be corrected");
    assert_eq!(b.sim.etat(1), Some(Etat::Accepte));
    assert!(messages.iter().all(|m| !m.corps.contains("eng0000001")), "no internal name");
}

#[tokio::test]
async fn no_milestone_is_told_by_default_nor_after_the_end() {
    for told in [false, true] {
        let mut b = Banc::avec(Options::default(), |c| {
            if told {
                c.messages = [Jalon::Agenda].into_iter().collect();
            }
        })
        .await;
        b.sim.deposer(depot(1, champs()));
        b.attendre(MINUTE * 2).await;
        let activite = b.activite(1, Situation::Ouverte);
        b.recevoir(Message::ActiviteAutorisee(ActiviteAutorisee(activite.clone()))).await;
        let end = Activite { situation: Situation::Terminee, ..activite };
        b.recevoir(Message::ActiviteTerminee(ActiviteTerminee(end))).await;
        b.recevoir(agenda()).await;
        b.attendre(MINUTE * 2).await;
        assert_eq!(b.sim.nombre_messages(1), 0);
    }
}

#[tokio::test]
async fn only_chosen_changes_of_state_are_written() {
    let mut b = Banc::avec(Options::default(), |c| {
        c.write_back_only = Some([Cible::EnInstruction].into_iter().collect());
    })
    .await;
    b.sim.deposer(depot(1, champs()));
    b.attendre(MINUTE * 2).await;
    let activite = b.activite(1, Situation::Ouverte);
    b.recevoir(Message::ActiviteAutorisee(ActiviteAutorisee(activite))).await;
    b.attendre(MINUTE * 2).await;
    assert_eq!(b.sim.etat(1), Some(Etat::EnInstruction), "the CDOM accepts it itself");
}

#[tokio::test]
async fn a_decision_that_nobody_of_the_cdom_took_is_a_task() {
    let mut b = Banc::new().await;
    b.sim.deposer(depot(1, champs()));
    b.sim.deposer(depot(2, champs()));
    b.attendre(MINUTE * 2).await;
    // A declarative démarche accepts by itself; the robot accepted before the store was restored.
    assert!(b.sim.decider_seul(1, Etat::Accepte));
    let client = Client::new(&b.config, b.clock().clone()).expect("client");
    let ask = Ask::Ecrire { numero: 2, cible: Cible::Accepte };
    client.ask(&ask, Uuid::nil(), Attempt::First).await.expect("accepted");
    b.attendre(MINUTE * 5).await;
    assert!(b.tous::<DecisionLueDs>().is_empty());
    let tasks: Vec<_> = b.tous::<TacheOuverte>().into_iter().map(|t| (t.cle, t.gabarit)).collect();
    let task = |n: u64| (format!("dossier/{n}"), "ds-decision-sans-instructeur".to_owned());
    assert_eq!(tasks, [task(1), task(2)]);
    // The CDOM takes it back and decides.
    assert!(b.sim.decider(1, Etat::EnInstruction));
    b.attendre(MINUTE * 2).await;
    assert!(b.sim.decider(1, Etat::Refuse));
    b.attendre(MINUTE * 2).await;
    assert_eq!(b.dernier::<DecisionLueDs>().issue, Issue::Defavorable);
    assert_eq!(b.tous::<TacheFaite>().len(), 1);
}

#[tokio::test]
async fn a_second_dossier_for_an_open_site_is_told_and_for_another_one_welcome() {
    let mut b = Banc::new().await;
    b.sim.deposer(depot(1, champs()));
    b.attendre(MINUTE * 2).await;
    let activite = b.activite(1, Situation::Ouverte);
    b.recevoir(Message::ActiviteAutorisee(ActiviteAutorisee(activite.clone()))).await;
    let sites = |sites: &[&str]| Champs {
        lieux: sites.iter().map(|s| (*s).to_owned()).collect(),
        ..champs()
    };
    b.sim.deposer(depot(2, sites(&["lapalisse"])));
    b.sim.deposer(depot(3, sites(&["ambert", "lapalisse"])));
    let other = Champs { rpps: "99790000022".to_owned(), ..champs() };
    b.sim.deposer(depot(4, other));
    b.attendre(MINUTE * 3).await;
    assert_eq!(b.sim.nombre_messages(2), 0, "the only way to add a site");
    assert_eq!(b.sim.nombre_messages(4), 0, "another doctor");
    let told = b.tous::<CandidatureIncomplete>();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].dossier.0, told[0].manques[0].code.as_str()), (3, "lieu-deja-engage"));
    assert_eq!(b.sim.messages(3)[0].correction.as_deref(), Some("incorrect"));
    assert_eq!(b.sim.etat(3), Some(Etat::EnConstruction));
    // Deposited again as it is: told once, the CDOM decides with it.
    assert!(b.sim.redeposer(3, None));
    b.attendre(MINUTE * 3).await;
    assert_eq!((b.sim.nombre_messages(3), b.sim.etat(3)), (1, Some(Etat::EnInstruction)));
    // Once the engagement is over, the site may be asked for again.
    let end = Activite { situation: Situation::Terminee, ..activite };
    b.recevoir(Message::ActiviteTerminee(ActiviteTerminee(end))).await;
    b.sim.deposer(depot(5, champs()));
    b.attendre(MINUTE * 3).await;
    assert_eq!(b.sim.nombre_messages(5), 0);
}

#[tokio::test]
async fn a_dossier_that_vanishes_without_a_word_is_noticed_by_itself() {
    let mut b = Banc::avec(Options::default(), |c| c.poll_interval_s = 1_800).await;
    b.sim.deposer(depot(1, champs()));
    b.sim.deposer(depot(2, champs()));
    b.attendre(TimeDelta::hours(2)).await;
    assert!(b.sim.cacher(1), "in no list, and no date changes");
    b.attendre(TimeDelta::hours(72)).await;
    let gone = b.tous::<CandidatureRetiree>();
    assert_eq!(gone.len(), 1);
    assert_eq!((gone[0].dossier.0, gone[0].cause.as_str()), (1, "introuvable"));
    assert!(b.pannes.is_empty());
}
