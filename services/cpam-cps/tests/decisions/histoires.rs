//! Stories: what happens to one engagement over weeks.

use contact::{Courriel, Modele};
use contracts::{
    Rib,
    messages::{
        ActiviteModifiee, ActiviteRetablie, ActiviteSuspendue, ActiviteTerminee, CpsEnRetard,
        FacturationOuverte, ModeFacturation, NumeroAmDemande, RelanceEnvoyee, RibDemande,
        Situation, TacheOuverte,
    },
};
use cpam_cps::{Ask, Config, CpamCps, config::NumeroDouteux};
use service::{OperatorAction, Service};

use crate::{
    banc::Banc,
    monde::{
        CLE, E, NUMERO, ORDRE, RPPS, activite, autorisee, banc, carte, constat, cpam, cree,
        demande, engagement, jour, refuse, rib_recu,
    },
};

fn demandee(lieu: &str) -> Banc<CpamCps> {
    let mut banc = banc();
    banc.fait(ORDRE, 1, &autorisee(lieu));
    banc.fait(RPPS, 1, &constat());
    banc
}

fn ouverte(rib: Rib) -> Banc<CpamCps> {
    let mut banc = demandee("ambert");
    banc.reponse(&cpam("631"), &cree(1, NUMERO, rib));
    banc
}

fn fermer(banc: &mut Banc<CpamCps>, gabarit: &str, champs: &[(&str, &str)]) {
    let tasks = banc.corps::<TacheOuverte>();
    let task = tasks.iter().rfind(|t| t.gabarit == gabarit).expect("such a task");
    let id = task.tache.to_string();
    let all: Vec<(&str, &str)> =
        [("tache", id.as_str())].into_iter().chain(champs.iter().copied()).collect();
    banc.operateur("fermer-tache", CLE, &all);
}

fn gabarits(banc: &Banc<CpamCps>) -> Vec<String> {
    banc.corps::<TacheOuverte>().into_iter().map(|t| t.gabarit).collect()
}

/// Every mail that was asked for.
fn lettres(banc: &Banc<CpamCps>) -> Vec<Courriel> {
    let mail = |(_, ask): &(String, Ask)| match ask {
        Ask::Courriel(courriel) | Ask::Papier { courriel, .. } => Some(courriel.clone()),
        Ask::Deposer { .. } | Ask::Relever { .. } | Ask::Rendre { .. } => None,
    };
    banc.courriels.iter().filter_map(mail).collect()
}

fn dernier(banc: &Banc<CpamCps>) -> FacturationOuverte {
    banc.corps().pop().expect("published")
}

#[test]
fn the_rpps_record_triggers_the_request_or_ten_days_do() {
    let mut seen = banc();
    seen.fait(RPPS, 1, &constat());
    assert_eq!(seen.compte("numero-am-demande.v1"), 0);
    seen.fait(ORDRE, 1, &autorisee("ambert"));
    let asked = seen.corps::<NumeroAmDemande>().remove(0);
    assert_eq!(asked.constat_rpps, Some(jour("2026-03-02")));
    assert_eq!(asked.demande, demande(1));
    assert_eq!(seen.publies[0].cle, CLE);
    assert_eq!(seen.publies[0].sortie.routing_key, "cpam.631.numero-am-demande.v1");

    let mut unseen = banc();
    // The first snapshot seen may be any of the five.
    unseen.fait(ORDRE, 3, &ActiviteModifiee(activite(E, "ambert", Situation::Ouverte)));
    unseen.fait(ORDRE, 1, &autorisee("ambert"));
    unseen.avancer(9);
    assert_eq!(unseen.compte("numero-am-demande.v1"), 0);
    unseen.avancer(1);
    assert_eq!(unseen.corps::<NumeroAmDemande>()[0].constat_rpps, None);
    unseen.fait(RPPS, 1, &constat());
    assert_eq!(unseen.compte("numero-am-demande.v1"), 1);

    let mut at_once = banc();
    at_once.config = Config { attente_rpps_jours: 0, ..Config::default() };
    at_once.fait(ORDRE, 1, &autorisee("ambert"));
    assert_eq!(at_once.compte("numero-am-demande.v1"), 1);
}

#[test]
fn a_silent_cpam_is_reminded_then_escalated() {
    let mut banc = demandee("ambert");
    banc.config.dns_courriel = Some("dns@sante.example".to_owned());
    banc.avancer(30);
    let ranks: Vec<u32> = banc.corps::<NumeroAmDemande>().iter().map(|m| m.demande.rang).collect();
    assert_eq!(ranks, [1, 2, 3]);
    assert!(banc.corps::<RelanceEnvoyee>().iter().all(|r| r.destinataire == "cpam"));
    assert_eq!(gabarits(&banc), ["cpam-escalade"]);
    let [mail] = lettres(&banc).try_into().expect("one mail");
    assert_eq!(mail.modele, Modele::Escalade { gabarit: "cpam-escalade".to_owned() });
    fermer(&mut banc, "cpam-escalade", &[]);
    banc.avancer(8);
    assert_eq!(gabarits(&banc), ["cpam-escalade", "cpam-escalade"]);
    banc.reponse(&cpam("631"), &cree(1, NUMERO, Rib::Present));
    assert_eq!(banc.compte("tache.faite.v1"), 2, "the second one by the number itself");
    assert_eq!(dernier(&banc).numero_cree_le, jour("2026-04-09"));
}

#[test]
fn a_cpam_without_queue_nor_address_is_a_task_that_the_operator_closes_with_the_number() {
    let mut by_hand = demandee("brioude");
    assert!(by_hand.courriels.is_empty());
    let task = by_hand.corps::<TacheOuverte>().remove(0);
    assert_eq!(
        (task.champs["rpps"].as_str(), task.champs["cpam"].as_str()),
        ("99790000014", "431")
    );
    fermer(
        &mut by_hand,
        "numero-am-a-demander",
        &[("numero_am", "43 199 0012"), ("rib", "manquant")],
    );
    let published = dernier(&by_hand);
    assert_eq!((published.numero_am.as_str(), published.rib), ("431990012", Rib::Manquant));
    assert_eq!(gabarits(&by_hand).last().map(String::as_str), Some("rib-a-obtenir"));
    fermer(&mut by_hand, "rib-a-obtenir", &[("rib", "present")]);
    assert_eq!(dernier(&by_hand).rib, Rib::Present);
    let before = by_hand.publies.len();
    by_hand.avancer(20);
    assert_eq!(by_hand.publies.len(), before);
}

#[test]
fn a_site_without_cpam_waits_for_the_dns() {
    let mut banc = demandee("sans-cpam");
    assert_eq!(gabarits(&banc), ["lieu-cpam-manquante"]);
    fermer(&mut banc, "lieu-cpam-manquante", &[]);
    banc.avancer(8);
    assert_eq!(gabarits(&banc).len(), 2, "asked again later");
    fermer(&mut banc, "lieu-cpam-manquante", &[("cpam", "631")]);
    assert_eq!(banc.compte("numero-am-demande.v1"), 1);
    banc.reponse(&cpam("631"), &cree(1, NUMERO, Rib::Present));
    assert_eq!(dernier(&banc).cpam.as_str(), "631");
}

#[test]
fn missing_bank_details_are_asked_for_every_week_until_they_are_there() {
    let mut banc = ouverte(Rib::Manquant);
    assert_eq!(dernier(&banc).rib, Rib::Manquant);
    banc.avancer(22);
    let ranks: Vec<u32> = banc.corps::<RibDemande>().iter().map(|m| m.demande.rang).collect();
    assert_eq!(ranks, [1, 2, 3, 4]);
    assert_eq!(gabarits(&banc), ["rib-a-obtenir"], "the third reminder is the last one alone");
    // The doctor, who alone has them, is written to each time.
    let doctor = lettres(&banc).into_iter().filter(|l| l.a == "paul@medecin.example");
    let models: Vec<Modele> = doctor.map(|l| l.modele).collect();
    let rib = |rang| Modele::RibADonner { rang };
    assert_eq!(models, [Modele::DebutPapier, rib(0), rib(1), rib(2), rib(3)]);
    banc.reponse(&cpam("031"), &rib_recu());
    assert_eq!(banc.pannes(), ["mauvaise-agence"]);
    banc.reponse(&cpam("631"), &rib_recu());
    banc.reponse(&cpam("631"), &rib_recu());
    assert_eq!(banc.ignores.last(), Some(&"rib-connu"));
    assert_eq!(dernier(&banc).rib, Rib::Present);
    banc.avancer(60);
    assert_eq!(banc.compte("rib-demande.v1"), 4);
    // A late copy that knew less takes nothing back.
    banc.reponse(&cpam("631"), &cree(1, NUMERO, Rib::Manquant));
    assert_eq!(dernier(&banc).rib, Rib::Present);
}

#[test]
fn unknown_bank_details_leave_the_cpam_a_week() {
    let mut banc = ouverte(Rib::Inconnu);
    banc.avancer(6);
    assert_eq!(banc.compte("rib-demande.v1"), 0);
    banc.avancer(2);
    assert_eq!(banc.compte("rib-demande.v1"), 1);
}

#[test]
fn a_card_that_begins_after_the_number_ends_the_paper() {
    let mut banc = ouverte(Rib::Present);
    assert_eq!(dernier(&banc).mode, ModeFacturation::Papier);
    banc.fait(RPPS, 1, &carte("2026-02-15"));
    assert_eq!(banc.compte("facturation.ouverte.v1"), 1, "an older card changes nothing");
    banc.avancer(10);
    banc.fait(RPPS, 1, &carte("2026-03-11"));
    assert_eq!(dernier(&banc).mode, ModeFacturation::Teletransmission);
    banc.avancer(90);
    assert_eq!(banc.compte("cps.en-retard.v1"), 0);
    assert_eq!(banc.compte("facturation.ouverte.v1"), 2);
}

#[test]
fn a_late_card_is_reported_every_week_until_it_comes() {
    let mut banc = ouverte(Rib::Present);
    banc.avancer(36);
    let late = banc.corps::<CpsEnRetard>();
    assert!(late.iter().all(|l| l.attendue_le == jour("2026-03-23")));
    assert_eq!(late.iter().map(|l| l.jours_de_retard).collect::<Vec<_>>(), [0, 7, 14]);
    banc.fait(RPPS, 1, &carte("2026-04-07"));
    banc.avancer(60);
    assert_eq!(banc.compte("cps.en-retard.v1"), 3);
}

#[test]
fn a_refusal_is_a_task_and_a_number_that_comes_all_the_same_prevails() {
    let mut banc = demandee("ambert");
    banc.reponse(&cpam("631"), &refuse(1));
    assert_eq!(gabarits(&banc), ["numero-am-refuse"]);
    assert_eq!(banc.corps::<TacheOuverte>()[0].champs["code"], "medecin-inconnu");
    banc.avancer(60);
    assert_eq!(banc.compte("relance.envoyee.v1"), 0);
    banc.operateur("redemander", CLE, &[]);
    assert_eq!(banc.corps::<NumeroAmDemande>()[1].demande, demande(2));
    banc.reponse(&cpam("631"), &cree(1, NUMERO, Rib::Present));
    assert_eq!(banc.pannes(), ["demande-depassee"]);
    banc.reponse(&cpam("631"), &cree(2, NUMERO, Rib::Present));
    banc.reponse(&cpam("631"), &refuse(2));
    assert_eq!(banc.ignores.last(), Some(&"refus-depasse"));
    assert_eq!(dernier(&banc).numero_am.as_str(), NUMERO);
    banc.reponse(&cpam("631"), &cree(2, "631990025", Rib::Present));
    assert_eq!(banc.pannes(), ["demande-depassee", "numero-am-contradictoire"]);
}

#[test]
fn a_suspension_stops_reminders_and_a_late_number_is_published_all_the_same() {
    let mut banc = demandee("ambert");
    banc.fait(ORDRE, 2, &ActiviteSuspendue(activite(E, "ambert", Situation::Suspendue)));
    banc.avancer(50);
    assert_eq!(banc.compte("relance.envoyee.v1"), 0);
    banc.fait(ORDRE, 3, &ActiviteRetablie(activite(E, "ambert", Situation::Ouverte)));
    banc.avancer(2);
    assert_eq!(banc.compte("relance.envoyee.v1"), 1, "reminders come back");
    banc.fait(ORDRE, 4, &ActiviteTerminee(activite(E, "ambert", Situation::Terminee)));
    banc.avancer(30);
    banc.reponse(&cpam("631"), &cree(1, NUMERO, Rib::Manquant));
    assert_eq!(dernier(&banc).mode, ModeFacturation::Papier);
    assert_eq!(gabarits(&banc), ["rib-a-obtenir"], "half-days held before stay owed");
    let before = banc.publies.len();
    banc.avancer(90);
    assert_eq!(banc.publies.len(), before, "nobody is reminded");
    banc.reponse(&cpam("631"), &rib_recu());
    assert_eq!(dernier(&banc).rib, Rib::Present);
}

#[test]
fn an_end_that_leaves_no_day_asks_for_nothing_unless_an_operator_does() {
    let mut banc = banc();
    banc.fait(ORDRE, 1, &autorisee("ambert"));
    banc.fait(ORDRE, 2, &ActiviteTerminee(activite(E, "ambert", Situation::Terminee)));
    banc.fait(RPPS, 1, &constat());
    banc.avancer(60);
    assert_eq!(banc.compte("numero-am-demande.v1"), 0);
    banc.operateur("redemander", CLE, &[]);
    banc.avancer(60);
    assert_eq!(banc.compte("numero-am-demande.v1"), 1);
    banc.reponse(&cpam("631"), &cree(1, NUMERO, Rib::Present));
    assert_eq!(dernier(&banc).numero_am.as_str(), NUMERO);
}

#[test]
fn half_days_held_before_an_end_need_a_number_all_the_same() {
    let mut ended = ActiviteTerminee(activite(E, "ambert", Situation::Terminee));
    ended.0.a_compter_du = jour("2026-03-10");
    // The end may even be the first thing seen.
    for first in [true, false] {
        let mut banc = banc();
        if !first {
            banc.fait(ORDRE, 1, &autorisee("ambert"));
        }
        banc.fait(ORDRE, 2, &ended);
        banc.avancer(60);
        let asked: Vec<_> = banc.corps::<NumeroAmDemande>();
        assert_eq!(asked.iter().map(|m| m.demande.rang).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(gabarits(&banc), ["cpam-escalade"], "a silent CPAM is a task");
        fermer(&mut banc, "cpam-escalade", &[]);
        banc.avancer(10);
        assert_eq!(gabarits(&banc), ["cpam-escalade"; 2], "and again while it is silent");
        banc.reponse(&cpam("631"), &cree(1, NUMERO, Rib::Present));
        let before = banc.publies.len();
        banc.avancer(90);
        assert_eq!(banc.publies.len(), before, "nothing is awaited any more");
    }
}

/// Nobody asks the CPAM about bank details while the doctor may not practise: a person follows.
#[test]
fn bank_details_that_are_missing_when_the_activity_stops_are_a_task() {
    let mut stopped = ActiviteSuspendue(activite(E, "ambert", Situation::Suspendue));
    stopped.0.a_compter_du = jour("2026-03-20");
    for rib in [Rib::Manquant, Rib::Inconnu] {
        let mut banc = ouverte(rib);
        banc.fait(ORDRE, 2, &stopped);
        assert_eq!(gabarits(&banc), ["rib-a-obtenir"]);
        let asked = banc.compte("rib-demande.v1");
        banc.avancer(60);
        assert_eq!(banc.compte("rib-demande.v1"), asked, "the CPAM is left alone");
        banc.fait(ORDRE, 3, &ActiviteTerminee(activite(E, "ambert", Situation::Terminee)));
        assert_eq!(gabarits(&banc), ["rib-a-obtenir"], "one task is enough");
        fermer(&mut banc, "rib-a-obtenir", &[("rib", "present")]);
        assert_eq!(dernier(&banc).rib, Rib::Present);
    }
    // Known too late: the number comes without bank details after the suspension.
    let mut late = demandee("ambert");
    late.fait(ORDRE, 2, &stopped);
    late.reponse(&cpam("631"), &cree(1, NUMERO, Rib::Manquant));
    assert_eq!(gabarits(&late), ["rib-a-obtenir"]);
    // With everything known, a suspension opens nothing.
    let mut known = ouverte(Rib::Present);
    known.fait(ORDRE, 2, &stopped);
    assert!(gabarits(&known).is_empty());
}

#[test]
fn a_number_that_another_engagement_has_is_not_published() {
    const F: &str = "0000000002";
    let mut banc = ouverte(Rib::Present);
    let mut other = autorisee("ambert");
    other.0.engagement = engagement(F);
    let mut seen = constat();
    seen.engagement = engagement(F);
    banc.fait(ORDRE, 1, &other);
    banc.fait(RPPS, 1, &seen);
    let asked = banc.corps::<NumeroAmDemande>().remove(1).demande;
    let mut answer = cree(1, NUMERO, Rib::Present);
    (answer.demande, answer.engagement) = (asked, engagement(F));
    banc.reponse(&cpam("631"), &answer);
    assert_eq!(banc.compte("facturation.ouverte.v1"), 1);
    assert_eq!(gabarits(&banc), ["numero-am-en-double"]);
    answer.numero_am = "631990025".parse().expect("number");
    banc.reponse(&cpam("631"), &answer);
    assert_eq!(dernier(&banc).engagement, engagement(F));
    assert_eq!(banc.compte("tache.faite.v1"), 1);
}

#[test]
fn a_doubtful_number_warns_or_fails() {
    // A wrong key, then the number of another département.
    for numero in ["631990018", "031990013"] {
        let mut warned = demandee("ambert");
        warned.reponse(&cpam("631"), &cree(1, numero, Rib::Present));
        assert_eq!(dernier(&warned).numero_am.as_str(), numero);
        assert_eq!(gabarits(&warned), ["numero-am-a-verifier"]);
        // The operator corrects it.
        fermer(&mut warned, "numero-am-a-verifier", &[("numero_am", NUMERO)]);
        assert_eq!(dernier(&warned).numero_am.as_str(), NUMERO);

        let mut refused = demandee("ambert");
        refused.config.numero_douteux = NumeroDouteux::Refuser;
        refused.reponse(&cpam("631"), &cree(1, numero, Rib::Present));
        assert_eq!(refused.pannes(), ["numero-am-douteux"]);
        assert_eq!(refused.compte("facturation.ouverte.v1"), 0);
    }
}

#[test]
fn refused_inputs_can_be_replayed() {
    let mut banc = banc();
    banc.reponse(&cpam("631"), &cree(1, NUMERO, Rib::Present));
    assert_eq!(banc.pannes(), ["demande-inconnue"]);
    banc.fait(ORDRE, 1, &autorisee("ambert"));
    banc.fait(RPPS, 1, &constat());
    banc.rejouer();
    assert!(banc.pannes().is_empty());
    assert_eq!(banc.derniers(&["facturation.ouverte.v1"]).len(), 1);
}

#[test]
fn operators_are_told_what_is_wrong() {
    let action = |action: &str, cle: &str, champs: &[(&str, &str)]| {
        CpamCps::operator(&OperatorAction {
            action: action.to_owned(),
            cle: cle.to_owned(),
            champs: champs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            par: "x".to_owned(),
        })
    };
    let task = demande(1).id.to_string();
    let wrong = [
        action("danser", CLE, &[]),
        action("fermer-tache", CLE, &[]),
        action("fermer-tache", "dossier/1042", &[("tache", &task)]),
        action("fermer-tache", CLE, &[("tache", &task), ("numero_am", "632990017")]),
        action("fermer-tache", CLE, &[("tache", &task), ("rib", "oui")]),
        action("fermer-tache", CLE, &[("tache", &task), ("cpam", "63")]),
    ];
    for outcome in wrong {
        assert!(outcome.is_err(), "{outcome:?}");
    }
    let rib = [("tache", task.as_str()), ("numero_am", " 63 199 001 7 "), ("rib", "présent")];
    assert!(action("fermer-tache", CLE, &rib).is_ok());
}
