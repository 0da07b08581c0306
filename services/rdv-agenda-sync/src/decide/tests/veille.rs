use contracts::messages::{TacheFaite, VacationRealisee};

use super::*;
use crate::{
    config::Capacite,
    state::{Acces, Releve},
};

fn releve(lu_le: &str, rdvs: Vec<Observation>) -> Reponse {
    let agents = vec![Agent { id: AGENT, email: Some(COURRIEL.to_owned()) }];
    Reponse::Releve(Box::new(Releve { lu_le: at(lu_le), agents, absences: vec![], rdvs }))
}

/// A site whose reception manages its agenda too.
fn avec_cogestion() -> Banc {
    let mut banc = Banc::new();
    let courriels = vec!["Accueil@msp-demo.example".to_owned()];
    banc.config.cogestionnaires.insert("msp-demo".parse().expect("id"), courriels);
    banc
}

fn demandes(banc: &mut Banc, kind: &str) -> usize {
    let asked = banc.questions.iter().filter(|(_, q)| q.kind() == kind).count();
    banc.questions.retain(|(_, q)| q.kind() != kind);
    asked
}

#[test]
fn a_night_corrects_what_no_webhook_said_and_writes_nothing_else() {
    let mut banc = Banc::invite();
    banc.webhook(41, "2026-03-01T10:00:00Z", plage("2026-03-03", "08:00:00", "12:00:00"));
    banc.webhook(9, "2026-03-02T10:00:00Z", rdv("2026-03-03T08:00:00Z", StatutRdv::Unknown));
    banc.vivre("2026-03-05T09:00:00Z");
    assert!(demandes(&mut banc, "relever") >= 1, "asked at night");
    assert_eq!(banc.dernier::<VacationRealisee>().0.rdv_honores, 0);
    banc.publies.clear();
    let organisation = 1042;
    let (du, au) = (day("2026-02-23"), day("2026-06-04"));
    let seen = |lu_le: &str| {
        let vue = rdv("2026-03-03T08:00:00Z", StatutRdv::Seen);
        releve(lu_le, vec![observation(AGENT, 9, lu_le, vue)])
    };
    let lire = |banc: &mut Banc, answer| {
        let ask = Question::Relever { organisation, du, au };
        banc.donner(LIEU, Input::Answer { ask, answer, id: Uuid::nil() }).expect("read");
    };
    lire(&mut banc, seen("2026-03-05T01:00:00Z"));
    assert_eq!(banc.dernier::<VacationRealisee>().0.rdv_honores, 1);
    let known = banc.engagement().clone();
    banc.publies.clear();
    banc.ignores.clear();
    lire(&mut banc, seen("2026-03-06T01:00:00Z"));
    assert_eq!(banc.engagement(), &known, "a night without news writes nothing");
    assert_eq!(banc.ignores, ["releve-sans-ecart"]);
    // An empty list may only show that rights are missing: nothing is removed.
    lire(&mut banc, releve("2026-03-07T01:00:00Z", vec![]));
    assert_eq!((banc.engagement(), banc.publies.len()), (&known, 0));
}

#[test]
fn a_reading_gives_back_an_access_whose_webhook_was_lost() {
    let mut banc = Banc::invite();
    banc.webhook(70, "2026-03-02T10:00:00Z", Fait::Role(false));
    assert!(matches!(banc.engagement().acces, Acces::Retire { .. }));
    let part = |lu_le: &str| {
        let agents = vec![Agent { id: AGENT, email: None }];
        let (absences, rdvs) = (vec![], vec![]);
        Evenement::Releve(Box::new(Releve { lu_le: at(lu_le), agents, absences, rdvs }))
    };
    banc.evenement(ENGAGEMENT, part("2026-03-02T09:00:00Z"));
    assert!(matches!(banc.engagement().acces, Acces::Retire { .. }), "older than the removal");
    banc.evenement(ENGAGEMENT, part("2026-03-03T01:00:00Z"));
    assert!(matches!(banc.engagement().acces, Acces::Actif { .. }));
    assert_eq!(banc.dernier::<TacheFaite>().faite_par, OBSERVE);
}

#[test]
fn silence_is_told_only_once_a_replay_was_not_answered_and_ends_with_a_webhook() {
    let mut banc = Banc::invite();
    banc.publies.clear();
    banc.vivre("2026-03-08T12:00:00Z");
    assert_eq!(demandes(&mut banc, "resynchroniser"), 0, "a week of silence is nothing");
    banc.vivre("2026-03-09T12:00:00Z");
    assert_eq!(demandes(&mut banc, "resynchroniser"), 1, "everything is asked for again");
    banc.vivre("2026-03-10T12:00:00Z");
    let tache: TacheOuverte = banc.dernier();
    assert_eq!((tache.gabarit.as_str(), tache.cle.as_str()), ("rdv-silence", LIEU));
    assert!(tache.champs["target_url"].ends_with("/hooks/rdvsp/msp-demo"));
    assert_eq!(banc.etats[LIEU].etape(), Some(service::Etape::Attente("site-silencieux")));
    banc.publies.clear();
    banc.vivre("2026-03-20T12:00:00Z");
    let silent = |m: &Outgoing| m.body.contains("rdv-silence");
    assert_eq!(demandes(&mut banc, "resynchroniser"), 0);
    assert!(!banc.publies.iter().any(silent), "told once");
    banc.webhook(41, "2026-03-20T12:00:00Z", plage("2026-03-25", "08:00:00", "12:00:00"));
    let seen = banc.publies.iter().find(|m| m.message_type == TacheFaite::TYPE);
    assert!(seen.is_some(), "closed by the first webhook");
    // An answered replay is no alert.
    banc.vivre("2026-03-29T12:00:00Z");
    assert_eq!(demandes(&mut banc, "resynchroniser"), 1);
    banc.webhook(70, "2026-03-29T12:00:00Z", Fait::Role(true));
    banc.publies.clear();
    banc.vivre("2026-04-01T12:00:00Z");
    assert!(banc.publies.iter().all(|m| m.message_type != TacheOuverte::TYPE));
}

#[test]
fn co_managers_of_a_site_are_invited_as_admins_and_followed() {
    let mut banc = avec_cogestion();
    banc.activite(&activite(Situation::Ouverte, "2026-03-01"));
    banc.repondre("enregistrer-webhook", &Reponse::Webhook(1));
    banc.repondre("creer-lieu", &Reponse::Lieu(2));
    banc.repondre("creer-motif", &Reponse::Motif(3));
    let courriel = "accueil@msp-demo.example".to_owned();
    let asked = banc.repondre("inviter", &agent(50, banc.now));
    let niveau = Some(crate::config::NiveauAcces::Admin);
    assert_eq!(asked, Question::Inviter { organisation: 1042, courriel, niveau });
    banc.publies.clear();
    banc.webhook_de(50, 71, "2026-03-02T10:00:00Z", Fait::Role(false));
    assert_eq!(banc.dernier::<TacheOuverte>().gabarit, "rdv-cogestion-perdue");
    banc.webhook_de(50, 71, "2026-03-02T10:00:00Z", Fait::Role(true));
    assert_eq!(banc.publies.len(), 1, "at the same second a removal stays");
    banc.webhook_de(50, 71, "2026-03-02T11:00:00Z", Fait::Role(true));
    assert_eq!(banc.dernier::<TacheFaite>().faite_par, OBSERVE);
    // Not named any more: a person takes the rights away, which is seen.
    banc.config.cogestionnaires.clear();
    banc.vivre("2026-03-03T12:00:00Z");
    let open = banc.dernier::<TacheOuverte>();
    assert_eq!(open.gabarit, "rdv-cogestion-retrait");
    banc.publies.clear();
    banc.webhook_de(50, 71, "2026-03-03T13:00:00Z", Fait::Role(false));
    assert_eq!(banc.dernier::<TacheFaite>().tache, open.tache);
    let Etat::Lieu(etat) = &banc.etats[LIEU] else { panic!("not a site") };
    assert!(etat.cogestion.is_empty() && etat.orphelins.is_empty());
}

#[test]
fn a_co_manager_is_a_task_where_the_api_may_not_invite() {
    let mut banc = avec_cogestion();
    banc.config.capacites.agent = Capacite::Manual;
    banc.activite(&activite(Situation::Ouverte, "2026-03-01"));
    banc.repondre("enregistrer-webhook", &Reponse::Webhook(1));
    banc.repondre("creer-lieu", &Reponse::Lieu(2));
    banc.repondre("creer-motif", &Reponse::Motif(3));
    let open = |gabarit: &str, banc: &Banc| {
        let tasks = banc.publies.iter().filter(|m| m.message_type == TacheOuverte::TYPE);
        let mut tasks = tasks.map(|m| serde_json::from_str(&m.body).expect("a task"));
        tasks.find(|t: &TacheOuverte| t.gabarit == gabarit)
    };
    let tache = open("rdv-cogestionnaire", &banc).expect("open");
    assert_eq!(tache.champs["niveau"], "admin");
    let fermer = |champs: &[(&str, &str)]| {
        let champs = champs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Input::Event(Evenement::TacheFaite { tache: tache.tache, champs, par: "x".to_owned() })
    };
    assert_eq!(banc.donner(LIEU, fermer(&[])).expect_err("refused").code, "tache-incomplete");
    banc.donner(LIEU, fermer(&[("agent_id", "50")])).expect("closed");
    let Etat::Lieu(etat) = &banc.etats[LIEU] else { panic!("not a site") };
    assert_eq!(etat.cogestion["accueil@msp-demo.example"].agent, Some(50));
    // The doctor is invited by hand: the webhook of the rights says so before anybody closes.
    let medecin = Agent { id: AGENT, email: Some(COURRIEL.to_uppercase()) };
    let vue = Observation {
        id: 70,
        horodatage: at("2026-03-01T10:00:00Z"),
        agents: vec![medecin],
        fait: Fait::Role(true),
    };
    banc.evenement(LIEU, Evenement::Webhook(vue));
    assert!(matches!(banc.engagement().acces, Acces::Invite { agent: AGENT, .. }));
    assert!(banc.engagement().taches.is_empty());
}

#[test]
fn what_a_person_made_is_seen_before_the_task_is_closed() {
    let mut banc = Banc::new();
    banc.config.organisations.clear();
    banc.config.capacites.webhook = Capacite::Manual;
    banc.activite(&activite(Situation::Ouverte, "2026-03-01"));
    banc.vivre("2026-03-01T15:00:00Z");
    banc.repondre("constater", &Reponse::PasEncore);
    banc.vivre("2026-03-01T21:00:00Z");
    let asked = banc.repondre("constater", &Reponse::Organisation(77));
    assert!(format!("{asked:?}").contains("MSP de démonstration"), "{asked:?}");
    let published = banc.publications();
    assert_eq!(published.len(), 3, "opened, closed, the next one opened: {published:?}");
    banc.vivre("2026-03-02T03:00:00Z");
    banc.repondre("constater", &Reponse::Webhook(12));
    assert_eq!(banc.dernier::<TacheFaite>().faite_par, OBSERVE);
    let asked = banc.repondre("creer-lieu", &Reponse::Lieu(1));
    assert!(matches!(asked, Question::CreerLieu { organisation: 77, .. }), "{asked:?}");
}
