//! States as the store keeps them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api::Service;

/// A state as it is stored: the service's, and what the frame remembers beside it.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored<T> {
    /// Version of the shape of `s`.
    pub(super) v: u32,
    /// The last sequence seen of each « source subject ».
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) vus: BTreeMap<String, u64>,
    /// The service's state.
    pub(super) s: T,
}

/// Reads a stored state, brought to the present version.
pub(crate) fn read_state<S: Service>(body: &str) -> Result<S::State, String> {
    parse_state::<S>(body).map(|stored| stored.s)
}

pub(super) fn parse_state<S: Service>(body: &str) -> Result<Stored<S::State>, String> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let version = serde_json::from_str::<Version>(body).map_err(|e| e.to_string())?.v;
    if version == S::STATE_VERSION {
        return serde_json::from_str(body).map_err(|e| e.to_string());
    }
    let old: Stored<serde_json::Value> = serde_json::from_str(body).map_err(|e| e.to_string())?;
    let mut value = old.s;
    for from in version..S::STATE_VERSION {
        value = S::upcast(from, value)?;
    }
    let s = serde_json::from_value(value).map_err(|e| e.to_string())?;
    Ok(Stored { v: S::STATE_VERSION, vus: old.vus, s })
}
