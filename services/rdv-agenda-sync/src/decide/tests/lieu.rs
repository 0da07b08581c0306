use contracts::messages::{PlanningPublie, TacheFaite};

use super::*;
use crate::{
    config::{Capacite, Capacites},
    state::Etape,
};

fn etape(banc: &Banc) -> Etape {
    match &banc.etats[LIEU] {
        Etat::Lieu(etat) => etat.etape.clone(),
        Etat::Planning(_) | Etat::Titulaires(_) | Etat::Engagement(_) | Etat::Compte(_) => {
            panic!("not a site")
        }
    }
}

#[test]
fn a_site_is_provisioned_step_by_step_then_its_doctors_are_invited() {
    let mut banc = Banc::new();
    banc.activite(&activite(Situation::Ouverte, "2026-03-01"));
    assert_eq!(banc.publications(), Vec::<String>::new(), "the organisation is configured");
    let asked = banc.repondre("enregistrer-webhook", &Reponse::Webhook(11));
    let lieu = lieu_demo().id;
    assert_eq!(asked, Question::EnregistrerWebhook { lieu: lieu.clone(), organisation: 1042 });
    let asked = banc.repondre("creer-lieu", &Reponse::Lieu(12));
    let Question::CreerLieu { adresse, latitude, .. } = asked else { panic!("{asked:?}") };
    assert_eq!((adresse.as_str(), latitude), ("1 place Fictive, Démoville", 45.0));
    let asked = banc.repondre("creer-motif", &Reponse::Motif(13));
    assert_eq!(asked, Question::CreerMotif { organisation: 1042, lieu });
    assert_eq!(etape(&banc), Etape::Pret { organisation: 1042, webhook: Some(11) });
    let asked = banc.repondre("inviter", &agent(AGENT, banc.now));
    let courriel = COURRIEL.to_owned();
    assert_eq!(asked, Question::Inviter { organisation: 1042, courriel, niveau: None });
    assert_eq!(banc.publications(), ["agenda.ouvert.v1 agenda/abc123"]);
    // The next doctor of a site that is ready is invited at once.
    banc.activite(&activite_b());
    banc.repondre("inviter", &agent(8, banc.now));
    assert_eq!(banc.publications(), ["agenda.ouvert.v1 agenda/def456"]);
    let mails = banc.questions.iter().filter(|(_, q)| q.kind() == "courriel").count();
    assert_eq!((mails, banc.questions.len()), (2, 2));
}

#[test]
fn an_unknown_organisation_is_a_task_that_an_operator_closes() {
    let mut banc = Banc::new();
    banc.config.organisations.clear();
    banc.activite(&activite(Situation::Ouverte, "2026-03-01"));
    let tache: TacheOuverte = banc.dernier();
    assert_eq!((tache.gabarit.as_str(), tache.cle.as_str()), ("rdv-organisation", LIEU));
    assert_eq!(tache.objet, LIEU);
    for champs in [&[][..], &[("organisation_id", "douze")]] {
        assert_eq!(banc.fermer(champs).expect_err("refused").code, "tache-incomplete");
    }
    banc.fermer(&[("organisation_id", " 77 ")]).expect("closed");
    assert_eq!(banc.dernier::<TacheFaite>().faite_par, "operateur");
    banc.fermer(&[("organisation_id", "78")]).expect("closed twice is nothing");
    let asked = banc.repondre("enregistrer-webhook", &Reponse::Webhook(1));
    let lieu = lieu_demo().id;
    assert_eq!(asked, Question::EnregistrerWebhook { lieu, organisation: 77 });
}

#[test]
fn what_the_api_may_not_do_is_a_task_each() {
    let mut banc = Banc::new();
    let manual = Capacite::Manual;
    banc.config.capacites =
        Capacites { webhook: manual, lieu: manual, motif: manual, agent: manual, lecture: manual };
    banc.activite(&activite(Situation::Ouverte, "2026-03-01"));
    for gabarit in ["rdv-webhook", "rdv-lieu", "rdv-motif"] {
        assert_eq!(banc.dernier::<TacheOuverte>().gabarit, gabarit);
        let body = format!("{:?}", banc.dernier::<TacheOuverte>().champs);
        assert!(!body.contains(banc.config.webhook_secret.expose()), "no secret travels");
        banc.fermer(&[]).expect("closed");
    }
    assert_eq!(banc.dernier::<TacheOuverte>().gabarit, "rdv-agent");
    assert_eq!(banc.fermer(&[]).expect_err("refused").code, "tache-incomplete");
    banc.fermer(&[("agent_id", "7")]).expect("closed");
    assert!(banc.publications().contains(&"agenda.ouvert.v1 agenda/abc123".to_owned()));
    assert!(banc.questions.iter().all(|(_, q)| q.kind() == "courriel"), "the API was not asked");
    let resync = banc.donner(LIEU, Input::Event(Evenement::Resynchroniser));
    assert_eq!(resync.expect_err("no endpoint of ours").code, "webhook-manuel");
}

#[test]
fn a_site_without_coordinates_is_created_by_a_person() {
    let mut banc = Banc::new();
    banc.referentiel = Referentiel::default();
    banc.activite(&activite(Situation::Ouverte, "2026-03-01"));
    banc.repondre("enregistrer-webhook", &Reponse::Webhook(1));
    assert_eq!(banc.dernier::<TacheOuverte>().gabarit, "rdv-lieu");
}

#[test]
fn a_wrong_organisation_is_corrected_until_the_site_is_ready() {
    let mut banc = Banc::new();
    banc.activite(&activite(Situation::Ouverte, "2026-03-01"));
    let corriger = || Input::Event(Evenement::CorrigerOrganisation { organisation: 99 });
    banc.donner(LIEU, corriger()).expect("corrected");
    assert_eq!(banc.questions.len(), 1, "what was asked in the wrong place is cancelled");
    // A late answer from the wrong organisation advances nothing.
    let ask = Question::EnregistrerWebhook { lieu: lieu_demo().id, organisation: 1042 };
    let late = Input::Answer { ask, answer: Reponse::Webhook(5), id: Uuid::nil() };
    banc.donner(LIEU, late).expect("ignored");
    assert!(matches!(etape(&banc), Etape::Webhook(_)));
    banc.repondre("enregistrer-webhook", &Reponse::Webhook(1));
    banc.repondre("creer-lieu", &Reponse::Lieu(2));
    banc.repondre("creer-motif", &Reponse::Motif(3));
    assert_eq!(banc.donner(LIEU, corriger()).expect_err("refused").code, "lieu-deja-pret");
    banc.evenement(LIEU, Evenement::Resynchroniser);
    let (_, asked) = banc.questions.last().expect("asked");
    assert_eq!(*asked, Question::Resynchroniser { organisation: 99, webhook: 1 });
}

#[test]
fn what_came_before_the_agent_was_known_is_given_then() {
    let mut banc = Banc::new();
    banc.activite(&activite(Situation::Ouverte, "2026-03-01"));
    for kind in ["enregistrer-webhook", "creer-lieu", "creer-motif"] {
        let answer = match kind {
            "enregistrer-webhook" => Reponse::Webhook(1),
            "creer-lieu" => Reponse::Lieu(2),
            _ => Reponse::Motif(3),
        };
        banc.repondre(kind, &answer);
    }
    banc.webhook(41, "2026-03-01T10:00:00Z", plage("2026-03-05", "08:00:00", "12:00:00"));
    assert!(banc.engagement().vacations.is_empty());
    banc.repondre("inviter", &agent(AGENT, banc.now));
    assert_eq!(banc.engagement().vacations.len(), 1);
    assert!(
        banc.publications().contains(&"vacation.planifiee.v1 vacation/abc123-2026-03-05".into())
    );
}

#[test]
fn an_agent_is_recognised_by_address_until_its_id_is_known() {
    let mut banc = Banc::new();
    banc.activite(&activite(Situation::Ouverte, "2026-03-01"));
    let mut vue =
        observation(AGENT, 41, "2026-03-01T10:00:00Z", plage("2026-03-05", "08:00:00", "12:00:00"));
    vue.agents[0].email = Some(COURRIEL.to_uppercase());
    banc.evenement(LIEU, Evenement::Webhook(vue));
    // From now on by id, whatever address the account takes.
    banc.webhook(42, "2026-03-01T10:00:00Z", plage("2026-03-06", "08:00:00", "12:00:00"));
    assert_eq!(banc.engagement().vacations.len(), 2);
}

#[test]
fn a_webhook_that_cannot_be_read_is_a_failure() {
    let mut banc = Banc::invite();
    let modele = "Rdv".to_owned();
    let unread = Evenement::Illisible { modele, recu_le: banc.now };
    let refused = banc.donner(LIEU, Input::Event(unread)).expect_err("refused");
    assert_eq!(refused.code, "webhook-illisible");
}

#[test]
fn a_changed_planning_goes_out_once_a_day() {
    let mut banc = Banc::invite();
    banc.questions.clear();
    for (id, jour) in [(41, "2026-03-05"), (42, "2026-03-12")] {
        banc.webhook(id, "2026-03-01T10:00:00Z", plage(jour, "08:00:00", "12:00:00"));
    }
    banc.publications();
    banc.vivre("2026-03-01T16:59:00Z");
    assert_eq!(banc.publications(), Vec::<String>::new());
    banc.vivre("2026-03-01T17:00:00Z");
    let planning: PlanningPublie = banc.dernier();
    assert_eq!(banc.publications(), ["planning.publie.v1 planning/msp-demo"]);
    assert_eq!((planning.du, planning.au), (day("2026-03-01"), day("2026-03-12")));
    assert_eq!(planning.vacations[0].medecin, "Dr Ada Fictive");
    let sent = banc.questions.pop().expect("a mail").1;
    let Question::Planning { courriel: mail, planning: told, lieu } = sent else {
        panic!("not a planning: {sent:?}");
    };
    assert_eq!(
        (&told, &lieu.id),
        (&planning, &planning.lieu),
        "what was published is what is sent"
    );
    assert_eq!(mail.a, "accueil@msp-demo.example");
    let lien = mail.lien.expect("the planning as a page");
    let page = RdvAgendaSync::question(banc.etats.get(PLANNING), &lien, &banc.referentiel);
    let page = page.expect("shown");
    assert!(page.choix.is_empty() && page.titre.ends_with("MSP de démonstration"), "{page:?}");
    assert!(page.texte[0].contains("Dr Ada Fictive, de 8\u{a0}h à 12\u{a0}h"), "{page:?}");
    let other = contact::Lien { sujet: "attestation".to_owned(), ..lien };
    assert!(RdvAgendaSync::question(banc.etats.get(PLANNING), &other, &banc.referentiel).is_none());
    let files = crate::affiche::fichiers(&mail.modele, &told, &lieu).expect("made");
    let types: Vec<_> = files.iter().map(|f| f.type_mime.as_str()).collect();
    assert_eq!(types, ["application/pdf", "text/calendar; charset=utf-8; method=PUBLISH"]);
    let ics = String::from_utf8(files[1].octets.clone()).expect("text");
    let (du, au) = (told.du, told.au);
    let without = contact::Modele::PlanningPublie { du, au, imprime: false };
    let alone = crate::affiche::fichiers(&without, &told, &lieu).expect("made");
    assert_eq!(alone, [files[1].clone()], "where it is not printed");
    assert!(ics.contains("UID:abc123-2026-03-05-0@relais"));
    // Nothing changes: nothing goes out. A removal does, as a cancelled entry.
    banc.vivre("2026-03-02T18:00:00Z");
    assert_eq!(banc.publications(), Vec::<String>::new());
    banc.webhook(41, "2026-03-02T18:00:00Z", Fait::Plage(None));
    banc.vivre("2026-03-03T17:00:00Z");
    let planning: PlanningPublie = banc.dernier();
    let first = &planning.vacations[0];
    assert!(first.annulee && first.version == 2 && first.creneaux.len() == 1, "{first:?}");
}

#[test]
fn a_site_without_an_address_is_reported_once() {
    let mut banc = Banc::invite();
    banc.referentiel = Referentiel::default();
    let mut known = activite(Situation::Ouverte, "2026-03-01");
    known.lieu.contact_courriel = None;
    banc.activite(&known);
    for (id, jour, soir) in
        [(41, "2026-03-05", "2026-03-01T17:00:00Z"), (42, "2026-03-12", "2026-03-02T17:00:00Z")]
    {
        banc.webhook(id, "2026-03-01T10:00:00Z", plage(jour, "08:00:00", "12:00:00"));
        banc.vivre(soir);
    }
    let count = |all: &[String], kind| all.iter().filter(|p| p.starts_with(kind)).count();
    assert_eq!(banc.dernier::<TacheOuverte>().gabarit, "lieu-contact-manquant");
    // Once it is done, the planning goes out by mail.
    let mut known = activite(Situation::Ouverte, "2026-03-01");
    known.lieu.nom = "MSP renommée".to_owned();
    banc.activite(&known);
    banc.fermer(&[]).expect("closed");
    let told = banc.publications();
    assert_eq!((count(&told, "tache.ouverte"), count(&told, "tache.faite")), (1, 1));
    banc.questions.clear();
    banc.vivre("2026-03-03T17:00:00Z");
    let mails = banc.questions.iter().filter(|(_, q)| q.kind() == "courriel");
    assert_eq!(mails.count(), 1);
}
