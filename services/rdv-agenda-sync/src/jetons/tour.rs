//! One replica at a time presents the refresh token: a lease in the store. A replica that dies with
//! it holds the others up for [`DUREE`], no longer.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::Fault;
use service::Equipment;

use super::Error;

/// Name of the lease in the store.
const TOUR: &str = "rdvsp-oauth-tour";

/// Real time that a turn lasts at most: an exchange takes at most `api.timeout_ms`.
const DUREE: Duration = Duration::from_secs(30);

/// How often, in real time, and how many times a turn is asked for.
const REGARD: Duration = Duration::from_millis(100);
const REGARDS: u32 = 150;

/// A turn, by the version of its row.
pub(super) struct Tour(i64);

/// Waits for a turn.
///
/// # Errors
/// Transient `rdv-jeton-occupe` when another replica takes too long.
pub(super) async fn prendre(equipment: &Equipment) -> Result<Tour, Fault> {
    for _ in 0..REGARDS {
        let now = equipment.clock.now();
        let held = equipment.store.credential(TOUR).await.map_err(|e| Error::Coffre(e.into()))?;
        let until = held.as_ref().and_then(|(_, text)| fin(text));
        if until.is_none_or(|until| until <= now) {
            let version = held.map(|(version, _)| version);
            let until = now + equipment.clock.business_duration(DUREE);
            let text = until.to_rfc3339();
            let ours = equipment.store.put_credential(TOUR, version, text.as_bytes()).await;
            if ours.map_err(|e| Error::Coffre(e.into()))? {
                return Ok(Tour(version.unwrap_or(0) + 1));
            }
        }
        tokio::time::sleep(REGARD).await;
    }
    Err(Fault::transient("rdv-jeton-occupe", "another replica is refreshing the token"))
}

/// Gives a turn back; one that cannot be runs out by itself.
pub(super) async fn rendre(equipment: &Equipment, Tour(version): Tour) {
    let past = DateTime::UNIX_EPOCH.to_rfc3339();
    let given = equipment.store.put_credential(TOUR, Some(version), past.as_bytes()).await;
    if let Err(error) = given {
        tracing::warn!(%error, "the turn of refreshing was not given back: it runs out");
    }
}

fn fin(text: &[u8]) -> Option<DateTime<Utc>> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
