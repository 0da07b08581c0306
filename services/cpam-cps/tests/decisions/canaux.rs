//! A CPAM without a queue: its mailbox with an answer link; what the doctor is written.

use std::collections::BTreeMap;

use contact::{Courriel, Lien, Modele, Question};
use contracts::{
    Rib,
    messages::{FacturationOuverte, RelanceEnvoyee, Situation},
};
use cpam_cps::{Ask, CpamCps, Event};
use service::Service;

use crate::{
    banc::Banc,
    monde::{
        CLE, E, ORDRE, RPPS, activite, autorisee, banc, constat, demande, depart, lien_de,
        referentiel,
    },
};

const NUMERO_031: &str = "031990013";

fn champs(numero: &str) -> BTreeMap<String, String> {
    [("numero_am".to_owned(), numero.to_owned())].into()
}

fn courriels(banc: &Banc<CpamCps>) -> Vec<Courriel> {
    let mail = |(_, ask): &(String, Ask)| match ask {
        Ask::Courriel(courriel) | Ask::Papier { courriel, .. } => Some(courriel.clone()),
        Ask::Deposer { .. } | Ask::Relever { .. } | Ask::Rendre { .. } => None,
    };
    banc.courriels.iter().filter_map(mail).collect()
}

fn page(banc: &Banc<CpamCps>, lien: &Lien) -> Question {
    CpamCps::question(banc.etat(CLE), lien, &referentiel()).expect("a page")
}

fn repondre(banc: &mut Banc<CpamCps>, lien: &Lien, choix: &str, numero: &str) {
    assert!(page(banc, lien).choix.iter().any(|(code, _)| code == choix), "{choix}");
    let event = CpamCps::reponse_remplie(lien, choix, &champs(numero)).expect("well written");
    banc.evenement(CLE, event.expect("one of the choices"));
}

#[test]
fn a_cpam_answers_by_the_link_of_its_mail_and_is_reminded_by_the_same() {
    let mut banc = banc();
    banc.fait(ORDRE, 1, &autorisee("lapalisse"));
    banc.fait(RPPS, 1, &constat());
    banc.avancer(15);
    let all = courriels(&banc);
    let models: Vec<Modele> = all.iter().map(|c| c.modele.clone()).collect();
    let reminder = |rang| Modele::NumeroAmRelance { rang };
    assert_eq!(models, [Modele::NumeroAmDemande, reminder(1), reminder(2)]);
    assert!(all.iter().all(|c| c.a == "cpam031@caisse.example"));
    let sent = banc.corps::<RelanceEnvoyee>();
    assert!(sent.iter().all(|r| r.canal == "courriel" && r.destinataire == "cpam"));
    assert_eq!(banc.compte("tache.ouverte.v1"), 0, "the CPAM answers by itself");
    // Every mail asks the same question, which one answer closes.
    let lien = all[0].lien.clone().expect("a link");
    assert_eq!(all[2].lien.as_ref().map(|l| &l.question), Some(&lien.question));
    let text = page(&banc, &lien).texte.join("\n");
    for needle in ["Paul Fictif", "99790000014", "639990019", "vue le lundi 2 mars 2026"] {
        assert!(text.contains(needle), "{needle} in {text}");
    }
    repondre(&mut banc, &lien, "cree-manquant", " 03 199 0013 ");
    let open = banc.corps::<FacturationOuverte>().pop().expect("published");
    assert_eq!((open.numero_am.as_str(), open.rib), (NUMERO_031, Rib::Manquant));
    assert_eq!(open.cpam.as_str(), "031");
    assert!(page(&banc, &lien).choix.is_empty(), "closed");
    // The bank details: the doctor is asked, the CPAM says when it has them.
    let after = courriels(&banc);
    let rib = after.iter().find(|c| c.modele == Modele::RibDemande { rang: 0 }).expect("a mail");
    assert_eq!(rib.a, "cpam031@caisse.example");
    let lien = rib.lien.clone().expect("a link");
    repondre(&mut banc, &lien, "rib-recu", "");
    assert_eq!(banc.corps::<FacturationOuverte>().pop().expect("published").rib, Rib::Present);
    assert!(page(&banc, &lien).choix.is_empty(), "closed");
    assert!(banc.pannes().is_empty());
}

#[test]
fn what_is_written_on_the_page_is_checked_before_it_is_taken() {
    let lien = lien_de("numero-am", demande(1).id);
    for wrong in ["", "63199001", "632990017", "abc", "6319900170"] {
        let refused = CpamCps::reponse_remplie(&lien, "cree-present", &champs(wrong));
        assert!(refused.is_err_and(|text| text.contains("page précédente")), "{wrong}");
    }
    let none = |lien: &Lien, choix: &str| {
        CpamCps::reponse_remplie(lien, choix, &champs(NUMERO_031)) == Ok(None)
    };
    assert!(none(&lien, "rib-recu") && none(&lien_de("rib", demande(1).id), "cree-present"));
    assert!(none(&lien_de("retrait", demande(1).id), "cree-present"));
    assert!(none(&Lien { question: "1".to_owned(), ..lien.clone() }, "cree-present"));
    // A refusal needs no number.
    let refused = CpamCps::reponse_remplie(&lien, "medecin-inconnu", &BTreeMap::new());
    assert!(matches!(refused, Ok(Some(Event::ReponseLien(_)))));
}

#[test]
fn a_link_of_a_request_that_was_replaced_is_closed_and_its_late_answer_refused() {
    let mut banc = banc();
    banc.fait(ORDRE, 1, &autorisee("lapalisse"));
    banc.fait(RPPS, 1, &constat());
    let lien = courriels(&banc)[0].lien.clone().expect("a link");
    let late = CpamCps::reponse_remplie(&lien, "cree-present", &champs(NUMERO_031));
    let late = late.expect("well written").expect("a choice");
    banc.operateur("redemander", CLE, &[]);
    assert!(page(&banc, &lien).choix.is_empty(), "closed");
    banc.evenement(CLE, late);
    assert_eq!(banc.pannes(), ["demande-depassee"]);
    // The DNS was told the number by telephone: no task is needed to write it down.
    banc.operateur("numero-recu", CLE, &[("numero_am", NUMERO_031), ("rib", "present")]);
    let open = banc.corps::<FacturationOuverte>().pop().expect("published");
    assert_eq!((open.numero_am.as_str(), open.rib), (NUMERO_031, Rib::Present));
    banc.operateur("numero-recu", CLE, &[("numero_am", "031990021")]);
    assert_eq!(banc.pannes(), ["demande-depassee", "numero-am-contradictoire"]);
}

#[test]
fn the_doctor_gets_the_notice_with_the_number_once_and_only_while_practising() {
    let notice = |banc: &Banc<CpamCps>| {
        let fiche = |(_, ask): &(String, Ask)| match ask {
            Ask::Papier { fiche, .. } => Some(fiche.clone()),
            Ask::Courriel(_) | Ask::Deposer { .. } | Ask::Relever { .. } | Ask::Rendre { .. } => {
                None
            }
        };
        banc.courriels.iter().filter_map(fiche).collect::<Vec<_>>()
    };
    let recu = [("numero_am", "631990017"), ("rib", "present")];
    let start = |banc: &mut Banc<CpamCps>| {
        banc.fait(ORDRE, 1, &autorisee("ambert"));
        banc.fait(RPPS, 1, &constat());
    };
    let mut first = banc();
    start(&mut first);
    first.operateur("numero-recu", CLE, &recu);
    first.avancer(90);
    let [fiche] = notice(&first).try_into().expect("one notice");
    assert_eq!(fiche.numero_am.as_str(), "631990017");
    assert_eq!(fiche.carte_attendue_le.to_string(), "2026-03-23");
    assert_eq!(fiche.cpam, "CPAM 631");

    let mut suspended = banc();
    start(&mut suspended);
    let mut stop = activite(E, "ambert", Situation::Suspendue);
    stop.a_compter_du = depart().date_naive() + chrono::Days::new(5);
    suspended.fait(ORDRE, 2, &contracts::messages::ActiviteSuspendue(stop));
    suspended.operateur("numero-recu", CLE, &recu);
    assert_eq!(suspended.compte("facturation.ouverte.v1"), 1);
    assert!(notice(&suspended).is_empty());

    let mut silent = banc();
    silent.config.courriels_medecin = false;
    start(&mut silent);
    silent.operateur("numero-recu", CLE, &[("numero_am", "631990017"), ("rib", "manquant")]);
    assert!(courriels(&silent).is_empty());
}
