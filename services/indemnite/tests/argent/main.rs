//! Money, to the cent: random histories (duplicates, disorder, cancellations, two sites the same
//! day, suspensions, month ends, both clock changes, a leap day, a new scale, rejections,
//! corrections, the doctor's confirmation in a share of them) run through the decisions, against a naive model written apart from them.

mod histoire;
mod modele;
mod monde;
mod moteur;

use std::collections::BTreeMap;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_stated_is_what_is_owed(seed in any::<u64>(), days in 1_u32..14) {
        monde::run(seed, days);
    }
}

#[test]
fn every_start_of_the_calendar_is_run_and_everything_happens() {
    let mut seen = BTreeMap::<String, u32>::new();
    for seed in 0..24 {
        for (what, times) in monde::run(seed, 10) {
            *seen.entry(what).or_default() += times;
        }
    }
    for (what, at_least) in [
        ("indemnite.retenue.v1", 500),
        ("indemnite.corrigee.v1", 50),
        ("indemnite.payee.v1", 500),
        ("indemnite.rejetee.v1", 50),
        ("confirmation demandée", 20),
        ("confirmation-refusee", 5),
        ("contestée, payée", 2),
        ("contestée, abandonnée", 2),
        ("double-presence", 10),
        ("presence-contestee", 10),
        ("indemnite-a-verifier", 10),
        ("attestation-manuelle", 50),
        ("etat-mensuel-a-transmettre", 24),
        ("29 février", 5),
        ("veille d'un changement d'heure", 5),
        ("fin de mois", 20),
    ] {
        let times = seen.get(what).copied().unwrap_or(0);
        assert!(times >= at_least, "{what}: {times} times");
    }
}
