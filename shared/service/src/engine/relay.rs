//! Publishes what was committed: claims by lease, publishes with pipelined confirms, deletes on
//! confirm. What nobody takes is kept, opens a failure, and is tried again every five minutes.

use std::{collections::BTreeSet, time::Instant};

use bus::{Confirmation, Publication};
use chrono::TimeDelta;
use kernel::{Busy, failpoint};
use store::{FailureRow, Leased, OutboxRow, StoreError, Writes};
use tokio::sync::mpsc::UnboundedReceiver;
use uuid::Uuid;

use super::{
    Engine,
    item::{FailureMeta, exchange_flux},
    sortie::{announce, announce_closed, meta_text},
};
use crate::api::Service;

/// Publications in flight.
const IN_FLIGHT: usize = 200;

impl<S: Service> Engine<S> {
    pub(super) async fn relay_loop(&self, mut ear: UnboundedReceiver<Busy>) {
        let mut held = vec![self.clock.busy()];
        let mut returned = self.open_returns().await;
        loop {
            let due = match self.relay_some(&mut returned).await {
                Ok(true) => continue,
                Ok(false) => match self.store.next_due(&[]).await {
                    Ok(next) => next.outbox,
                    Err(error) => self.away_now(&error).await,
                },
                Err(error) => self.away_now(&error).await,
            };
            match self.wait(&mut ear, self.next_look(due), held).await {
                Some((rung, _)) => held = rung,
                None => return,
            }
        }
    }

    /// The messages that came back before this start and are still kept.
    async fn open_returns(&self) -> BTreeSet<Uuid> {
        let open = self.store.failures(true, 10_000).await.unwrap_or_default();
        let of = |f: &FailureRow| match serde_json::from_str(&f.meta) {
            Ok(FailureMeta::Outbox { id }) => Some(id),
            Ok(
                FailureMeta::Message { .. } | FailureMeta::Input { .. } | FailureMeta::Ask { .. },
            )
            | Err(_) => None,
        };
        open.iter().filter_map(of).collect()
    }

    /// Publishes one batch; false when nothing was due.
    async fn relay_some(&self, returned: &mut BTreeSet<Uuid>) -> Result<bool, StoreError> {
        let rows = self.store.claim_outbox(self.clock.now(), self.lease_end(), IN_FLIGHT).await?;
        if rows.is_empty() {
            return Ok(false);
        }
        failpoint("outbox-claimed");
        let started = Instant::now();
        let out = rows.iter().map(|leased| publication(&leased.row)).collect();
        let confirmations = self.transport.publish(out).await;
        failpoint("publish-confirmed");
        self.metrics.confirmed(started.elapsed());
        let (mut done, mut failed, mut unroutable) = (Vec::new(), Vec::new(), Vec::new());
        for (leased, confirmation) in rows.iter().zip(confirmations) {
            let settled = (leased.row.id, leased.lease);
            match confirmation {
                Confirmation::Confirmed => done.push(settled),
                Confirmation::Failed => failed.push(settled),
                Confirmation::Returned => unroutable.push(leased),
            }
        }
        for (id, _) in &done {
            // Closed before the row goes: a crash in between publishes again, and leaves no
            // failure open for ever.
            if returned.contains(id) {
                self.close_return(*id).await?;
                returned.remove(id);
                failpoint("return-closed");
            }
        }
        self.store.outbox_done(&done).await?;
        failpoint("outbox-deleted");
        if !failed.is_empty() {
            tracing::warn!(
                service = S::NAME,
                count = failed.len(),
                "not confirmed, published again"
            );
            let at =
                self.clock.now() + self.clock.business_duration(std::time::Duration::from_secs(1));
            self.store.outbox_later(&failed, at, Vec::new(), Vec::new()).await?;
        }
        self.keep_returned(&unroutable, returned).await?;
        // What was not full leaves nothing that is due.
        Ok(rows.len() == IN_FLIGHT && !self.tasks.is_stopping())
    }

    async fn keep_returned(
        &self,
        unroutable: &[&Leased<OutboxRow>],
        returned: &mut BTreeSet<Uuid>,
    ) -> Result<(), StoreError> {
        for leased in unroutable {
            let now = self.clock.now();
            let row = &leased.row;
            let failure = FailureRow {
                id: return_id::<S>(row.id),
                key: row.envelope.subject.clone(),
                origin: "outbox".to_owned(),
                kind: row.envelope.message_type.clone(),
                code: "non-routable".to_owned(),
                reason: format!("no queue takes {}", row.routing_key),
                body: row.envelope.data.clone(),
                meta: meta_text(&FailureMeta::Outbox { id: row.id }),
                first_seen: now,
                attempts: 1,
                outcome: None,
            };
            self.metrics.unroutable();
            let at = now + TimeDelta::minutes(5);
            let (mut kept, mut announced) = (Vec::new(), Vec::new());
            if !returned.contains(&row.id) {
                tracing::error!(service = S::NAME, key = %row.routing_key, "no queue takes this");
                announced.push(announce::<S>(&failure, now, store::RowContext::default()));
                kept.push(failure);
            }
            self.store.outbox_later(&[(row.id, leased.lease)], at, kept, announced).await?;
            returned.insert(row.id);
            failpoint("return-kept");
        }
        Ok(())
    }

    async fn close_return(&self, message: Uuid) -> Result<(), StoreError> {
        let id = return_id::<S>(message);
        let row = announce_closed::<S>(id, "rejouee", self.clock.now());
        let mut writes = Some(Writes {
            close_failures: vec![(id, "rejouee".to_owned())],
            outbox: vec![row],
            ..Writes::default()
        });
        self.store.transact(&[], &[], &mut |_| writes.take().unwrap_or_default()).await
    }
}

fn return_id<S: Service>(message: Uuid) -> Uuid {
    kernel::derive_id(&[S::NAME, "panne-retour", &message.to_string()])
}

pub(super) fn publication(row: &OutboxRow) -> Publication {
    Publication {
        flux: exchange_flux(&row.exchange),
        routing_key: row.routing_key.clone(),
        envelope: row.envelope.clone(),
        mandatory: row.mandatory,
    }
}
