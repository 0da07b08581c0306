//! RDV Service Public as a sender of webhooks, apart from its simulator: many at a time, in no
//! order, each repeated until it is answered by a success (`default_job_behaviour.rb`), with
//! patients in every body.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use kernel::{Clock, Draw};
use reqwest::Client;
use serde_json::{Value, json};
use sha2::Sha256;

/// What every patient's data contains: none of it may be found anywhere.
pub const PATIENT: [&str; 4] = ["PATIENT-MARQUEUR", "1912-11-10", "0655443322", "112117500100142"];

/// Their jobs wait n⁴ seconds; here tenths of seconds.
const UNITE: Duration = Duration::from_millis(100);

/// An appointment over its life.
#[derive(Clone, Debug)]
pub struct Rdv {
    /// Its id.
    pub id: i64,
    /// Whose: (agent, address).
    pub agent: (i64, String),
    /// Its start; it lasts 20 minutes.
    pub debut: DateTime<Utc>,
    /// When it was taken; a change comes one minute later, a removal two.
    pub pris_le: DateTime<Utc>,
    /// What it became: `seen`, `noshow`, `excused`.
    pub statut: &'static str,
    /// It was removed in the end.
    pub supprime: bool,
}

/// What happened to an appointment.
#[derive(Clone, Copy, Debug)]
enum Nature {
    Pris,
    Change,
    Supprime,
}

#[derive(Clone, Copy)]
struct Livraison {
    rdv: usize,
    nature: Nature,
    essais: u32,
}

/// Sends webhooks to one address.
#[derive(Clone)]
pub struct Envoyeur {
    client: Client,
    url: String,
    secret: String,
}

/// What a burst was like.
#[derive(Debug, Default)]
pub struct Bilan {
    /// Attempts that were not answered by a success.
    pub echecs: u32,
    /// Times to a success, sorted.
    pub durees: Vec<Duration>,
}

impl Bilan {
    /// The time that `percent` of the answers did not exceed.
    pub fn centile(&self, percent: usize) -> Duration {
        let rank = (self.durees.len() * percent / 100).min(self.durees.len().saturating_sub(1));
        self.durees.get(rank).copied().unwrap_or_default()
    }
}

impl Envoyeur {
    /// To `url`, signed with `secret`.
    ///
    /// # Panics
    /// When no client can be built.
    pub fn new(url: String, secret: &str) -> Self {
        // `WebhookJob::TIMEOUT`.
        let client = Client::builder().tls_certs_only([]).timeout(Duration::from_secs(10));
        let client = client.pool_max_idle_per_host(8).build().expect("a client");
        Self { client, url, secret: secret.to_owned() }
    }

    /// One delivery; the status of its answer, if there was one.
    pub async fn poster(&self, corps: String) -> Option<u16> {
        let signature = self.signer(&corps);
        self.poster_signe(corps, &signature).await
    }

    /// One delivery with another signature.
    pub async fn poster_signe(&self, corps: String, signature: &str) -> Option<u16> {
        let request = self
            .client
            .post(&self.url)
            .header("Content-Type", "application/json; charset=utf-8")
            .header("X-Lapin-Signature", signature)
            .body(corps);
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        // Their side raises an alarm on a success that contains `<html>`.
        let body = response.text().await.ok()?;
        assert!(!body.contains("<html>") && body.len() < 100, "{body}");
        Some(status)
    }

    /// One after the other; how long each took, sorted.
    ///
    /// # Panics
    /// When one is not answered by a success.
    pub async fn un_par_un(&self, tous: Vec<String>) -> Vec<Duration> {
        let mut durees = Vec::new();
        for corps in tous {
            let begun = Instant::now();
            assert_eq!(self.poster(corps).await, Some(200));
            durees.push(begun.elapsed());
        }
        durees.sort_unstable();
        durees
    }

    /// Its signature.
    ///
    /// # Panics
    /// Never: HMAC accepts keys of any length.
    pub fn signer(&self, corps: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("any length");
        mac.update(corps.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }

    /// Delivers everything about `rdvs`, `ouvriers` at a time and in no order, until all of it was
    /// answered by a success; `acquittes` counts on the way.
    pub async fn rafale(&self, rdvs: &[Rdv], ouvriers: usize, acquittes: &AtomicUsize) -> Bilan {
        let file = Mutex::new(livraisons(rdvs));
        let total = lock(&file).len();
        let echecs = AtomicU32::new(0);
        let ouvrier = async || {
            let mut durees = Vec::new();
            while acquittes.load(Ordering::SeqCst) < total {
                let next = lock(&file).pop_front();
                let Some((due, livraison)) = next else {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                let begun = Instant::now();
                if due > begun {
                    lock(&file).push_back((due, livraison));
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
                let sent = match rendre(&rdvs[livraison.rdv], livraison) {
                    Some(corps) => self.poster(corps).await == Some(200),
                    // The record is gone: its job has nothing left to say.
                    None => true,
                };
                if sent {
                    durees.push(begun.elapsed());
                    acquittes.fetch_add(1, Ordering::SeqCst);
                } else {
                    echecs.fetch_add(1, Ordering::SeqCst);
                    let essais = livraison.essais + 1;
                    let due = Instant::now() + UNITE * essais.pow(4);
                    lock(&file).push_back((due, Livraison { essais, ..livraison }));
                }
            }
            durees
        };
        let all = futures_util::future::join_all((0..ouvriers).map(|_| ouvrier())).await;
        let mut durees: Vec<_> = all.into_iter().flatten().collect();
        durees.sort_unstable();
        Bilan { echecs: echecs.load(Ordering::SeqCst), durees }
    }
}

/// Deliveries that wait, each with the instant before which it is not tried.
type File = VecDeque<(Instant, Livraison)>;

fn lock(file: &Mutex<File>) -> MutexGuard<'_, File> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every delivery of `rdvs`, shuffled.
fn livraisons(rdvs: &[Rdv]) -> File {
    let mut all = Vec::new();
    for (rdv, r) in rdvs.iter().enumerate() {
        let last = r.supprime.then_some(Nature::Supprime);
        for nature in [Nature::Pris, Nature::Change].into_iter().chain(last) {
            let draw = Draw::of(1, &["ordre", &r.id.to_string(), &format!("{nature:?}")]).bits();
            all.push((draw, Livraison { rdv, nature, essais: 0 }));
        }
    }
    all.sort_unstable_by_key(|(draw, _)| *draw);
    let now = Instant::now();
    all.into_iter().map(|(_, livraison)| (now, livraison)).collect()
}

/// The body of an attempt. A first one says what was true then; a repeated one is rendered afresh,
/// and says nothing of a record that is gone. A removal is rendered once.
fn rendre(rdv: &Rdv, livraison: Livraison) -> Option<String> {
    let after = |minutes| rdv.pris_le + TimeDelta::minutes(minutes);
    let (event, statut, at) = match (livraison.nature, livraison.essais) {
        (Nature::Pris, 0) => ("created", "unknown", rdv.pris_le),
        (Nature::Change, 0) => ("updated", rdv.statut, after(1)),
        (Nature::Pris | Nature::Change, _) if rdv.supprime => return None,
        (Nature::Pris, _) => ("created", rdv.statut, Clock::system().now()),
        (Nature::Change, _) => ("updated", rdv.statut, Clock::system().now()),
        (Nature::Supprime, _) => ("destroyed", rdv.statut, after(2)),
    };
    Some(corps("Rdv", event, at, &rdv_json(rdv, statut)))
}

/// A body as `WebhookJob` makes it.
pub fn corps(model: &str, event: &str, at: DateTime<Utc>, data: &Value) -> String {
    let timestamp = at.format("%Y-%m-%d %H:%M:%S +0000").to_string();
    let meta = json!({
        "model": model, "event": event, "webhook_reason": null, "timestamp": timestamp,
    });
    json!({ "data": data, "meta": meta }).to_string()
}

/// An appointment as `RdvBlueprint` renders it, with a patient in every place that can hold one.
pub fn rdv_json(rdv: &Rdv, statut: &str) -> Value {
    let patient = json!({
        "id": rdv.id + 7, "first_name": PATIENT[0], "last_name": PATIENT[0],
        "birth_date": PATIENT[1], "email": format!("{}@patient.example", PATIENT[0]),
        "phone_number": PATIENT[2], "address": PATIENT[0], "affiliation_number": PATIENT[3],
        "notes": PATIENT[0].repeat(100), "responsible": { "first_name": PATIENT[0] },
    });
    json!({
        "id": rdv.id, "uuid": format!("{:032x}", rdv.id), "status": statut,
        "starts_at": rdv.debut.format("%Y-%m-%d %H:%M:%S +0000").to_string(),
        "ends_at": (rdv.debut + TimeDelta::minutes(20)).to_rfc3339(),
        "duration_in_min": 20, "address": PATIENT[0], "context": PATIENT[0], "collectif": false,
        "name": PATIENT[0], "cancelled_at": null, "created_by": "user",
        "agents": [{ "id": rdv.agent.0, "email": rdv.agent.1, "first_name": "P", "last_name": "F" }],
        "organisation": { "id": 1042, "name": "MSP" }, "lieu": null, "motif": { "id": 3 },
        "users": [patient], "participations": [{ "id": 1, "user": patient }],
    })
}
