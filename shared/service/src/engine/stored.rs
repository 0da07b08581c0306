//! States as the store keeps them.

use std::{collections::BTreeMap, fmt::Debug};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::api::Service;

/// A state as it is stored: the service's, and what the frame remembers beside it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Stored<T> {
    /// Version of the shape of `s`.
    pub(super) v: u32,
    /// The last sequence seen of each « source subject ».
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) vus: BTreeMap<String, u64>,
    /// The service's state.
    pub(super) s: T,
}

impl<T: Serialize + DeserializeOwned + Debug> Stored<T> {
    /// As the store keeps it, which reads back as it was.
    pub(super) fn text(&self) -> String {
        let text = serde_json::to_string(self).expect("states encode");
        debug_assert_eq!(
            serde_json::from_str::<Self>(&text).map(|read| format!("{read:?}")).ok(),
            Some(format!("{self:?}")),
        );
        text
    }
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
    let present = serde_json::from_str::<Stored<S::State>>(body);
    let version = match &present {
        Ok(stored) => stored.v,
        Err(_) => serde_json::from_str::<Version>(body).map_err(|e| e.to_string())?.v,
    };
    if version == S::STATE_VERSION {
        return present.map_err(|e| e.to_string());
    }
    // Written again it would lose what this program does not know.
    if version > S::STATE_VERSION {
        let known = S::STATE_VERSION;
        return Err(format!("état écrit par un programme plus récent : {version}, ici {known}"));
    }
    let old: Stored<serde_json::Value> = serde_json::from_str(body).map_err(|e| e.to_string())?;
    let mut value = old.s;
    for from in version..S::STATE_VERSION {
        value = S::upcast(from, value)?;
    }
    // Through its text: what reads states from a tree would be compiled for this alone.
    let s = serde_json::from_str(&value.to_string()).map_err(|e| e.to_string())?;
    Ok(Stored { v: S::STATE_VERSION, vus: old.vus, s })
}
