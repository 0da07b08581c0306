//! Delays and reminders of one CPAM, beside another one that has the general ones.

use contracts::{
    Rib,
    messages::{CpsEnRetard, NumeroAmDemande, RelanceEnvoyee, TacheOuverte},
};
use cpam_cps::{
    Ask, Config, CpamCps,
    config::{Delais, Propres},
};

use crate::{
    banc::Banc,
    monde::{NUMERO, ORDRE, RPPS, autorisee, banc, constat, cpam, cree, jour, referentiel},
};

/// 631 is told sooner and more often, and its cards take longer.
fn propres() -> Config {
    let own = Propres {
        attente_rpps_jours: Some(2),
        relances_jours: Some(vec![2, 4, 8]),
        escalade_jours: Some(10),
        nouvelle_escalade_jours: Some(2),
        relance_rib_jours: Some(3),
        escalade_rib_relances: Some(1),
        carte_attendue_jours: Some(28),
        relance_carte_jours: Some(14),
    };
    let par_cpam = [("631".parse().expect("a CPAM"), own)].into();
    Config { par_cpam, ..Config::default() }
}

fn vivre(lieu: &str, recorded: bool) -> Banc<CpamCps> {
    let mut banc = banc();
    banc.config = propres();
    assert_eq!(banc.config.check(&referentiel()), Ok(()));
    if recorded {
        banc.fait(RPPS, 1, &constat());
    }
    banc.fait(ORDRE, 1, &autorisee(lieu));
    banc
}

/// Advances day by day until a task of this kind is open; how many days that took.
fn jours_avant(banc: &mut Banc<CpamCps>, gabarit: &str) -> u32 {
    let open = |banc: &Banc<CpamCps>| {
        banc.corps::<TacheOuverte>().iter().filter(|t| t.gabarit == gabarit).count()
    };
    let before = open(banc);
    for days in 1..60 {
        banc.avancer(1);
        if open(banc) > before {
            return days;
        }
    }
    panic!("no task {gabarit}");
}

#[test]
fn a_silent_cpam_is_reminded_and_escalated_at_its_own_pace() {
    let mut own = vivre("ambert", true);
    // Monday 2 March: J+10 is a Thursday.
    assert_eq!(jours_avant(&mut own, "cpam-escalade"), 10);
    let ranks: Vec<u32> = own.corps::<NumeroAmDemande>().iter().map(|m| m.demande.rang).collect();
    assert_eq!(ranks, [1, 2, 3, 4], "three reminders");
    let task = own.corps::<TacheOuverte>().pop().expect("open");
    assert_eq!(task.champs["relances"], "3");
    own.operateur("fermer-tache", &task.cle, &[("tache", &task.tache.to_string())]);
    // Two days later is a Saturday: on Monday.
    assert_eq!(jours_avant(&mut own, "cpam-escalade"), 4);

    let mut general = vivre("lapalisse", true);
    assert_eq!(jours_avant(&mut general, "cpam-escalade"), 21);
    assert_eq!(general.corps::<RelanceEnvoyee>().len(), 2);
}

#[test]
fn the_rpps_record_is_awaited_as_long_as_that_cpam_wishes() {
    let asked = |banc: &Banc<CpamCps>| banc.compte("numero-am-demande.v1");
    let mut own = vivre("ambert", false);
    own.avancer(1);
    assert_eq!(asked(&own), 0);
    own.avancer(1);
    assert_eq!(asked(&own), 1);
    let mails = |banc: &Banc<CpamCps>| banc.courriels.len();
    let mut general = vivre("lapalisse", false);
    general.avancer(9);
    assert_eq!(mails(&general), 0);
    general.avancer(1);
    assert_eq!(mails(&general), 1, "its channel is mail");
}

#[test]
fn bank_details_and_the_card_follow_the_delays_of_the_cpam_that_gave_the_number() {
    let mut own = vivre("ambert", true);
    own.reponse(&cpam("631"), &cree(1, NUMERO, Rib::Manquant));
    // The notice announces the same day as the one from which the card is late.
    let expected = own.courriels.iter().find_map(|(_, ask)| match ask {
        Ask::Papier { fiche, .. } => Some(fiche.carte_attendue_le),
        Ask::Courriel(_) | Ask::Deposer { .. } | Ask::Relever { .. } | Ask::Rendre { .. } => None,
    });
    assert_eq!(expected, Some(jour("2026-03-30")));
    assert_eq!(jours_avant(&mut own, "rib-a-obtenir"), 3, "after one reminder");
    own.avancer(24);
    assert!(own.corps::<CpsEnRetard>().is_empty(), "J+27");
    own.avancer(1 + 14);
    let late = own.corps::<CpsEnRetard>();
    let seen: Vec<_> = late.iter().map(|l| (l.attendue_le, l.jours_de_retard)).collect();
    assert_eq!(seen, [(jour("2026-03-30"), 0), (jour("2026-03-30"), 14)]);
}

#[test]
fn a_cpam_without_a_table_and_an_unknown_one_have_the_general_delays() {
    let config = propres();
    let general = Config::default();
    let of = |code: &str| config.delais(Some(&code.parse().expect("a CPAM")));
    assert_eq!(of("031"), general.delais(None));
    assert_eq!(config.delais(None), general.delais(None));
    let Delais { escalade_jours, .. } = of("631");
    assert_eq!(escalade_jours, 10);
}
