//! Publishes what was committed. Rows come in two ways: straight from the commit that wrote them,
//! born under a lease of this process, or claimed from the store (what a crash, a refusal or
//! another kind of commit left there). Several batches are in flight; each is deleted on confirm.
//! What nobody takes is kept, opens a failure, and is tried again every five minutes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    pin::Pin,
    time::{Duration, Instant},
};

use bus::{Confirmation, Publication};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream::FuturesUnordered};
use kernel::{Busy, failpoint};
use store::{FailureFilter, FailureRow, Leased, OutboxRow, StoreError, Writes};
use tokio::sync::mpsc::UnboundedReceiver;
use uuid::Uuid;

use super::{
    Engine, OUTBOX_LEASE, POLL,
    bells::Woken,
    envois::Envoi,
    item::{FailureMeta, exchange_flux},
    sortie::{announce, announce_closed, meta_text},
};
use crate::api::Service;

/// Publications of one batch.
const LOT: usize = 256;
/// The code of the failure of a message that nobody takes.
const NON_ROUTABLE: &str = "non-routable";
/// Failures read at a time.
const RETURNS_PAGE: usize = 1_000;
/// Batches in flight.
const LOTS: usize = 4;
/// How often a relay that stops looks whether a commit still owes it rows.
const LAST_LOOK: Duration = Duration::from_millis(20);

/// What the relay is doing at the same time.
type Works<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Step> + Send + 'a>>>;

/// What ended.
enum Step {
    /// Rows were claimed.
    Claimed(Result<Vec<Leased<OutboxRow>>, StoreError>),
    /// A batch was published and settled.
    Published(Published),
}

/// What became of a batch.
#[derive(Default)]
struct Published {
    /// Messages that had come back, and whose failure is closed.
    closed: Vec<Uuid>,
    /// Messages that nobody takes, kept as failures.
    kept: Vec<Uuid>,
    /// Some were given back to the store.
    given_back: bool,
    error: Option<StoreError>,
}

/// What the relay knows.
struct Desk {
    waiting: VecDeque<Leased<OutboxRow>>,
    /// The store may hold rows that are due.
    look: bool,
    /// When it was last looked at.
    looked: Instant,
    /// A claim is in flight.
    claiming: bool,
    /// When the store holds something next, while `known`.
    due: Option<DateTime<Utc>>,
    known: bool,
    /// The failures of messages that came back and are kept.
    returned: BTreeSet<Uuid>,
}

impl Desk {
    /// Those of some rows that had come back.
    fn returned_of(&self, service: &str, rows: &[Leased<OutboxRow>]) -> Vec<Uuid> {
        if self.returned.is_empty() {
            return Vec::new();
        }
        let had = |id: &Uuid| self.returned.contains(&return_id(service, *id));
        rows.iter().map(|leased| leased.row.id).filter(had).collect()
    }

    fn hear(&mut self, heard: Vec<Envoi>, held: &mut Vec<Busy>) {
        for envoi in heard {
            self.look |= envoi.rows.is_empty();
            self.waiting.extend(envoi.rows);
            // One guard holds time as well as many.
            if held.is_empty() {
                held.push(envoi.busy);
            }
        }
    }
}

impl<S: Service> Engine<S> {
    pub(super) async fn relay_loop(&self, mut ear: UnboundedReceiver<Envoi>, mut held: Vec<Busy>) {
        let returned = self.open_returns().await;
        let mut desk = Desk {
            waiting: VecDeque::new(),
            look: true,
            looked: Instant::now(),
            claiming: false,
            due: None,
            known: false,
            returned,
        };
        let mut works = Works::new();
        loop {
            self.begin(&mut desk, &mut works);
            if works.is_empty() {
                if self.tasks.is_stopping() {
                    if self.envois.is_empty() && ear.is_empty() {
                        return;
                    }
                    if let Ok(Some(envoi)) = tokio::time::timeout(LAST_LOOK, ear.recv()).await {
                        desk.hear(vec![envoi], &mut held);
                    }
                    continue;
                }
                if !desk.known {
                    self.ask_due(&mut desk).await;
                }
                match self.wait(&mut ear, self.next_look(desk.due), std::mem::take(&mut held)).await
                {
                    Some((heard, Woken::Rung)) => desk.hear(heard, &mut held),
                    Some((heard, Woken::Due)) => {
                        desk.hear(heard, &mut held);
                        desk.look = true;
                    }
                    None => desk.look = false,
                }
                continue;
            }
            tokio::select! {
                biased;
                Some(step) = works.next() => self.end(&mut desk, &mut works, step).await,
                Some(envoi) = ear.recv() => desk.hear(vec![envoi], &mut held),
            }
        }
    }
}

impl<S: Service> Engine<S> {
    /// Begins what can be begun: a claim first, so that rows of the store are not starved by those
    /// in memory.
    fn begin<'a>(&'a self, desk: &mut Desk, works: &mut Works<'a>) {
        if desk.looked.elapsed() >= POLL {
            desk.look = true;
        }
        while works.len() < LOTS {
            if desk.look && !desk.claiming && !self.tasks.is_stopping() {
                (desk.look, desk.claiming, desk.known) = (false, true, false);
                desk.looked = Instant::now();
                works.push(Box::pin(async {
                    let (now, until) = (self.clock.now(), self.lease_end(OUTBOX_LEASE));
                    Step::Claimed(self.store.claim_outbox(now, until, LOT).await)
                }));
                continue;
            }
            let rows: Vec<_> = desk.waiting.drain(..desk.waiting.len().min(LOT)).collect();
            if rows.is_empty() {
                return;
            }
            let returned = desk.returned_of(S::NAME, &rows);
            works.push(Box::pin(async {
                let places = rows.len();
                let published = self.publish_lot(rows, returned).await;
                self.envois.give_back(places);
                Step::Published(published)
            }));
        }
    }

    /// Takes note of what ended, without the store: works are not polled meanwhile, and one of
    /// them may hold its only writer.
    async fn end<'a>(&'a self, desk: &mut Desk, works: &mut Works<'a>, step: Step) {
        match step {
            Step::Claimed(Ok(rows)) => {
                desk.claiming = false;
                // What was not full leaves nothing that is due.
                desk.look |= rows.len() == LOT;
                if !rows.is_empty() {
                    failpoint("outbox-claimed");
                    let returned = desk.returned_of(S::NAME, &rows);
                    works.push(Box::pin(async {
                        Step::Published(self.publish_lot(rows, returned).await)
                    }));
                }
            }
            Step::Claimed(Err(error)) => {
                (desk.claiming, desk.look) = (false, true);
                self.away_now(&error).await;
            }
            Step::Published(published) => {
                if let Some(error) = after::<S>(desk, published) {
                    desk.look = true;
                    self.away_now(&error).await;
                }
            }
        }
    }

    async fn ask_due(&self, desk: &mut Desk) {
        match self.store.next_due(&[]).await {
            Ok(next) => (desk.due, desk.known) = (next.outbox, true),
            Err(error) => desk.due = self.away_now(&error).await,
        }
    }

    /// Publishes a batch and settles its rows; those that nobody takes are kept as failures.
    /// `returned` are those of them that had come back before.
    async fn publish_lot(&self, rows: Vec<Leased<OutboxRow>>, returned: Vec<Uuid>) -> Published {
        let started = Instant::now();
        let mut settled = Vec::with_capacity(rows.len());
        let mut out = Vec::with_capacity(rows.len());
        for Leased { lease, row } in rows {
            // A fact never comes back.
            let kept = row.mandatory.then(|| row.clone());
            settled.push((row.id, lease, row.routing_key.clone(), kept));
            out.push(publication(row));
        }
        let confirmations = self.transport.publish(out).await;
        failpoint("publish-confirmed");
        self.metrics.confirmed(started.elapsed());
        let mut published = Published::default();
        let mut unroutable = Vec::new();
        let (mut done, mut failed) = (Vec::new(), BTreeMap::<_, Vec<_>>::new());
        let taken = settled.iter().zip(&confirmations);
        let taken = taken.filter(|(_, confirmation)| **confirmation == Confirmation::Confirmed);
        self.refus.forget(taken.map(|((_, _, key, _), _)| key.as_str()));
        for ((id, lease, key, kept), confirmation) in settled.into_iter().zip(confirmations) {
            match (confirmation, kept) {
                (Confirmation::Confirmed, _) => done.push((id, lease)),
                (Confirmation::Returned, Some(row)) => {
                    unroutable.push(Leased { lease, row });
                }
                (Confirmation::Returned, None) | (Confirmation::Failed, _) => {
                    let at = self.refus.note(&key, &self.clock);
                    failed.entry(at).or_default().push((id, lease));
                }
            }
        }
        published.given_back = !failed.is_empty();
        let settled = self.settle_lot(&done, &failed, &returned, &mut published.closed).await;
        published.error = match settled {
            Ok(()) => self.keep_returned(&unroutable, &returned, &mut published.kept).await.err(),
            Err(error) => Some(error),
        };
        published
    }

    async fn settle_lot(
        &self,
        done: &[(Uuid, i64)],
        failed: &BTreeMap<DateTime<Utc>, Vec<(Uuid, i64)>>,
        returned: &[Uuid],
        closed: &mut Vec<Uuid>,
    ) -> Result<(), StoreError> {
        for (id, _) in done.iter().filter(|(id, _)| returned.contains(id)) {
            // Closed before the row goes: a crash in between publishes again, and leaves no
            // failure open for ever.
            self.close_return(*id).await?;
            closed.push(*id);
            failpoint("return-closed");
        }
        self.store.outbox_done(done).await?;
        failpoint("outbox-deleted");
        for (at, rows) in failed {
            tracing::warn!(service = S::NAME, count = rows.len(), %at, "refused, published again");
            self.store.outbox_later(rows, *at, Vec::new(), Vec::new()).await?;
        }
        Ok(())
    }

    /// The failures of messages that came back before this start and are still kept.
    async fn open_returns(&self) -> BTreeSet<Uuid> {
        let code = Some(NON_ROUTABLE.to_owned());
        let mut filter = FailureFilter { open_only: true, code, ..FailureFilter::default() };
        let mut open = BTreeSet::new();
        loop {
            // Without their bodies, page by page. What cannot be read now is only announced again.
            let page = self.store.failure_heads(&filter, RETURNS_PAGE).await.unwrap_or_default();
            filter.after = page.last().map(|head| head.id);
            open.extend(page.iter().map(|head| head.id));
            if page.len() < RETURNS_PAGE {
                return open;
            }
        }
    }

    async fn keep_returned(
        &self,
        unroutable: &[Leased<OutboxRow>],
        returned: &[Uuid],
        keeping: &mut Vec<Uuid>,
    ) -> Result<(), StoreError> {
        for leased in unroutable {
            let now = self.clock.now();
            let row = &leased.row;
            let failure = FailureRow {
                id: return_id(S::NAME, row.id),
                key: row.envelope.subject.clone(),
                origin: "outbox".to_owned(),
                kind: row.envelope.message_type.clone(),
                code: NON_ROUTABLE.to_owned(),
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
                announced.push(announce(S::NAME, &failure, now, store::RowContext::default()));
                kept.push(failure);
            }
            self.store.outbox_later(&[(row.id, leased.lease)], at, kept, announced).await?;
            keeping.push(row.id);
            failpoint("return-kept");
        }
        Ok(())
    }

    async fn close_return(&self, message: Uuid) -> Result<(), StoreError> {
        let id = return_id(S::NAME, message);
        let row = announce_closed(S::NAME, id, "rejouee", self.clock.now());
        let mut writes = Some(Writes {
            close_failures: vec![(id, "rejouee".to_owned())],
            outbox: vec![row].into(),
            ..Writes::default()
        });
        self.store.transact(&[], &[], &mut |_| writes.take().unwrap_or_default()).await
    }
}

/// What the relay knows after a batch; an error when the store was away.
fn after<S: Service>(desk: &mut Desk, published: Published) -> Option<StoreError> {
    for id in &published.closed {
        desk.returned.remove(&return_id(S::NAME, *id));
    }
    desk.known &= !published.given_back && published.kept.is_empty();
    desk.returned.extend(published.kept.iter().map(|id| return_id(S::NAME, *id)));
    published.error
}

fn return_id(service: &str, message: Uuid) -> Uuid {
    kernel::derive_id(&[service, "panne-retour", &message.to_string()])
}

pub(super) fn publication(row: OutboxRow) -> Publication {
    Publication {
        flux: exchange_flux(&row.exchange),
        routing_key: row.routing_key,
        envelope: row.envelope,
        mandatory: row.mandatory,
    }
}
