use contracts::messages::TacheFaite;

use super::*;

fn bloque(code: &str) -> Reponse {
    Reponse::Compte { blocage: Some(code.to_owned()) }
}

const CONNECTE: Reponse = Reponse::Compte { blocage: None };

#[test]
fn a_revoked_consent_is_one_task_with_its_remedy_that_closes_when_it_is_given_again() {
    let mut banc = Banc::new();
    banc.evenement(COMPTE, Evenement::VerifierCompte);
    banc.repondre("verifier-compte", &CONNECTE);
    assert_eq!(banc.publications(), Vec::<String>::new());
    banc.vivre("2026-03-01T13:00:00Z");
    banc.repondre("verifier-compte", &bloque("rdv-consentement-revoque"));
    let tache: TacheOuverte = banc.dernier();
    assert_eq!((tache.gabarit.as_str(), tache.cle.as_str()), ("rdv-compte", COMPTE));
    assert_eq!(tache.champs["commande"], "relais rdv login");
    assert!(tache.champs["consigne"].contains("reprennent"), "{:?}", tache.champs);
    // Looked at again every ten minutes, told once.
    banc.publies.clear();
    banc.vivre("2026-03-01T13:10:00Z");
    banc.repondre("verifier-compte", &bloque("rdv-consentement-revoque"));
    assert_eq!(banc.publications(), Vec::<String>::new());
    // Another reason is another remedy.
    banc.vivre("2026-03-01T13:20:00Z");
    banc.repondre("verifier-compte", &bloque("rdv-agent-refuse"));
    assert_eq!(banc.publies.len(), 2, "one closed, one opened");
    // `relais rdv login`.
    banc.evenement(COMPTE, Evenement::Consentement { jetons: "00".to_owned() });
    banc.repondre("consentir", &CONNECTE);
    assert_eq!(banc.dernier::<TacheFaite>().faite_par, OBSERVE);
    let Etat::Compte(etat) = &banc.etats[COMPTE] else { panic!("not the account") };
    assert_eq!((etat.blocage.as_ref(), etat.tache), (None, None));
}

#[test]
fn a_task_closed_by_hand_opens_again_when_nothing_changed() {
    let mut banc = Banc::new();
    banc.evenement(COMPTE, Evenement::VerifierCompte);
    banc.repondre("verifier-compte", &bloque("rdv-application-refusee"));
    banc.fermer(&[]).expect("closed");
    assert_eq!(banc.dernier::<TacheFaite>().faite_par, "operateur");
    banc.publies.clear();
    banc.repondre("verifier-compte", &bloque("rdv-application-refusee"));
    assert_eq!(banc.dernier::<TacheOuverte>().gabarit, "rdv-compte");
}

#[test]
fn every_site_that_is_ready_is_read_again_on_demand() {
    let mut banc = Banc::invite();
    banc.questions.clear();
    banc.evenement(COMPTE, Evenement::ReconcilierTout);
    let kinds: Vec<_> = banc.questions.iter().map(|(k, q)| (k.as_str(), q.kind())).collect();
    assert_eq!(kinds, [(LIEU, "relever"), (LIEU, "resynchroniser")]);
}
