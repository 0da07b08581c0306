//! Stories: what happens to one application over weeks.

use chrono::NaiveDate;
use contact::{Lien, Modele};
use contracts::{
    DossierId,
    messages::{
        Activite, ActiviteAutorisee, ActiviteModifiee, ActiviteNotifiee, ActiviteTerminee,
        Candidature, CandidatureDeposee, CandidatureModifiee, ComplementDemande, Issue,
        RelanceEnvoyee, Situation, SuspensionPrononcee, TacheFaite, TacheOuverte,
        VerificationDemandee,
    },
};
use kernel::paris_date;
use ordinal_adapter::{Ask, Config, OrdinalAdapter};
use service::{OperatorAction, Service};

use crate::{
    banc::Banc,
    monde::{
        CLE, DS, RPPS, autre_rpps, banc, candidature, cdom, cle_engagement, decision_ds, demande,
        engagement, identite, rendue, rpps,
    },
};

pub(crate) fn jour(text: &str) -> NaiveDate {
    text.parse().expect("date")
}

/// Filed, known to the RPPS, asked.
pub(crate) fn demandee(cdom: &str, lieux: &[&str]) -> Banc<OrdinalAdapter> {
    let mut banc = banc();
    banc.fait(DS, 1, &CandidatureDeposee(candidature(cdom, lieux)));
    banc.fait(RPPS, 1, &identite(rpps(), true));
    banc
}

pub(crate) fn autorisee(lieux: &[&str]) -> Banc<OrdinalAdapter> {
    let mut banc = demandee("63", lieux);
    banc.reponse(&cdom("63"), &rendue(1, Issue::Favorable));
    banc
}

/// Another dossier of the same doctor, authorised on DS.
pub(crate) fn autre_dossier(banc: &mut Banc<OrdinalAdapter>, n: u64, lieux: &[&str]) {
    let mut other = candidature("63", lieux);
    other.dossier = DossierId(n);
    let mut decision = decision_ds(Issue::Favorable);
    decision.dossier = DossierId(n);
    banc.fait(DS, 1, &CandidatureDeposee(other));
    banc.fait(DS, 2, &decision);
}

pub(crate) fn liens(banc: &Banc<OrdinalAdapter>) -> Vec<Lien> {
    let links = banc.courriels.iter().filter_map(|(_, Ask::Courriel(c))| c.lien.clone());
    links.collect()
}

pub(crate) fn repondre(banc: &mut Banc<OrdinalAdapter>, lien: &Lien, choix: &str) {
    let event = OrdinalAdapter::reponse(lien, choix).expect("a choice of the question");
    banc.evenement(&lien.cle, event);
}

fn choix(banc: &Banc<OrdinalAdapter>, lien: &Lien) -> usize {
    let question = OrdinalAdapter::question(banc.etat(&lien.cle), lien, &banc.referentiel);
    question.expect("a page").choix.len()
}

fn activites(banc: &Banc<OrdinalAdapter>) -> Vec<(String, Activite)> {
    let all = banc.publies.iter().filter(|p| p.sortie.message_type.starts_with("activite."));
    all.map(|p| {
        let name = p.sortie.message_type.trim_start_matches("activite.").trim_end_matches(".v1");
        (name.to_owned(), serde_json::from_str(&p.sortie.body).expect("decodes"))
    })
    .collect()
}

pub(crate) fn derniere(banc: &Banc<OrdinalAdapter>) -> Activite {
    activites(banc).pop().expect("an activity").1
}

pub(crate) fn suite(banc: &Banc<OrdinalAdapter>) -> Vec<String> {
    activites(banc).into_iter().map(|(n, a)| format!("{n} {}", a.a_compter_du)).collect()
}

#[test]
fn a_silent_cdom_is_reminded_then_escalated_until_it_answers() {
    let mut banc = demandee("63", &["ambert"]);
    banc.avancer(30);
    let asked: Vec<u32> =
        banc.corps::<VerificationDemandee>().iter().map(|m| m.demande.rang).collect();
    assert_eq!(asked, [1, 2, 3]);
    let reminders = banc.corps::<RelanceEnvoyee>();
    assert!(reminders.iter().all(|r| r.destinataire == "cdom" && r.canal == "file"));
    assert_eq!(reminders.iter().map(|r| r.rang).collect::<Vec<_>>(), [1, 2]);
    let tasks = banc.corps::<TacheOuverte>();
    assert_eq!(tasks.len(), 1);
    assert_eq!((tasks[0].gabarit.as_str(), tasks[0].cle.as_str()), ("cdom-escalade", CLE));
    assert_eq!(tasks[0].champs["relances"], "2");

    // Closed without an answer: the next one comes a week later; the answer closes that one.
    banc.operateur("fermer-tache", CLE, &[("tache", &tasks[0].tache.to_string())]);
    banc.avancer(8);
    assert_eq!(banc.compte("tache.ouverte.v1"), 2);
    banc.reponse(&cdom("63"), &rendue(1, Issue::Favorable));
    let closed: Vec<String> = banc.corps::<TacheFaite>().into_iter().map(|t| t.faite_par).collect();
    assert_eq!(closed, ["operateur", "observe"]);
    let before = banc.publies.len();
    banc.avancer(60);
    assert_eq!(banc.publies.len(), before, "reminders stop");
}

#[test]
fn a_service_that_was_stopped_does_not_remind_twice_at_once() {
    let mut banc = demandee("63", &["ambert"]);
    banc.now += chrono::TimeDelta::days(20);
    banc.avancer(0);
    assert_eq!(banc.compte("relance.envoyee.v1"), 1);
    banc.avancer(2);
    assert_eq!(banc.compte("relance.envoyee.v1"), 1);
    banc.avancer(1);
    assert_eq!(banc.compte("relance.envoyee.v1"), 2);
}

#[test]
fn a_cdom_that_reads_mail_answers_by_its_link_once() {
    let mut banc = demandee("03", &["lapalisse"]);
    let lien = liens(&banc).remove(0);
    assert_eq!((lien.sujet.as_str(), lien.cle.as_str()), ("verification", CLE));
    assert_eq!(choix(&banc, &lien), 3);
    banc.avancer(8);
    let Ask::Courriel(reminder) = &banc.courriels[1].1;
    assert_eq!(reminder.modele, Modele::VerificationRelance { rang: 1 });
    repondre(&mut banc, &lien, "favorable");
    assert_eq!(banc.compte("activite.autorisee.v1"), 1);
    assert_eq!(choix(&banc, &lien), 0, "the question is closed");
    repondre(&mut banc, &lien, "defavorable");
    assert_eq!(banc.ignores.last(), Some(&"question-close"));
    assert!(OrdinalAdapter::reponse(&lien, "peut-etre").is_none());
}

#[test]
fn two_channels_that_exclude_each_other_make_one_task() {
    let mut banc = demandee("03", &["lapalisse"]);
    let lien = liens(&banc).remove(0);
    repondre(&mut banc, &lien, "favorable");
    banc.fait(DS, 5, &decision_ds(Issue::Defavorable));
    banc.fait(DS, 6, &decision_ds(Issue::Defavorable));
    let tasks = banc.corps::<TacheOuverte>();
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].gabarit, "reponses-contradictoires");
    assert_eq!(tasks[0].champs["retenue"], "favorable (lien)");
    assert_eq!(tasks[0].champs["contraire"], "défavorable (ds)");
    assert_eq!(banc.compte("candidature.refusee.v1"), 0, "what was decided stays");
}

#[test]
fn a_cdom_that_works_on_ds_gets_no_link_and_one_without_address_becomes_a_task() {
    let banc = demandee("15", &["ambert"]);
    let Ask::Courriel(mail) = &banc.courriels[0].1;
    assert_eq!((mail.modele.clone(), &mail.lien), (Modele::VerificationDemandee, &None));

    let mut banc = demandee("43", &["ambert"]);
    let task = banc.corps::<TacheOuverte>().remove(0);
    assert_eq!(task.gabarit, "cdom-a-joindre");
    banc.avancer(30);
    assert_eq!(banc.compte("tache.ouverte.v1"), 1, "the open task is not doubled");
    let champs = [("tache", task.tache.to_string()), ("issue", "favorable".to_owned())];
    let champs: Vec<(&str, &str)> = champs.iter().map(|(k, v)| (*k, v.as_str())).collect();
    banc.operateur("fermer-tache", CLE, &champs);
    assert_eq!(banc.compte("activite.autorisee.v1"), 1);
}

#[test]
fn the_identity_is_awaited_for_a_bounded_time() {
    let mut unanswered = banc();
    unanswered.fait(DS, 1, &CandidatureDeposee(candidature("63", &["ambert"])));
    unanswered.avancer(2);
    assert_eq!(unanswered.compte("verification-demandee.v1"), 0);
    unanswered.avancer(1);
    assert_eq!(unanswered.corps::<VerificationDemandee>()[0].identite, None);

    let mut unknown = banc();
    unknown.fait(DS, 1, &CandidatureDeposee(candidature("63", &["ambert"])));
    unknown.fait(RPPS, 1, &identite(rpps(), false));
    unknown.avancer(14);
    assert_eq!(unknown.compte("verification-demandee.v1"), 0);
    unknown.avancer(1);
    let asked = unknown.corps::<VerificationDemandee>().remove(0);
    assert_eq!(asked.identite.map(|i| i.trouve), Some(false));

    // The identity of the corrected number may come before the correction itself.
    let mut corrected = banc();
    corrected.fait(DS, 1, &CandidatureDeposee(candidature("63", &["ambert"])));
    corrected.fait(RPPS, 1, &identite(rpps(), false));
    corrected.fait(RPPS, 2, &identite(autre_rpps(), true));
    assert_eq!(corrected.compte("verification-demandee.v1"), 0);
    let mut version = candidature("63", &["ambert"]);
    version.medecin.rpps = autre_rpps();
    corrected.fait(DS, 2, &CandidatureModifiee(version));
    assert_eq!(corrected.corps::<VerificationDemandee>()[0].medecin.rpps, autre_rpps());
}

#[test]
fn a_complement_leads_to_a_new_request_and_closes_the_first_one() {
    let mut banc = demandee("63", &["ambert"]);
    banc.reponse(&cdom("63"), &rendue(1, Issue::Complement));
    assert_eq!(banc.corps::<ComplementDemande>()[0].rang, 1);
    banc.avancer(40);
    assert_eq!(banc.compte("relance.envoyee.v1"), 0, "the CDOM does not wait");
    banc.fait(DS, 2, &CandidatureModifiee(candidature("63", &["ambert"])));
    let asked = banc.corps::<VerificationDemandee>();
    assert_eq!((asked[1].demande.id, asked[1].demande.rang), (demande(2), 1));
    banc.reponse(&cdom("63"), &rendue(1, Issue::Complement));
    assert_eq!(banc.ignores.last(), Some(&"reponse-repetee"));
    banc.reponse(&cdom("63"), &rendue(1, Issue::Favorable));
    assert_eq!(banc.pannes(), ["demande-depassee"]);
    banc.reponse(&cdom("63"), &rendue(2, Issue::Complement));
    assert_eq!(banc.corps::<ComplementDemande>()[1].rang, 2);
}

#[test]
fn a_change_of_what_is_verified_asks_again_and_of_the_cdom_asks_the_other() {
    let mut banc = demandee("63", &["ambert"]);
    banc.fait(DS, 2, &CandidatureModifiee(candidature("03", &["ambert"])));
    assert_eq!(liens(&banc)[0].question, demande(2).to_string());
    banc.reponse(&cdom("63"), &rendue(1, Issue::Defavorable));
    assert_eq!(banc.pannes(), ["demande-depassee"]);
    banc.reponse(&cdom("63"), &rendue(2, Issue::Favorable));
    assert_eq!(banc.pannes(), ["demande-depassee", "mauvaise-agence"]);
    assert_eq!(banc.compte("activite.autorisee.v1"), 0);
}

#[test]
fn every_site_has_its_engagement_and_its_cdom_is_informed() {
    let banc = autorisee(&["ambert", "lapalisse", "brioude"]);
    let opened = banc.corps::<ActiviteAutorisee>();
    assert_eq!(opened.len(), 3);
    for (opened, lieu) in opened.iter().zip(["ambert", "lapalisse", "brioude"]) {
        assert_eq!(opened.0.engagement, engagement(lieu));
        assert_eq!(opened.0.a_compter_du, jour("2026-03-02"));
    }
    assert_eq!(banc.corps::<ActiviteNotifiee>()[0].engagement, engagement("ambert"));
    let mails: Vec<(&str, &Modele)> =
        banc.courriels.iter().map(|(_, Ask::Courriel(c))| (c.a.as_str(), &c.modele)).collect();
    assert!(mails.contains(&("cdom03@ordre.example", &Modele::ActiviteNotifiee)));
    assert_eq!(mails.iter().filter(|(_, m)| **m == Modele::EngagementOuvert).count(), 3);
    assert_eq!(banc.corps::<TacheOuverte>()[0].gabarit, "cdom-lieu-a-informer");
}

#[test]
fn a_second_dossier_opens_another_site_but_not_the_same_one() {
    let mut banc = autorisee(&["ambert"]);
    autre_dossier(&mut banc, 2000, &["ambert", "lapalisse"]);
    assert_eq!(banc.compte("activite.autorisee.v1"), 2);
    let task = banc.corps::<TacheOuverte>().remove(0);
    assert_eq!(task.gabarit, "doublon-engagement");
    assert_eq!(task.champs["dossier"], "2000");
    banc.operateur("fermer-tache", &task.cle, &[("tache", &task.tache.to_string())]);
    assert_eq!(banc.compte("tache.faite.v1"), 1);
}

/// A later dossier of the same doctor, which the RPPS knows; says how many sites it opens at once.
fn second_dossier(banc: &mut Banc<OrdinalAdapter>, adapt: impl FnOnce(&mut Candidature)) -> usize {
    let mut other = candidature("63", &["lapalisse"]);
    other.dossier = DossierId(2000);
    adapt(&mut other);
    let mut known = identite(other.medecin.rpps.clone(), true);
    known.dossier = DossierId(2000);
    let before = banc.compte("activite.autorisee.v1");
    banc.fait(DS, 1, &CandidatureDeposee(other));
    banc.fait(RPPS, 2, &known);
    banc.compte("activite.autorisee.v1") - before
}

#[test]
fn a_second_site_asks_again_unless_the_settings_reuse_the_authorisation() {
    let mut banc = autorisee(&["ambert"]);
    assert_eq!(second_dossier(&mut banc, |_| {}), 0);
    assert_eq!(banc.compte("verification-demandee.v1"), 2, "the CDOM is asked again by default");

    let reutilise = || {
        let mut banc = autorisee(&["ambert"]);
        banc.config.reutilise_autorisation = true;
        banc
    };
    let mut banc = reutilise();
    assert_eq!(second_dossier(&mut banc, |_| {}), 1);
    assert_eq!(banc.compte("verification-demandee.v1"), 1, "nobody is asked");
    let opened: Vec<String> =
        banc.corps::<ActiviteAutorisee>().into_iter().map(|a| a.0.lieu.id.to_string()).collect();
    assert_eq!(opened, ["ambert", "lapalisse"]);
    assert!(banc.pannes().is_empty());
    let mut banc = reutilise();
    assert_eq!(second_dossier(&mut banc, |c| c.remplacement_souhaite = true), 0, "a replacement");
    let mut banc = reutilise();
    let other = |c: &mut Candidature| c.medecin.cdom_inscription = "03".parse().expect("CDOM");
    assert_eq!(second_dossier(&mut banc, other), 0, "another CDOM");
    let mut banc = reutilise();
    assert_eq!(second_dossier(&mut banc, |c| c.medecin.rpps = autre_rpps()), 0, "another doctor");
    let mut banc = reutilise();
    banc.operateur("retirer", &cle_engagement("ambert"), &[("cause", "radiation")]);
    assert_eq!(second_dossier(&mut banc, |_| {}), 0, "nothing is open any more");
    let mut banc = reutilise();
    let a_compter_du = jour("2026-03-05");
    banc.reponse(&cdom("63"), &SuspensionPrononcee { rpps: rpps(), a_compter_du });
    assert_eq!(second_dossier(&mut banc, |_| {}), 0, "the doctor is suspended");
}

#[test]
fn the_doctor_withdraws_and_a_later_dossier_opens_again() {
    let mut banc = autorisee(&["ambert"]);
    let lien = liens(&banc).remove(0);
    assert_eq!((lien.sujet.as_str(), lien.question.as_str()), ("retrait", "retrait"));
    assert_eq!(choix(&banc, &lien), 1);
    repondre(&mut banc, &lien, "retirer");
    repondre(&mut banc, &lien, "retirer");
    assert_eq!(choix(&banc, &lien), 0);
    let ended = banc.corps::<ActiviteTerminee>();
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].0.a_compter_du, jour("2026-03-03"), "the day after");
    assert_eq!(ended[0].0.cause.as_deref(), Some("retrait"));

    banc.avancer(10);
    autre_dossier(&mut banc, 2000, &["ambert"]);
    assert_eq!(
        suite(&banc),
        ["autorisee 2026-03-02", "terminee 2026-03-03", "autorisee 2026-03-12"]
    );
    let last = activites(&banc).pop().expect("some").1;
    assert_eq!((last.dossier, last.cause), (DossierId(2000), None));
    repondre(&mut banc, &lien, "retirer");
    assert_eq!(banc.ignores.last(), Some(&"question-close"), "an old link ends nothing");
    let again = liens(&banc).pop().expect("some");
    repondre(&mut banc, &again, "retirer");
    assert_eq!(banc.compte("activite.terminee.v1"), 2);
}

#[test]
fn a_contact_that_changes_is_told_while_the_engagement_lives() {
    let mut banc = autorisee(&["ambert"]);
    let mut version = candidature("63", &["ambert"]);
    version.medecin.courriel = "nouvelle@medecin.example".to_owned();
    banc.fait(DS, 2, &CandidatureModifiee(version.clone()));
    let told = banc.corps::<ActiviteModifiee>();
    assert_eq!(told[0].0.medecin.courriel, "nouvelle@medecin.example");
    assert_eq!(told[0].0.situation, Situation::Ouverte);
    version.lieux_souhaites.push("lapalisse".parse().expect("id"));
    banc.fait(DS, 3, &CandidatureModifiee(version));
    assert_eq!(banc.compte("activite.modifiee.v1"), 1);
    let task = banc.corps::<TacheOuverte>().remove(0);
    assert_eq!(task.gabarit, "candidature-modifiee");
    assert_eq!(task.champs["modifications"], "lieux_souhaites");
}

#[test]
fn escalations_go_to_the_dns_by_mail_when_it_wants_that() {
    let mut banc = demandee("63", &["ambert"]);
    banc.config =
        Config { dns_courriel: Some("dns@sante.example".to_owned()), ..Config::default() };
    banc.avancer(25);
    let Ask::Courriel(mail) = &banc.courriels[0].1;
    assert_eq!(mail.modele, Modele::Escalade { gabarit: "cdom-escalade".to_owned() });
    assert_eq!(paris_date(banc.now), jour("2026-03-27"));
}

#[test]
fn operators_are_told_what_is_wrong() {
    let action = |action: &str, cle: &str, champs: &[(&str, &str)]| {
        OrdinalAdapter::operator(&OperatorAction {
            action: action.to_owned(),
            cle: cle.to_owned(),
            champs: champs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            par: "x".to_owned(),
        })
    };
    let task = demande(1).to_string();
    let wrong = [
        action("danser", CLE, &[]),
        action("fermer-tache", CLE, &[]),
        action("fermer-tache", "medecin/99790000014", &[("tache", &task)]),
        action("fermer-tache", CLE, &[("tache", &task), ("issue", "oui")]),
        action("retirer", CLE, &[]),
        action("retirer", &cle_engagement("ambert"), &[("cause", "ennui")]),
        action("retirer", &cle_engagement("ambert"), &[("a_compter_du", "demain")]),
    ];
    for outcome in wrong {
        assert!(outcome.is_err(), "{outcome:?}");
    }
    assert!(action("fermer-tache", CLE, &[("tache", &task), ("issue", " favorable ")]).is_ok());
}
