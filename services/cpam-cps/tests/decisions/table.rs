//! Every state of an engagement × every input: one line each in `table.txt`.

use std::collections::BTreeMap;

use contracts::{
    Rib,
    messages::{ActiviteModifiee, ActiviteSuspendue, ActiviteTerminee, ModeFacturation, Situation},
};
use cpam_cps::{
    CpamCps, Event, State,
    state::{Engagement, Etape, FermerTache, IssueCaisse, ReponseCaisse},
};
use service::{Input, Service};
use uuid::Uuid;

use crate::{
    banc::Banc,
    monde::{
        CLE, E, MEDECIN, NUMERO, ORDRE, RPPS, activite, autorisee, banc, carte, constat, cpam,
        cree, de, de_la_cpam, demande, depart, jour, lien_de, refuse, rib_recu,
    },
};

fn nom(state: &State) -> String {
    let State::Engagement(engagement) = state else { return "autre".to_owned() };
    let Engagement::Connu(suivi) = &**engagement else { return "attendu".to_owned() };
    let etape = match &suivi.etape {
        Etape::Constat => "constat",
        Etape::CpamManquante => "cpam-manquante",
        Etape::Demandee { refus: None, .. } => "demandee",
        Etape::Demandee { refus: Some(_), .. } => "refusee",
        Etape::Ouverte(f) => match f.mode {
            ModeFacturation::Papier => "papier",
            ModeFacturation::Teletransmission => "teletransmission",
        },
    };
    let due = if suivi.a_pu_exercer() { " après des jours" } else { "" };
    match suivi.activite.situation {
        Situation::Ouverte => etape.to_owned(),
        Situation::Suspendue => format!("{etape}, suspendue{due}"),
        Situation::Terminee => format!("{etape}, terminee{due}"),
    }
}

fn suspendue() -> ActiviteSuspendue {
    ActiviteSuspendue(activite(E, "ambert", Situation::Suspendue))
}

/// Suspended once some days may have been held.
fn suspendue_apres() -> ActiviteSuspendue {
    let mut late = suspendue();
    late.0.a_compter_du = jour("2026-03-20");
    late
}

fn terminee() -> ActiviteTerminee {
    ActiviteTerminee(activite(E, "ambert", Situation::Terminee))
}

fn etats() -> Vec<(&'static str, Banc<CpamCps>)> {
    let with = |steps: &[fn(&mut Banc<CpamCps>)]| {
        let mut banc = banc();
        for step in steps {
            step(&mut banc);
        }
        banc
    };
    let known = |b: &mut Banc<CpamCps>| b.fait(ORDRE, 1, &autorisee("ambert"));
    let seen = |b: &mut Banc<CpamCps>| b.fait(RPPS, 1, &constat());
    let number = |b: &mut Banc<CpamCps>| {
        b.reponse(&cpam("631"), &cree(1, NUMERO, Rib::Manquant));
    };
    let card = |b: &mut Banc<CpamCps>| b.fait(RPPS, 1, &carte("2026-03-02"));
    vec![
        ("(rien)", banc()),
        ("attendu", with(&[seen])),
        ("constat", with(&[known])),
        ("cpam-manquante", with(&[seen, |b| b.fait(ORDRE, 1, &autorisee("sans-cpam"))])),
        ("demandee", with(&[known, seen])),
        ("refusee", with(&[known, seen, |b| b.reponse(&cpam("631"), &refuse(1))])),
        ("papier", with(&[known, seen, number])),
        ("teletransmission", with(&[known, seen, number, card])),
        ("demandee, suspendue", with(&[known, seen, |b| b.fait(ORDRE, 2, &suspendue())])),
        ("demandee, terminee", with(&[known, seen, |b| b.fait(ORDRE, 2, &terminee())])),
        (
            "demandee, suspendue après des jours",
            with(&[known, seen, |b| b.fait(ORDRE, 2, &suspendue_apres())]),
        ),
        (
            "papier, suspendue après des jours",
            with(&[known, seen, number, |b| b.fait(ORDRE, 2, &suspendue_apres())]),
        ),
        ("papier, terminee", with(&[known, seen, number, |b| b.fait(ORDRE, 2, &terminee())])),
    ]
}

/// An answer by the link of the n-th request.
fn lien(rank: u32, choix: &str, numero: &str) -> Input<CpamCps> {
    let lien = lien_de("numero-am", demande(rank).id);
    let champs = [("numero_am".to_owned(), numero.to_owned())].into();
    let event = CpamCps::reponse_remplie(&lien, choix, &champs).expect("well written");
    Input::Event(event.expect("one of the choices"))
}

fn lien_rib() -> Input<CpamCps> {
    let lien = lien_de("rib", rib_recu().demande.id);
    let event = CpamCps::reponse_remplie(&lien, "rib-recu", &BTreeMap::new());
    Input::Event(event.expect("well written").expect("the choice"))
}

fn recu(numero: &str) -> Input<CpamCps> {
    let numero_am = numero.parse().expect("number");
    Input::Event(Event::NumeroRecu { numero_am, rib: Rib::Present })
}

/// A line of a file of a CPAM.
fn ligne(cpam: &str, numero: &str) -> Input<CpamCps> {
    let numero_am = numero.parse().expect("number");
    let issue = IssueCaisse::Cree { numero_am, rib: Rib::Manquant };
    let reponse = ReponseCaisse { demande: demande(1).id, issue };
    let (cpam, fichier) = (cpam.parse().expect("CPAM"), "f.csv".to_owned());
    Input::Event(Event::LigneRecue { cpam, fichier, rang: 0, reponse })
}

fn entrees() -> Vec<(&'static str, Input<CpamCps>)> {
    let wake = |reason: &str| Input::Wake { reason: reason.to_owned() };
    let reservation = |accordee| {
        let numero_am = NUMERO.parse().expect("number");
        Input::Event(Event::Reservation { numero_am, accordee })
    };
    let fermer = FermerTache {
        tache: Uuid::nil(),
        par: "x".to_owned(),
        numero_am: None,
        rib: None,
        cpam: None,
    };
    let debut_validite = jour("2026-03-20");
    vec![
        ("autorisee", de(ORDRE, &autorisee("ambert"))),
        ("modifiee", de(ORDRE, &ActiviteModifiee(activite(E, "ambert", Situation::Ouverte)))),
        ("suspendue", de(ORDRE, &suspendue())),
        ("suspendue apres des jours", de(ORDRE, &suspendue_apres())),
        ("terminee", de(ORDRE, &terminee())),
        ("enregistree-rpps", de(RPPS, &constat())),
        ("carte", Input::Event(Event::Carte { debut_validite })),
        ("cree", de_la_cpam("631", &cree(1, NUMERO, Rib::Manquant))),
        ("cree: rib present", de_la_cpam("631", &cree(1, NUMERO, Rib::Present))),
        ("cree: autre numero", de_la_cpam("631", &cree(1, "631990025", Rib::Present))),
        ("cree: autre cpam", de_la_cpam("031", &cree(1, NUMERO, Rib::Present))),
        ("cree: autre demande", de_la_cpam("631", &cree(7, NUMERO, Rib::Present))),
        ("refuse", de_la_cpam("631", &refuse(1))),
        ("refuse: autre cpam", de_la_cpam("031", &refuse(1))),
        ("rib-recu", de_la_cpam("631", &rib_recu())),
        ("rib-recu: autre cpam", de_la_cpam("031", &rib_recu())),
        ("reservation accordee", reservation(true)),
        ("reservation refusee", reservation(false)),
        ("tache inconnue", Input::Event(Event::FermerTache(fermer))),
        ("redemander", Input::Event(Event::Redemander)),
        ("lien: cree", lien(1, "cree-manquant", NUMERO)),
        ("lien: refuse", lien(1, "medecin-inconnu", "")),
        ("lien: autre demande", lien(7, "cree-present", NUMERO)),
        ("lien: rib-recu", lien_rib()),
        ("numero recu", recu(NUMERO)),
        ("numero recu: autre", recu("631990025")),
        ("ligne: cree", ligne("631", NUMERO)),
        ("ligne: autre numero", ligne("631", "631990025")),
        ("ligne: autre cpam", ligne("031", NUMERO)),
        ("reveil rpps", wake("rpps")),
        ("reveil cpam", wake("cpam")),
        ("reveil relance", wake("relance")),
        ("reveil rib", wake("rib")),
        ("reveil carte", wake("carte")),
    ]
}

#[test]
fn every_state_takes_every_input() {
    let mut table = String::new();
    for (etat, banc) in etats() {
        assert_eq!(banc.now, depart());
        assert!(banc.pannes().is_empty(), "{etat}: {:?}", banc.pannes());
        assert_eq!(banc.etat(CLE).map_or_else(|| "(rien)".to_owned(), nom), etat);
        for (entree, input) in entrees() {
            let outcome = banc.essai(CLE, input, nom);
            table.extend([etat, " + ", entree, " = ", &outcome, "\n"]);
        }
        table.push('\n');
    }
    let expected = include_str!("table.txt");
    assert!(table == expected, "the table is now:\n{table}");
}

#[test]
fn a_card_and_an_engagement_find_each_other_in_any_order() {
    let cards = |banc: &Banc<CpamCps>| match banc.etat(CLE) {
        Some(State::Engagement(e)) => match &**e {
            Engagement::Connu(suivi) => suivi.carte,
            Engagement::Attendu { .. } => None,
        },
        Some(State::Medecin(_) | State::Numero(_) | State::Depot(_)) | None => None,
    };
    let mut first = banc();
    first.fait(RPPS, 1, &carte("2026-03-01"));
    first.fait(RPPS, 1, &carte("2026-02-01"));
    assert!(first.etat(MEDECIN).is_some());
    first.fait(ORDRE, 1, &autorisee("ambert"));
    assert_eq!(cards(&first), Some(jour("2026-03-01")));
    let mut last = banc();
    last.fait(ORDRE, 1, &autorisee("ambert"));
    last.fait(RPPS, 1, &carte("2026-03-01"));
    assert_eq!(cards(&last), Some(jour("2026-03-01")));
}
