//! What holds whatever comes, in whatever order.

use std::{collections::BTreeSet, sync::LazyLock};

use proptest::prelude::*;

use super::{matrice::inputs, *};

static INPUTS: LazyLock<Vec<Input<DsIntake>>> =
    LazyLock::new(|| inputs().into_iter().map(|(_, input)| input).collect());

/// Inputs by their index.
fn ways() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(0..INPUTS.len(), 0..20)
}

/// Runs a way; gives the last state and everything published.
fn follow(way: &[usize]) -> (Option<State>, Vec<service::Outgoing>, Vec<String>) {
    let (mut state, mut published, mut phases) = (None, Vec::new(), Vec::new());
    for (rank, index) in way.iter().enumerate() {
        let input = INPUTS[*index].clone();
        let now = 60 + i64::try_from(rank).expect("few") * 60;
        if let Decision::Next { state: next, effects } =
            run_as("dossier/7", state.as_ref(), input, now, &rank.to_string())
        {
            published.extend(effects.into_iter().filter_map(|e| match e {
                Effect::Publish(m) => Some(m),
                Effect::Ask(_)
                | Effect::CancelAsks(_)
                | Effect::Tell { .. }
                | Effect::WakeAt { .. }
                | Effect::CancelWake(_) => None,
            }));
            if let State::Dossier(d) = &next {
                phases.push(phase(&d.phase).to_owned());
            }
            state = Some(next);
        }
    }
    (state, published, phases)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn terminal_stays_terminal(way in ways()) {
        let (_, _, phases) = follow(&way);
        for pair in phases.windows(2) {
            for terminal in ["autorisee", "refusee", "retiree"] {
                prop_assert!(pair[0] != terminal || pair[1] == terminal, "{pair:?}");
            }
        }
    }

    #[test]
    fn a_replay_decides_the_same(way in ways()) {
        let (first, second) = (follow(&way), follow(&way));
        prop_assert_eq!(first.0, second.0);
        prop_assert_eq!(first.1, second.1);
    }

    #[test]
    fn an_application_is_deposited_once_and_withdrawn_once(way in ways()) {
        let (_, published, _) = follow(&way);
        let count = |kind: &str| published.iter().filter(|m| m.message_type == kind).count();
        prop_assert!(count("candidature.deposee.v1") <= 1);
        prop_assert!(count("candidature.retiree.v1") <= 1);
        let deposited = published.iter().position(|m| m.message_type == "candidature.deposee.v1");
        let modified = published.iter().position(|m| m.message_type == "candidature.modifiee.v1");
        prop_assert!(modified.is_none() || deposited < modified);
    }

    #[test]
    fn the_same_input_twice_publishes_nothing_more(way in ways(), index in 0..INPUTS.len()) {
        let (state, _, _) = follow(&way);
        let twice = |state: Option<&State>, now| {
            let input = INPUTS[index].clone();
            run_as("dossier/7", state, input, now, "again")
        };
        if let Decision::Next { state: once, .. } = twice(state.as_ref(), 3000)
            && let Decision::Next { effects, .. } = twice(Some(&once), 3000)
        {
            let kinds: BTreeSet<_> = effects
                .iter()
                .filter_map(|e| match e {
                    Effect::Publish(m) => Some(m.message_type),
                    Effect::Ask(_)
                    | Effect::CancelAsks(_)
                    | Effect::Tell { .. }
                    | Effect::WakeAt { .. }
                    | Effect::CancelWake(_) => None,
                })
                .collect();
            prop_assert!(kinds.is_empty(), "{kinds:?}");
        }
    }

    #[test]
    fn states_are_stored_and_read_back(way in ways()) {
        let (state, _, _) = follow(&way);
        let json = serde_json::to_string(&state).expect("encodes");
        let read: Option<State> = serde_json::from_str(&json).expect("decodes");
        prop_assert_eq!(read, state);
    }
}
