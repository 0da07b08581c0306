//! 300 histories in the normal run; `SIM_SEEDS=n` runs more, `SIM_FROM=s` from another seed on,
//! `SIM_SEED=x` one, with its story.

const SEEDS: u64 = 300;

#[expect(clippy::disallowed_methods, reason = "a test's own knobs, not the product's settings")]
fn knob(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn jobs() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

#[test]
fn nothing_lost_nothing_twice_money_exact() {
    let (from, seeds) = match knob("SIM_SEED") {
        Some(seed) => (seed, 1),
        None => (knob("SIM_FROM").unwrap_or(0), knob("SIM_SEEDS").unwrap_or(SEEDS)),
    };
    let campagne = sim::campagne(from..from + seeds, jobs(), None);
    if let Some((seed, torts)) = campagne.echecs.first_key_value() {
        let story = sim::reduire(*seed, None, sim::ESSAIS).map(|small| sim::recit(*seed, &small));
        let numbers: Vec<_> = campagne.echecs.keys().collect();
        panic!(
            "{}\n\nseed {seed}:\n{}\n\n{} seeds of {seeds} fail: {numbers:?}",
            story.unwrap_or_default(),
            torts.join("\n"),
            numbers.len()
        );
    }
    eprintln!("{:#?}", campagne.total);
    if seeds >= SEEDS {
        everything_happened(&campagne.total);
    }
}

/// A simulation in which nothing goes wrong shows nothing.
fn everything_happened(total: &sim::Bilan) {
    for (what, at_least) in [
        ("agences en panne", 100),
        ("appels à une agence en panne", 500),
        ("arrets", 1000),
        ("arrêts après l'enregistrement", 200),
        ("arrêts après publication", 100),
        ("arrêts avant l'enregistrement", 200),
        ("arrêts de plusieurs jours", 30),
        ("arrêts pendant un appel", 100),
        ("baux perdus", 100),
        ("confirmations perdues", 100),
        ("connexions perdues", 100),
        ("décisions : 29 février", 100),
        ("décisions : changement d'année", 100),
        ("décisions : dernier jour du mois", 500),
        ("décisions : passage à l'heure d'hiver", 100),
        ("décisions : passage à l'heure d'été", 100),
        ("demandes doublées", 100),
        ("demi-journées dues", 2000),
        ("depasse", 50),
        ("doublon", 1000),
        ("engagements", 800),
        ("lignes rejetées", 100),
        ("livraisons doublées", 500),
        ("lots de plusieurs", 500),
        ("pannes définitives", 100),
        ("pannes passagères après", 500),
        ("pannes passagères avant", 500),
        ("pannes rejouées", 200),
        ("pannes écartées", 50),
        ("publications refusées", 100),
        ("répliques figées", 200),
        ("réponses sans bail", 100),
        ("réponses illisibles", 10),
        ("réponses à une autre agence", 10),
        ("réponses à une demande inconnue", 10),
        ("retards de jours", 1000),
        ("tâches", 1000),
        ("webhooks doublés", 200),
        ("écritures concurrentes", 200),
    ] {
        let times = total.get(what).copied().unwrap_or(0);
        assert!(times >= at_least, "{what}: {times} times");
    }
}
