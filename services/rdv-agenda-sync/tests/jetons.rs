//! Rotating tokens: one exchange whoever asks at once, and no instant at which a process may die
//! and lose the consent.

mod commun;
#[path = "commun/direct.rs"]
mod direct;
#[path = "commun/temps.rs"]
mod temps;

use std::{sync::Arc, time::Duration};

use agency::faults::FaultKind;
use chrono::TimeDelta;
use commun::{Banc, FICHIER};
use direct::equipment;
use kernel::Fault;
use rdv_agenda_sync::{
    RdvAgendaSync,
    simulator::Options,
    state::{Question, Reponse},
};
use service::{Attempt, Equipment, Service};
use store::{SharedStore, Store, sqlite::SqliteStore};
use temps::avancer;
use tokio::sync::watch;
use uuid::Uuid;

const ECHANGE: &str = "POST /oauth/token";
const APPEL: &str = "GET /agents/me";

/// What RDV Service Public was asked: exchanges, then calls.
struct Compteur(watch::Receiver<(u32, u32)>);

impl Compteur {
    /// Counts from now on; `panne` chooses the fault of a call by its name.
    fn poser(banc: &Banc, panne: fn(&str) -> Option<FaultKind>) -> Self {
        let (counted, lus) = watch::channel((0, 0));
        banc.simulateur.faults.set(move |call, _| {
            counted.send_modify(|(echanges, appels)| {
                *if call == ECHANGE { echanges } else { appels } += 1;
            });
            panne(call)
        });
        Self(lus)
    }

    fn lus(&self) -> (u32, u32) {
        *self.0.borrow()
    }

    /// Waits until so much was asked.
    async fn attendre(&mut self, vu: impl FnMut(&(u32, u32)) -> bool) {
        self.0.wait_for(vu).await.expect("the simulator counts");
    }
}

fn service(banc: &Banc, store: &SharedStore) -> RdvAgendaSync {
    let equipment = Equipment { store: Arc::clone(store), ..equipment(banc) };
    RdvAgendaSync::new(&banc.config("http://127.0.0.1:9"), &equipment).expect("valid")
}

/// A process's handle on the store of the others.
async fn ouvrir(banc: &Banc) -> SharedStore {
    let store = SqliteStore::open(&banc.dir.path().join(FICHIER)).await.expect("opens");
    store.migrate().await.expect("migrates");
    Arc::new(store)
}

/// Looks at the account: one call that needs a token.
async fn appeler(service: &RdvAgendaSync) -> Result<Reponse, Fault> {
    service.ask(&Question::VerifierCompte, Uuid::nil(), Attempt::First).await
}

const AGIT: Reponse = Reponse::Compte { blocage: None };

#[tokio::test]
async fn whoever_meets_an_expired_token_at_once_exchanges_it_once() {
    let banc = Banc::new(Options::default()).await;
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(service(&banc, &ouvrir(&banc).await));
    }
    appeler(&replicas[0]).await.expect("consented");
    for round in 0..6 {
        if round % 2 == 0 {
            // On their side only: each call is refused first.
            banc.simulateur.perimer_acces();
        } else {
            // On ours (`expires_in`): nobody presents it.
            avancer(&banc, TimeDelta::hours(3)).await;
        }
        let compteur = Compteur::poser(&banc, |_| None);
        let all = replicas.iter().flat_map(|replica| [replica; 6]).map(appeler);
        for answer in futures_util::future::join_all(all).await {
            assert_eq!(answer.expect("goes on"), AGIT, "round {round}");
        }
        assert_eq!(compteur.lus().0, 1, "one exchange in round {round}");
    }
    banc.fin().await;
}

#[tokio::test]
async fn a_process_that_dies_before_it_stores_the_new_tokens_loses_nothing() {
    let banc = Banc::new(Options::default()).await;
    let store = ouvrir(&banc).await;
    let dying = service(&banc, &store);
    appeler(&dying).await.expect("consented");
    let stored = store.credential("rdvsp-oauth").await.expect("read");
    banc.simulateur.perimer_acces();
    let mut compteur = Compteur::poser(&banc, |call| {
        (call == ECHANGE).then_some(FaultKind::Slow(Duration::from_millis(400)))
    });
    // The store goes while the new tokens are on their way: they are answered, and never stored.
    let going = async {
        compteur.attendre(|(echanges, _)| *echanges > 0).await;
        store.close().await;
    };
    let (answer, ()) = tokio::join!(appeler(&dying), going);
    assert_eq!(answer.expect_err("not stored").code(), "coffre-indisponible");
    let (exchanged, called) = compteur.lus();
    assert_eq!(exchanged, 1);
    assert_eq!(called, 1, "the refused call only: what is not stored is not presented");
    drop(dying);

    let again = ouvrir(&banc).await;
    assert_eq!(again.credential("rdvsp-oauth").await.expect("read"), stored);
    let compteur = Compteur::poser(&banc, |_| None);
    // The turn of the one that died runs out first.
    avancer(&banc, TimeDelta::minutes(1)).await;
    let answer = appeler(&service(&banc, &again)).await;
    assert_eq!(answer.expect("the former one still lives"), AGIT);
    assert_eq!(compteur.lus().0, 1);
    banc.fin().await;
}

#[tokio::test]
async fn a_process_that_dies_at_the_first_use_of_new_tokens_leaves_them_to_the_next() {
    let banc = Banc::new(Options::default()).await;
    let store = ouvrir(&banc).await;
    let dying = service(&banc, &store);
    appeler(&dying).await.expect("consented");
    let (before, _) = store.credential("rdvsp-oauth").await.expect("read").expect("stored");
    avancer(&banc, TimeDelta::hours(3)).await;
    let mut compteur = Compteur::poser(&banc, |call| {
        (call == APPEL).then_some(FaultKind::Slow(Duration::from_millis(900)))
    });
    let first_use = async {
        compteur.attendre(|(_, appels)| *appels > 0).await;
        store.credential("rdvsp-oauth").await.expect("read").expect("stored").0
    };
    tokio::select! {
        answer = appeler(&dying) => panic!("it should die first: {answer:?}"),
        stored = first_use => assert_eq!(stored, before + 1, "stored before its first use"),
    }
    drop(dying);
    let compteur = Compteur::poser(&banc, |_| None);
    let next = service(&banc, &ouvrir(&banc).await);
    assert_eq!(appeler(&next).await.expect("goes on"), AGIT);
    assert_eq!(compteur.lus(), (0, 1), "with the tokens of the one that died");
    banc.fin().await;
}
