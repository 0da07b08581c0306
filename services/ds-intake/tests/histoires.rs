//! Random histories of a démarche: doctors deposit, change, delete and restore, CDOM decide, the
//! others answer, DS fails now and then, the service restarts. Relais ends where the démarche is.
#![cfg(feature = "simulator")]

mod commun;

use std::collections::BTreeSet;

use agency::faults::FaultKind;
use chrono::TimeDelta;
use commun::{Banc, champs, depot};
use contracts::{
    DossierId,
    messages::{
        Activite, ActiviteAutorisee, CandidatureDeposee, CandidatureModifiee, CandidatureRefusee,
        ComplementDemande, DecisionLueDs, Issue, Situation,
    },
};
use ds_intake::{
    Event, Message, State,
    agency::Cible,
    simulator::{Champs, Etat, Options},
    state::{Dossier, Phase},
};
use kernel::Draw;
use proptest::prelude::*;

const DOSSIERS: u64 = 3;

/// What may happen, to one of the dossiers.
#[derive(Clone, Debug)]
enum Coup {
    Deposer(u64, bool),
    Corriger(u64, bool),
    Brouillon(u64),
    Supprimer(u64),
    Restaurer(u64),
    Expirer(u64),
    Cacher(u64),
    Decider(u64, Etat),
    Autoriser(u64),
    Refuser(u64),
    Complement(u64, u32),
    Identifier(u64, bool),
    Revision,
    Reveil,
    Redemarrer,
    Passer(i64),
}

fn coup() -> impl Strategy<Value = Coup> {
    let n = 1..=DOSSIERS;
    let decision = prop_oneof![
        Just(Etat::EnInstruction),
        Just(Etat::EnConstruction),
        Just(Etat::Accepte),
        Just(Etat::Refuse),
        Just(Etat::SansSuite),
    ];
    prop_oneof![
        4 => (n.clone(), any::<bool>()).prop_map(|(n, good)| Coup::Deposer(n, good)),
        4 => (n.clone(), any::<bool>()).prop_map(|(n, good)| Coup::Corriger(n, good)),
        1 => n.clone().prop_map(Coup::Brouillon),
        2 => n.clone().prop_map(Coup::Supprimer),
        2 => n.clone().prop_map(Coup::Restaurer),
        1 => n.clone().prop_map(Coup::Expirer),
        1 => n.clone().prop_map(Coup::Cacher),
        2 => (n.clone(), decision).prop_map(|(n, etat)| Coup::Decider(n, etat)),
        2 => n.clone().prop_map(Coup::Autoriser),
        1 => n.clone().prop_map(Coup::Refuser),
        1 => (n.clone(), 1..3_u32).prop_map(|(n, rang)| Coup::Complement(n, rang)),
        2 => (n, any::<bool>()).prop_map(|(n, known)| Coup::Identifier(n, known)),
        1 => Just(Coup::Revision),
        1 => Just(Coup::Reveil),
        1 => Just(Coup::Redemarrer),
        8 => (1..90_i64).prop_map(Coup::Passer),
    ]
}

fn rpps(numero: u64) -> &'static str {
    ["99790000014", "99790000022", "99790000030"][usize::try_from(numero - 1).expect("few")]
}

/// A form that says by its phone number which version it is.
fn version(numero: u64, rang: usize, good: bool) -> Champs {
    Champs {
        rpps: rpps(numero).to_owned(),
        telephone: if good {
            format!("06 00 00 {:02} {:02}", rang / 100, rang % 100)
        } else {
            "12".to_owned()
        },
        ..champs()
    }
}

async fn jouer(b: &mut Banc, rang: usize, coup: &Coup) {
    match *coup {
        Coup::Deposer(n, good) => {
            // A number is given once, whatever becomes of its dossier.
            if b.vus.insert(n) {
                b.sim.deposer(depot(n, version(n, rang, good)));
            }
        }
        Coup::Corriger(n, good) => {
            b.sim.redeposer(n, Some(version(n, rang, good)));
        }
        Coup::Brouillon(n) => {
            b.sim.modifier(n, version(n, rang, true));
        }
        Coup::Supprimer(n) => {
            b.sim.supprimer(n);
        }
        Coup::Restaurer(n) => {
            b.sim.restaurer(n);
        }
        Coup::Expirer(n) => {
            b.sim.expirer(n);
        }
        Coup::Cacher(n) => {
            b.sim.cacher(n);
        }
        Coup::Decider(n, etat) => {
            b.sim.decider(n, etat);
        }
        Coup::Autoriser(n) if connue(b, n) => {
            let activite = Activite {
                engagement: format!("eng000000{n}").parse().expect("engagement"),
                ..b.activite(n, Situation::Ouverte)
            };
            b.recevoir(Message::ActiviteAutorisee(ActiviteAutorisee(activite))).await;
        }
        Coup::Refuser(n) if connue(b, n) => {
            let cdom = "63".parse().expect("cdom");
            let refused = CandidatureRefusee { dossier: DossierId(n), cdom };
            b.recevoir(Message::CandidatureRefusee(refused)).await;
        }
        Coup::Complement(n, rang) if connue(b, n) => {
            let champs = vec!["attestation".to_owned()];
            let wanted = ComplementDemande { dossier: DossierId(n), rang, champs };
            b.recevoir(Message::ComplementDemande(wanted)).await;
        }
        Coup::Identifier(n, known) if connue(b, n) => b.identifier(n, rpps(n), known, known).await,
        // Nobody answers about an application that was never published.
        Coup::Autoriser(_) | Coup::Refuser(_) | Coup::Complement(..) | Coup::Identifier(..) => {}
        Coup::Revision => b.sim.publier_revision(),
        Coup::Reveil => {
            let key = b.config.cle_demarche();
            b.evenement(&key, Event::Reveil).await;
        }
        Coup::Redemarrer => {
            let key = b.config.cle_demarche();
            b.evenement(&key, Event::Demarrer).await;
        }
        Coup::Passer(minutes) => b.attendre(TimeDelta::minutes(minutes)).await,
    }
}

fn connue(b: &Banc, n: u64) -> bool {
    b.tous::<CandidatureDeposee>().iter().any(|c| c.0.dossier == DossierId(n))
}

fn dossier(b: &Banc, n: u64) -> Option<&Dossier> {
    match b.etats.get(&format!("dossier/{n}"))? {
        State::Dossier(d) => Some(d),
        State::Demarche(_) | State::Engagement(_) | State::Medecin(_) => panic!("not a dossier"),
    }
}

/// What Relais says of a dossier against what DS shows.
fn comparer(b: &Banc, n: u64) -> Result<(), String> {
    let (shown, known) = (b.sim.etat(n), dossier(b, n));
    let Some(known) = known else {
        // Gone before the first poll: nobody ever saw it.
        return if shown.is_none() { Ok(()) } else { Err("never seen".to_owned()) };
    };
    let phase = &known.phase;
    let decided: Vec<_> = b.tous::<DecisionLueDs>();
    let issue = |issue| decided.iter().any(|d| d.dossier == DossierId(n) && d.issue == issue);
    let task = |name: &str| known.taches.contains_key(name);
    let fits = match (shown, phase) {
        (None, Phase::Retiree { .. } | Phase::Refusee) => true,
        (None, Phase::Autorisee) => known.disparu,
        // Accepted by the CDOM, then gone: the authorisation is on its way.
        (None, Phase::Instruction { .. }) => known.disparu && issue(Issue::Favorable),
        (None, Phase::Reception) => issue(Issue::Favorable) && known.disparu,
        (Some(_), Phase::Retiree { .. }) => {
            // Closed on DS, or withdrawn and restored: a person is told.
            shown.is_some_and(|e| matches!(e, Etat::SansSuite | Etat::Accepte | Etat::Refuse))
                || task("ds-dossier-restaure")
        }
        (Some(Etat::SansSuite), _) => matches!(phase, Phase::Autorisee | Phase::Refusee),
        (Some(Etat::Accepte), other) => *other == Phase::Autorisee || issue(Issue::Favorable),
        (Some(Etat::Refuse), other) => *other == Phase::Refusee || issue(Issue::Defavorable),
        (Some(Etat::EnConstruction | Etat::EnInstruction), Phase::Autorisee) => {
            known.voulu == Some(Cible::Accepte)
                || b.tous::<DecisionLueDs>().iter().any(|d| d.dossier == DossierId(n))
                || rouvert(b, n)
        }
        (Some(Etat::EnConstruction | Etat::EnInstruction), Phase::Refusee) => {
            known.voulu == Some(Cible::Refuse) || issue(Issue::Defavorable) || rouvert(b, n)
        }
        (Some(Etat::EnConstruction | Etat::EnInstruction), Phase::Instruction { attente, .. }) => {
            attente.is_some() || telephone(b, n) == b.sim.champs(n).map(|c| c.telephone)
        }
        (Some(Etat::EnConstruction | Etat::EnInstruction), Phase::Reception) => {
            let bad = b.sim.champs(n).is_some_and(|c| c.telephone == "12");
            bad && known.averti.is_some()
        }
    };
    if fits { Ok(()) } else { Err(format!("DS shows {shown:?}, Relais has {known:?}")) }
}

/// A CDOM brought a dossier back that was decided.
fn rouvert(b: &Banc, n: u64) -> bool {
    b.rouverts.contains(&n)
}

/// The phone number that was published last.
fn telephone(b: &Banc, n: u64) -> Option<String> {
    let deposited = b.tous::<CandidatureDeposee>().into_iter().map(|c| c.0);
    let mut all = deposited.chain(b.tous::<CandidatureModifiee>().into_iter().map(|c| c.0));
    all.rfind(|c| c.dossier == DossierId(n)).map(|c| c.medecin.telephone)
}

/// No message twice: each has its own reference, and each version is told once.
fn messages(b: &Banc, n: u64) -> Result<(), String> {
    let all = b.sim.messages(n);
    let references: BTreeSet<_> = all
        .iter()
        .filter_map(|m| m.corps.rsplit_once("Réf. ").map(|(_, r)| r.to_owned()))
        .collect();
    if references.len() == all.len() { Ok(()) } else { Err(format!("twice: {all:?}")) }
}

async fn histoire(coups: &[Coup], seed: u64) -> Result<(), String> {
    let mut b = Banc::avec(Options::default(), |c| c.poll_interval_s = 300).await;
    if seed > 0 {
        b.sim.faults().set(move |call, n| {
            let draw = Draw::of(seed, &[call, &n.to_string()]);
            let kinds =
                [FaultKind::Down, FaultKind::Status(502), FaultKind::TooMany(5), FaultKind::Wrong];
            draw.percent(20).then(|| *draw.pick(&kinds))
        });
    }
    for (rang, coup) in coups.iter().enumerate() {
        if let Coup::Decider(n, Etat::EnConstruction | Etat::EnInstruction) = coup {
            b.rouverts.insert(*n);
        }
        jouer(&mut b, rang, coup).await;
    }
    b.sim.faults().clear();
    b.config.poll_interval_s = 1_800;
    // Every dossier is read once more, and what DS does not show is given up.
    b.attendre(TimeDelta::hours(72)).await;
    for n in 1..=DOSSIERS {
        comparer(&b, n).map_err(|e| format!("dossier {n}: {e}"))?;
        messages(&b, n).map_err(|e| format!("dossier {n}: {e}"))?;
    }
    if b.pannes.is_empty() { Ok(()) } else { Err(format!("{:?}", b.pannes)) }
}

/// Histories of a normal run; `HISTOIRES` asks for more.
fn cas() -> u32 {
    std::env::var_os("HISTOIRES").and_then(|n| n.to_str()?.parse().ok()).unwrap_or(12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cas(), max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn relais_ends_where_the_demarche_is(
        coups in proptest::collection::vec(coup(), 1..30),
        seed in 0..4_u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let result = runtime.expect("a runtime").block_on(histoire(&coups, seed));
        prop_assert!(result.is_ok(), "{}", result.unwrap_err());
    }
}
