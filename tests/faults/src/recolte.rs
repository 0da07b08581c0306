//! What came out: every effect and every announcement, as a reader with an inbox knows them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bus::Delivery;
use contracts::{
    Message,
    messages::{CandidatureIncomplete, PanneClose, PanneOuverte},
};
use uuid::Uuid;

use crate::{Attendu, Entree};

/// What was collected so far; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Recolte(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// By input: the ids of its effects.
    effets: BTreeMap<String, BTreeSet<String>>,
    /// « key#count » of each effect.
    comptes: BTreeMap<String, BTreeSet<String>>,
    /// By failure: the ids of its announcements.
    ouvertes: BTreeMap<Uuid, BTreeSet<String>>,
    /// By failure: how it was closed.
    closes: BTreeMap<Uuid, String>,
    /// Received again under a known id.
    redites: u64,
}

impl Recolte {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a delivery in.
    ///
    /// # Panics
    /// When it is not what the service publishes.
    pub fn noter(&self, delivery: &Delivery) {
        assert_eq!(delivery.rejection, None, "the service publishes what can be read");
        let envelope = &delivery.envelope;
        let mut inner = self.lock();
        let new = match envelope.message_type.as_str() {
            CandidatureIncomplete::TYPE => {
                let fact: CandidatureIncomplete =
                    serde_json::from_slice(&envelope.data).expect("an effect");
                let manque = fact.manques.into_iter().next().expect("an input");
                let comptes = inner.comptes.entry(manque.code).or_default();
                comptes.insert(envelope.id.clone());
                inner.effets.entry(manque.champ).or_default().insert(envelope.id.clone())
            }
            PanneOuverte::TYPE => {
                let fact: PanneOuverte = serde_json::from_slice(&envelope.data).expect("a failure");
                inner.ouvertes.entry(fact.panne).or_default().insert(envelope.id.clone())
            }
            PanneClose::TYPE => {
                let fact: PanneClose = serde_json::from_slice(&envelope.data).expect("a failure");
                inner.closes.insert(fact.panne, fact.issue).is_none()
            }
            other => panic!("{other} is not published by the service"),
        };
        inner.redites += u64::from(!new);
    }

    /// Inputs whose effect came.
    pub fn arrives(&self) -> usize {
        self.lock().effets.len()
    }

    /// Whether the effect of this input came.
    pub fn a(&self, entree: &str) -> bool {
        self.lock().effets.contains_key(entree)
    }

    /// How each failure was closed.
    pub fn closes(&self) -> BTreeMap<Uuid, String> {
        self.lock().closes.clone()
    }

    /// Failures announced.
    pub fn annoncees(&self) -> usize {
        self.lock().ouvertes.len()
    }

    /// Messages that came again under a known id, which a reader's inbox drops.
    pub fn redites(&self) -> u64 {
        self.lock().redites
    }

    /// What is missing, doubled or not expected, one line each.
    pub fn ecarts(&self, entrees: &[Entree]) -> Vec<String> {
        let inner = self.lock();
        let mut ecarts = Vec::new();
        let mut expected = BTreeSet::new();
        for entree in entrees.iter().filter(|e| e.attendu == Attendu::Effet) {
            expected.insert(entree.id.as_str());
            match inner.effets.get(&entree.id).map_or(0, BTreeSet::len) {
                1 => {}
                0 => ecarts.push(format!("{} ({}) is lost", entree.id, entree.cause)),
                n => ecarts.push(format!("{} ({}) has {n} effects", entree.id, entree.cause)),
            }
        }
        for known in inner.effets.keys().filter(|id| !expected.contains(id.as_str())) {
            ecarts.push(format!("{known} must not have an effect"));
        }
        for (compte, ids) in inner.comptes.iter().filter(|(_, ids)| ids.len() > 1) {
            ecarts.push(format!("{compte} was counted {} times", ids.len()));
        }
        for (panne, ids) in inner.ouvertes.iter().filter(|(_, ids)| ids.len() > 1) {
            ecarts.push(format!("failure {panne} was announced {} times", ids.len()));
        }
        ecarts
    }
}
