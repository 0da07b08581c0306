use contact::Modele;
use contracts::messages::{AgendaFerme, AgendaOuvert, TacheFaite};

use super::*;
use crate::state::Acces;

fn mails(banc: &mut Banc) -> Vec<Modele> {
    let asked = std::mem::take(&mut banc.questions);
    let mails = asked.into_iter().filter_map(|(_, q)| match q {
        Question::Courriel(courriel) | Question::Planning { courriel, .. } => Some(courriel.modele),
        Question::EnregistrerWebhook { .. }
        | Question::Resynchroniser { .. }
        | Question::CreerLieu { .. }
        | Question::CreerMotif { .. }
        | Question::VerifierCompte
        | Question::Consentir { .. }
        | Question::Constater(_)
        | Question::Relever { .. }
        | Question::Inviter { .. } => None,
    });
    mails.collect()
}

#[test]
fn an_invited_doctor_is_reminded_until_a_plage_is_seen() {
    let mut banc = Banc::invite();
    assert_eq!(
        banc.dernier::<AgendaOuvert>().0.url,
        "https://rdv.anct.gouv.fr/admin/organisations/1042/agent_agendas/7"
    );
    assert_eq!(mails(&mut banc), [Modele::AgendaOuvert]);
    banc.publications();
    // 1 March is a Sunday: J+7 and J+14 move to Mondays, as J+21 does.
    banc.vivre("2026-03-09T08:00:00Z");
    assert_eq!(mails(&mut banc), [Modele::AgendaRelance { rang: 1 }]);
    banc.vivre("2026-03-16T08:00:00Z");
    assert_eq!(mails(&mut banc), [Modele::AgendaRelance { rang: 2 }]);
    banc.vivre("2026-03-23T08:00:00Z");
    assert_eq!(banc.dernier::<TacheOuverte>().gabarit, "rdv-sans-creneau");
    banc.webhook(41, "2026-03-23T09:00:00Z", plage("2026-04-01", "08:00:00", "12:00:00"));
    assert_eq!(banc.dernier::<TacheFaite>().faite_par, "observe");
    assert!(matches!(banc.engagement().acces, Acces::Actif { .. }));
    let told = banc.publications();
    assert_eq!(told.iter().filter(|p| p.starts_with("relance.envoyee")).count(), 2);
    banc.vivre("2026-03-31T00:00:00Z");
    assert!(mails(&mut banc).iter().all(|m| matches!(m, Modele::PlanningPublie { .. })));
}

#[test]
fn a_plage_seen_early_stops_the_reminders() {
    let mut banc = Banc::invite();
    banc.webhook(41, "2026-03-02T09:00:00Z", plage("2026-06-01", "08:00:00", "12:00:00"));
    mails(&mut banc);
    banc.vivre("2026-05-01T00:00:00Z");
    let later = mails(&mut banc);
    assert!(later.iter().all(|m| matches!(m, Modele::PlanningPublie { .. })), "{later:?}");
}

#[test]
fn an_end_closes_the_agenda_and_asks_for_the_revocation() {
    for situation in [Situation::Terminee, Situation::Suspendue] {
        let mut banc = Banc::invite();
        banc.publications();
        banc.activite(&activite(situation, "2026-03-10"));
        let told = banc.dernier::<AgendaFerme>().0.url;
        assert!(told.ends_with("/agent_agendas/7"));
        assert_eq!(banc.dernier::<TacheOuverte>().gabarit, "rdv-revocation");
        // The rights are seen removed: the task is done.
        banc.webhook(70, "2026-03-11T09:00:00Z", Fait::Role(false));
        assert_eq!(banc.dernier::<TacheFaite>().faite_par, "observe");
        assert!(matches!(banc.engagement().acces, Acces::Retire { .. }));
        banc.vivre("2026-04-30T00:00:00Z");
        assert!(mails(&mut banc).iter().all(|m| *m == Modele::AgendaOuvert), "no reminder");
    }
}

#[test]
fn an_end_before_the_invitation_leaves_nothing_behind() {
    let mut banc = Banc::new();
    banc.activite(&activite(Situation::Ouverte, "2026-03-01"));
    banc.activite(&activite(Situation::Terminee, "2026-03-02"));
    banc.repondre("enregistrer-webhook", &Reponse::Webhook(1));
    banc.repondre("creer-lieu", &Reponse::Lieu(2));
    banc.repondre("creer-motif", &Reponse::Motif(3));
    assert!(banc.questions.is_empty(), "nobody is invited");
    assert_eq!(banc.publications(), Vec::<String>::new());
}

#[test]
fn an_invitation_answered_after_the_end_is_revoked_and_not_announced() {
    let mut banc = Banc::new();
    banc.activite(&activite(Situation::Ouverte, "2026-03-01"));
    banc.repondre("enregistrer-webhook", &Reponse::Webhook(1));
    banc.repondre("creer-lieu", &Reponse::Lieu(2));
    banc.repondre("creer-motif", &Reponse::Motif(3));
    let (cle, ask) = banc.questions[0].clone();
    banc.activite(&activite(Situation::Terminee, "2026-03-02"));
    assert!(banc.questions.is_empty(), "the invitation is cancelled");
    let late = Input::Answer { ask, answer: agent(AGENT, banc.now), id: Uuid::nil() };
    banc.donner(&cle, late).expect("an input to every state");
    let told = banc.publications();
    assert_eq!(told.len(), 1, "one task, no agenda: {told:?}");
    assert!(told[0].starts_with("tache.ouverte"));
}

#[test]
fn a_restored_activity_opens_the_agenda_again() {
    let mut banc = Banc::invite();
    banc.activite(&activite(Situation::Suspendue, "2026-03-10"));
    banc.publications();
    let mut again = activite(Situation::Ouverte, "2026-03-20");
    again.cause = Some("levee".to_owned());
    banc.activite(&again);
    let told = banc.publications();
    assert!(told.contains(&"agenda.ouvert.v1 agenda/abc123".to_owned()), "{told:?}");
    assert!(told.iter().any(|p| p.starts_with("tache.faite")), "no revocation any more");
    // After the rights were taken away, the doctor is invited again.
    banc.activite(&activite(Situation::Suspendue, "2026-04-01"));
    banc.webhook(70, "2026-04-01T09:00:00Z", Fait::Role(false));
    mails(&mut banc);
    banc.activite(&again);
    banc.repondre("inviter", &agent(AGENT, banc.now));
    assert_eq!(banc.dernier::<AgendaOuvert>().0.engagement.as_str(), "abc123");
}

#[test]
fn rights_removed_under_an_open_activity_are_reported_and_may_come_back() {
    let mut banc = Banc::invite();
    banc.publications();
    banc.webhook(70, "2026-03-02T09:00:00Z", Fait::Role(false));
    assert_eq!(banc.dernier::<TacheOuverte>().gabarit, "rdv-acces-perdu");
    assert!(banc.publications().contains(&"agenda.ferme.v1 agenda/abc123".to_owned()));
    banc.webhook(70, "2026-03-02T08:00:00Z", Fait::Role(true));
    assert!(banc.ignores.contains(&"observation-depassee"), "an older one changes nothing");
    banc.webhook(71, "2026-03-03T09:00:00Z", Fait::Role(true));
    let told = banc.publications();
    assert!(told.contains(&"agenda.ouvert.v1 agenda/abc123".to_owned()), "{told:?}");
}

#[test]
fn absences_of_an_agent_known_elsewhere_come_with_the_invitation() {
    let mut banc = Banc::new();
    banc.activite(&activite(Situation::Ouverte, "2026-03-01"));
    banc.repondre("enregistrer-webhook", &Reponse::Webhook(1));
    banc.repondre("creer-lieu", &Reponse::Lieu(2));
    banc.repondre("creer-motif", &Reponse::Motif(3));
    let away = crate::planning::Absence {
        premier_jour: day("2026-03-05"),
        dernier_jour: day("2026-03-06"),
        debut: chrono::NaiveTime::MIN,
        fin: "23:00:00".parse().expect("time"),
        regle: None,
    };
    let (lu_le, absences) = (banc.now, vec![(18, away)]);
    banc.repondre("inviter", &Reponse::Agent { agent: AGENT, lu_le, absences });
    for (id, jour) in [(41, "2026-03-05"), (42, "2026-03-12")] {
        banc.webhook(id, "2026-03-01T10:00:00Z", plage(jour, "08:00:00", "12:00:00"));
    }
    let days: Vec<_> = banc.engagement().vacations.keys().copied().collect();
    assert_eq!(days, [day("2026-03-12")]);
}
