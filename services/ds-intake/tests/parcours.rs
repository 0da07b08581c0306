//! The way of a dossier, from its deposit on a simulated Démarches simplifiées to what is written
//! back to it, with the service's own decisions and its own client.
#![cfg(feature = "simulator")]

mod commun;

use agency::faults::FaultKind;
use chrono::TimeDelta;
use commun::{Banc, champs, depot};
use contracts::{
    DossierId,
    messages::{
        Activite, ActiviteAutorisee, ActiviteTerminee, Agenda, AgendaOuvert, CandidatureDeposee,
        CandidatureIncomplete, CandidatureModifiee, CandidatureRefusee, CandidatureRetiree,
        ComplementDemande, DecisionLueDs, Issue, Situation, TacheFaite, TacheOuverte,
    },
};
use ds_intake::{
    Event, Message,
    config::Annotation,
    simulator::{Etat, Options},
};
use kernel::Draw;

const MINUTE: TimeDelta = TimeDelta::minutes(1);

#[tokio::test]
async fn a_complete_application_is_deposited_verified_and_accepted() {
    let mut b = Banc::new().await;
    b.sim.deposer(depot(1042, champs()));
    b.attendre(MINUTE * 3).await;
    assert_eq!(b.types(), ["candidature.deposee"]);
    let candidature = b.dernier::<CandidatureDeposee>().0;
    assert_eq!(candidature.medecin.courriel, "anne.exemple@medecins.example");
    assert_eq!(candidature.creneaux_souhaites.len(), 2);
    assert!(candidature.remplacement_souhaite);
    assert_eq!(b.sim.etat(1042), Some(Etat::EnInstruction));

    let activite = b.activite(1042, Situation::Ouverte);
    b.recevoir(Message::ActiviteAutorisee(ActiviteAutorisee(activite.clone()))).await;
    b.attendre(MINUTE * 3).await;
    assert_eq!(b.sim.etat(1042), Some(Etat::Accepte));

    // The end of the only engagement changes nothing on DS.
    let end = Activite { situation: Situation::Terminee, ..activite };
    b.recevoir(Message::ActiviteTerminee(ActiviteTerminee(end))).await;
    b.attendre(MINUTE * 3).await;
    assert_eq!(b.sim.etat(1042), Some(Etat::Accepte));
    assert_eq!(b.types(), ["candidature.deposee"]);
    assert_eq!(b.sim.nombre_messages(1042), 0);
    assert!(b.pannes.is_empty());
}

#[tokio::test]
async fn an_incomplete_version_is_told_once_and_its_correction_is_deposited() {
    let mut b = Banc::new().await;
    let mut wrong = champs();
    wrong.rpps = "99790000015".to_owned();
    wrong.lieux = vec!["atlantide".to_owned()];
    wrong.telephone = String::new();
    b.sim.deposer(depot(7, wrong.clone()));
    b.attendre(MINUTE * 10).await;
    assert_eq!(b.types(), ["candidature.incomplete"]);
    let codes: Vec<_> =
        b.dernier::<CandidatureIncomplete>().manques.into_iter().map(|m| m.code).collect();
    assert_eq!(codes, ["rpps-cle", "manquant", "lieu-inconnu"]);
    let messages = b.sim.messages(7);
    assert_eq!(messages.len(), 1, "one message per version");
    assert_eq!(messages[0].correction.as_deref(), Some("incorrect"));
    assert!(messages[0].corps.contains("Lieux souhaités") && messages[0].corps.contains("Réf. "));
    assert!(!messages[0].corps.contains("atlantide") && !messages[0].corps.contains("9979"));

    // Changed but not deposited: nothing is seen. Deposited, still wrong: told again.
    assert!(b.sim.modifier(7, champs()));
    b.attendre(MINUTE * 3).await;
    assert_eq!(b.sim.nombre_messages(7), 1);
    assert!(b.sim.redeposer(7, Some(wrong)));
    b.attendre(MINUTE * 3).await;
    assert_eq!(b.sim.nombre_messages(7), 2);

    assert!(b.sim.redeposer(7, Some(champs())));
    b.attendre(MINUTE * 3).await;
    assert_eq!(
        b.types(),
        ["candidature.incomplete", "candidature.incomplete", "candidature.deposee"]
    );
    assert_eq!(b.sim.etat(7), Some(Etat::EnInstruction));
    assert!(b.pannes.is_empty());
}

#[tokio::test]
async fn an_unknown_rpps_is_told_once_per_number() {
    let mut b = Banc::new().await;
    b.sim.deposer(depot(8, champs()));
    b.attendre(MINUTE * 2).await;
    b.identifier(8, "99790000014", false, false).await;
    b.identifier(8, "99790000014", false, false).await;
    b.attendre(MINUTE * 2).await;
    assert_eq!(b.sim.nombre_messages(8), 1);
    assert_eq!(b.sim.etat(8), Some(Etat::EnConstruction), "sent back for correction");

    let corrected = ds_intake::simulator::Champs { rpps: "99790000022".to_owned(), ..champs() };
    assert!(b.sim.redeposer(8, Some(corrected)));
    b.attendre(MINUTE * 2).await;
    assert_eq!(
        b.types(),
        ["candidature.deposee", "candidature.incomplete", "candidature.modifiee"]
    );
    assert_eq!(b.dernier::<CandidatureModifiee>().0.medecin.rpps.as_str(), "99790000022");
    assert_eq!(b.sim.etat(8), Some(Etat::EnInstruction));
    // The answer about the former number comes late.
    b.identifier(8, "99790000014", true, false).await;
    assert_eq!(b.ignores.last(), Some(&"rpps-remplace"));
    b.identifier(8, "99790000022", true, true).await;
    assert_eq!(b.sim.nombre_messages(8), 1);
}

#[tokio::test]
async fn a_complement_is_asked_and_the_next_deposit_is_a_modification_even_unchanged() {
    let mut b = Banc::new().await;
    b.sim.deposer(depot(9, champs()));
    b.attendre(MINUTE * 2).await;
    let wanted = ComplementDemande {
        dossier: DossierId(9),
        rang: 1,
        champs: vec!["attestation-assurance".to_owned(), "telephone".to_owned()],
    };
    b.recevoir(Message::ComplementDemande(wanted.clone())).await;
    b.recevoir(Message::ComplementDemande(wanted)).await;
    b.attendre(MINUTE * 5).await;
    let messages = b.sim.messages(9);
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].correction.as_deref(), Some("incomplete"));
    assert!(messages[0].corps.contains("- attestation assurance\n- Téléphone"));
    assert_eq!(b.types(), ["candidature.deposee"], "our own message is no modification");
    assert_eq!(b.sim.etat(9), Some(Etat::EnConstruction));

    assert!(b.sim.redeposer(9, None));
    b.attendre(MINUTE * 2).await;
    assert_eq!(b.types(), ["candidature.deposee", "candidature.modifiee"]);
    assert_eq!(b.sim.etat(9), Some(Etat::EnInstruction));
}

#[tokio::test]
async fn a_refusal_is_written_with_neutral_words() {
    let mut b = Banc::new().await;
    b.sim.deposer(depot(10, champs()));
    b.attendre(MINUTE * 2).await;
    let cdom = "63".parse().expect("cdom");
    let refused = CandidatureRefusee { dossier: DossierId(10), cdom };
    b.recevoir(Message::CandidatureRefusee(refused)).await;
    b.attendre(MINUTE * 2).await;
    assert_eq!(b.sim.etat(10), Some(Etat::Refuse));
    assert_eq!(b.types(), ["candidature.deposee"]);
    assert!(b.pannes.is_empty());
}

#[tokio::test]
async fn a_refusal_that_a_pending_correction_blocks_becomes_a_task() {
    let mut b = Banc::new().await;
    b.sim.deposer(depot(11, champs()));
    b.attendre(MINUTE * 2).await;
    b.identifier(11, "99790000014", true, false).await;
    b.attendre(MINUTE * 2).await;
    let cdom = "63".parse().expect("cdom");
    b.recevoir(Message::CandidatureRefusee(CandidatureRefusee { dossier: DossierId(11), cdom }))
        .await;
    b.attendre(MINUTE * 2).await;
    assert_eq!(b.sim.etat(11), Some(Etat::EnConstruction));
    let task = b.dernier::<TacheOuverte>();
    assert_eq!(
        (task.gabarit.as_str(), task.champs["decision"].as_str()),
        ("ds-decision-a-reporter", "refusé")
    );
    assert!(b.pannes.is_empty());
    // The person does it on DS; Relais sees it.
    assert!(b.sim.decider(11, Etat::Refuse));
    b.attendre(MINUTE * 2).await;
    assert_eq!(b.dernier::<TacheFaite>().faite_par, "observe");
    b.evenement("dossier/11", Event::TacheFermee { tache: task.tache, par: "agent".to_owned() })
        .await;
    assert_eq!(b.ignores.last(), Some(&"tache-deja-fermee"));
}

#[tokio::test]
async fn a_deletion_withdraws_before_the_authorisation_only() {
    let mut b = Banc::new().await;
    let mut wrong = champs();
    wrong.rpps = String::new();
    b.sim.deposer(depot(12, wrong));
    b.attendre(MINUTE * 2).await;
    assert!(b.sim.supprimer(12));
    b.attendre(MINUTE * 2).await;
    let gone = b.dernier::<CandidatureRetiree>();
    assert_eq!((gone.cause.as_str(), gone.rpps), ("supprime-par-usager", None));

    b.sim.deposer(depot(13, champs()));
    b.attendre(MINUTE * 2).await;
    assert!(!b.sim.supprimer(13), "en_instruction: the doctor may not delete it");
    let activite = b.activite(13, Situation::Ouverte);
    b.recevoir(Message::ActiviteAutorisee(ActiviteAutorisee(activite))).await;
    b.attendre(MINUTE * 2).await;
    assert!(b.sim.expirer(13));
    b.attendre(MINUTE * 2).await;
    assert_eq!(b.types().last(), Some(&"dossier.disparu-ds"));
    assert_eq!(b.types().iter().filter(|t| **t == "candidature.retiree").count(), 1);

    // A restored dossier is not an application again: a person must see to it.
    assert!(b.sim.restaurer(12));
    b.attendre(MINUTE * 2).await;
    assert_eq!(b.dernier::<TacheOuverte>().gabarit, "ds-dossier-restaure");
}

#[tokio::test]
async fn a_decision_that_a_cdom_takes_on_ds_is_read_and_ours_is_not() {
    let mut b = Banc::new().await;
    b.sim.deposer(depot(14, champs()));
    b.attendre(MINUTE * 2).await;
    assert!(b.sim.decider(14, Etat::Accepte));
    b.attendre(MINUTE * 5).await;
    assert_eq!(b.types(), ["candidature.deposee", "decision.lue-ds"]);
    assert_eq!(b.dernier::<DecisionLueDs>().issue, Issue::Favorable);
    let activite = b.activite(14, Situation::Ouverte);
    b.appels.clear();
    b.recevoir(Message::ActiviteAutorisee(ActiviteAutorisee(activite))).await;
    assert!(b.appels.is_empty(), "it is accepted already");

    b.sim.deposer(depot(15, champs()));
    b.attendre(MINUTE * 2).await;
    assert!(b.sim.decider(15, Etat::SansSuite));
    b.attendre(MINUTE * 2).await;
    let gone = b.dernier::<CandidatureRetiree>();
    assert_eq!(gone.cause, "classe-sans-suite");
    assert!(gone.rpps.is_some());
}

#[tokio::test]
async fn annotations_follow_what_the_others_do() {
    let ids = [
        (Annotation::Avancement, "Q2hhbXAtNDIwMDAwMQ=="),
        (Annotation::Agenda, "Q2hhbXAtNDIwMDAwMg=="),
    ];
    let options = Options {
        annotations: ids.iter().map(|(_, id)| (*id).to_owned()).collect(),
        ..Options::default()
    };
    let mut b = Banc::avec(options, |config| {
        config.annotations = ids.iter().map(|(n, id)| (*n, (*id).to_owned())).collect();
    })
    .await;
    b.sim.deposer(depot(16, champs()));
    b.attendre(MINUTE * 2).await;
    let note = |b: &Banc, i: usize| b.sim.annotation(16, ids[i].1);
    assert_eq!(note(&b, 0).as_deref(), Some("Vérification ordinale en cours"));
    // The agenda may be known before the activity.
    let engagement = "eng0000001".parse().expect("engagement");
    let agenda = Agenda { engagement, url: "https://rdv.example".to_owned() };
    b.recevoir(Message::AgendaOuvert(AgendaOuvert(agenda))).await;
    assert_eq!(note(&b, 1), None);
    let activite = b.activite(16, Situation::Ouverte);
    let name = activite.lieu.nom.clone();
    b.recevoir(Message::ActiviteAutorisee(ActiviteAutorisee(activite))).await;
    b.attendre(MINUTE * 2).await;
    assert_eq!(note(&b, 0), Some(format!("{name} : activité autorisée à compter du 10/03/2026")));
    assert_eq!(note(&b, 1), Some(format!("{name} : agenda ouvert, https://rdv.example")));
    // Nothing of it came back as a change.
    assert_eq!(b.types(), ["candidature.deposee"]);
}

#[tokio::test]
async fn without_write_back_nothing_is_decided_on_ds() {
    let mut b = Banc::avec(Options::default(), |c| c.write_back = false).await;
    b.sim.deposer(depot(17, champs()));
    b.attendre(MINUTE * 2).await;
    let activite = b.activite(17, Situation::Ouverte);
    b.recevoir(Message::ActiviteAutorisee(ActiviteAutorisee(activite))).await;
    b.attendre(MINUTE * 2).await;
    assert_eq!(b.sim.etat(17), Some(Etat::EnConstruction));
}

#[tokio::test]
async fn faults_change_nothing_of_what_is_published_and_written() {
    let mut quiet = Vec::new();
    for seed in 0..12_u64 {
        let mut b = Banc::new().await;
        if seed > 0 {
            b.sim.faults().set(move |call, n| {
                let draw = Draw::of(seed, &[call, &n.to_string()]);
                let kinds = [
                    FaultKind::Down,
                    FaultKind::Status(502),
                    FaultKind::TooMany(5),
                    FaultKind::Wrong,
                ];
                draw.percent(30).then(|| *draw.pick(&kinds))
            });
        }
        let mut wrong = champs();
        wrong.telephone = "12".to_owned();
        b.sim.deposer(depot(1, wrong));
        b.sim.deposer(depot(2, champs()));
        b.attendre(MINUTE * 3).await;
        assert!(b.sim.redeposer(1, Some(champs())));
        b.identifier(2, "99790000014", false, false).await;
        b.attendre(MINUTE * 3).await;
        assert!(b.sim.redeposer(2, None));
        b.attendre(MINUTE * 3).await;
        let activite = b.activite(2, Situation::Ouverte);
        b.recevoir(Message::ActiviteAutorisee(ActiviteAutorisee(activite))).await;
        let cdom = "63".parse().expect("cdom");
        let refused = CandidatureRefusee { dossier: DossierId(1), cdom };
        b.recevoir(Message::CandidatureRefusee(refused)).await;
        b.attendre(MINUTE * 3).await;
        assert!(seed == 0 || b.sim.faults().caused() > 0);
        assert_eq!((b.sim.nombre_messages(1), b.sim.nombre_messages(2)), (1, 1), "seed {seed}");
        assert_eq!(b.sim.etat(1), Some(Etat::Refuse), "seed {seed}");
        assert_eq!(b.sim.etat(2), Some(Etat::Accepte), "seed {seed}");
        let mut published: Vec<_> =
            b.publies.iter().map(|m| (m.subject.clone(), m.message_type, m.body.clone())).collect();
        published.sort();
        if seed == 0 {
            quiet.clone_from(&published);
        }
        assert_eq!(published, quiet, "seed {seed}");
        assert!(b.pannes.is_empty(), "seed {seed}: {:?}", b.pannes);
    }
}

#[tokio::test]
async fn a_restart_begins_a_new_pass_and_tells_nothing_twice() {
    let mut b = Banc::new().await;
    b.sim.deposer(depot(3, champs()));
    b.attendre(MINUTE * 3).await;
    let before = b.publies.len();
    b.appels.clear();
    let key = b.config.cle_demarche();
    b.evenement(&key, Event::Demarrer).await;
    assert_eq!(b.appels, ["lister"], "known dossiers are not read again");
    assert_eq!(b.publies.len(), before);
}

#[tokio::test]
async fn a_dossier_that_no_list_names_is_given_up_after_a_day() {
    let mut b = Banc::avec(Options::default(), |c| c.poll_interval_s = 1800).await;
    b.sim.deposer(depot(4, champs()));
    b.attendre(TimeDelta::hours(1)).await;
    // Read while DS shows it nowhere: a list will perhaps say why.
    assert!(b.sim.cacher(4));
    b.evenement("dossier/4", Event::Relire).await;
    assert_eq!(b.types(), ["candidature.deposee"]);
    b.attendre(TimeDelta::hours(25)).await;
    assert_eq!(b.dernier::<CandidatureRetiree>().cause, "introuvable");
}
