//! What a state tells another one is decided with the input that had it told.

use contracts::{Message, messages::PanneOuverte};

use crate::banc::banc;

#[tokio::test]
async fn a_chain_of_states_is_one_transaction() {
    let mut banc = banc().await;
    let before = banc.lots().await;
    banc.publier("m1", 1, "chaine").await;
    banc.temoins().await;
    for n in 0..=5 {
        let etat = banc.etat_de(&format!("suite/{n}")).await.expect("was told");
        assert_eq!(etat.reveils, 1, "suite/{n}");
    }
    assert_eq!(banc.lots().await - before, 1, "one batch decided all six");
}

#[tokio::test]
async fn what_is_too_much_for_one_transaction_is_decided_by_others() {
    let mut banc = banc().await;
    banc.publier("m1", 1, "long").await;
    banc.temoins().await;
    let keys = (0..=30).map(|n| format!("suite/{n}"));
    for key in keys.chain((0..400).map(|n| format!("branche/{n}"))) {
        let etat = banc.etat_de(&key).await.expect("was told");
        assert_eq!(etat.reveils, 1, "{key}, once");
    }
    assert_eq!(banc.etat().await.retraits, 1);
    let next = banc.store.next_due(&[]).await.expect("asks");
    assert_eq!(next.inputs, None, "nothing is left");
}

#[tokio::test]
async fn what_is_told_and_bad_harms_only_itself() {
    let mut banc = banc().await;
    banc.publier("m1", 1, "mauvais").await;
    let seen = banc.temoins().await;
    assert_eq!(banc.etat().await.retraits, 1, "who told it is decided");
    assert_eq!(banc.etat_de("suite/bon").await.expect("was told").texte, "avantaprès");
    assert!(banc.etat_de("suite/panique").await.is_none());
    let kept = banc.store.failures(true, 10).await.expect("read");
    assert_eq!(kept.len(), 1);
    assert_eq!((kept[0].key.as_deref(), kept[0].code.as_str()), (Some("suite/panique"), "panique"));
    assert_eq!(seen.iter().filter(|e| e.message_type == PanneOuverte::TYPE).count(), 1);
}
