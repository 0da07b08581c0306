//! The metrics of a service (design, section 10): seconds, low cardinality, one registry each.

use std::{sync::Arc, time::Duration};

use agency::BreakerState;
use chrono::{DateTime, TimeDelta, Utc};
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry, TextEncoder, core::Collector,
};
use store::Stats;

/// The metrics of one service; cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    processing: Histogram,
    critical: Histogram,
    messages: IntCounterVec,
    batch: Histogram,
    duplicates: IntCounter,
    outbox: IntGauge,
    outbox_age: Gauge,
    confirm: Histogram,
    unroutable: IntCounter,
    asks: IntGaugeVec,
    ask_age: GaugeVec,
    ask_seconds: HistogramVec,
    breaker: IntGaugeVec,
    failures: IntGaugeVec,
    dossiers: IntGaugeVec,
    etape_age: GaugeVec,
    consumer_up: IntGaugeVec,
    last_success: IntGaugeVec,
}

/// Buckets for what takes milliseconds, in seconds.
const FAST: &[f64] = &[0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0];
/// Buckets for what takes minutes to days, in seconds.
const SLOW: &[f64] = &[0.05, 0.5, 5.0, 60.0, 900.0, 3_600.0, 86_400.0];
/// Buckets for the inputs of a batch; the last is the largest batch, unless configured otherwise.
const LOTS: &[f64] = &[1.0, 4.0, 16.0, 64.0, 256.0, 512.0];

fn register<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> C {
    registry
        .register(Box::new(metric.clone()))
        .expect("each metric is registered once, under a valid name");
    metric
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help)
}

fn valid<T>(metric: prometheus::Result<T>) -> T {
    metric.expect("metric names and labels are valid constants")
}

fn histogram(name: &str, help: &str, buckets: &[f64]) -> Histogram {
    let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    valid(Histogram::with_opts(opts))
}

impl Metrics {
    /// The metrics of `service`.
    pub(crate) fn new(service: &str) -> Self {
        let labels = std::iter::once(("service".to_owned(), service.to_owned())).collect();
        let r = valid(Registry::new_custom(None, Some(labels)));
        let gauge_by = |name: &str, help: &str, label: &str| {
            register(&r, valid(IntGaugeVec::new(opts(name, help), &[label])))
        };
        let age_by = |name: &str, help: &str, label: &str| {
            register(&r, valid(GaugeVec::new(opts(name, help), &[label])))
        };
        let inner = Inner {
            processing: register(
                &r,
                histogram(
                    "relais_processing_seconds",
                    "One batch, from its transaction's begin to its commit",
                    FAST,
                ),
            ),
            critical: register(
                &r,
                histogram("relais_critical_seconds", "From the fact to its committed effect", SLOW),
            ),
            messages: register(
                &r,
                valid(IntCounterVec::new(
                    opts("relais_messages_total", "Inputs decided, by outcome"),
                    &["outcome"],
                )),
            ),
            batch: register(&r, histogram("relais_batch_size", "Inputs of a batch", LOTS)),
            duplicates: register(
                &r,
                valid(IntCounter::with_opts(opts(
                    "relais_duplicates_total",
                    "Messages received before",
                ))),
            ),
            outbox: register(
                &r,
                valid(IntGauge::with_opts(opts("relais_outbox_pending", "Messages to publish"))),
            ),
            outbox_age: register(
                &r,
                valid(Gauge::with_opts(opts(
                    "relais_outbox_oldest_age_seconds",
                    "Age of the oldest message to publish",
                ))),
            ),
            confirm: register(
                &r,
                histogram(
                    "relais_publish_confirm_seconds",
                    "From publication to confirmation, by batch",
                    FAST,
                ),
            ),
            unroutable: register(
                &r,
                valid(IntCounter::with_opts(opts(
                    "relais_unroutable_total",
                    "Publications that no queue takes",
                ))),
            ),
            asks: gauge_by(
                "relais_asks_pending",
                "Calls waiting to be made or to succeed",
                "agency",
            ),
            ask_age: age_by(
                "relais_ask_oldest_age_seconds",
                "Age of the oldest waiting call",
                "agency",
            ),
            ask_seconds: register(
                &r,
                valid(HistogramVec::new(
                    HistogramOpts::new("relais_ask_seconds", "One call to an agency")
                        .buckets(FAST.to_vec()),
                    &["agency", "outcome"],
                )),
            ),
            breaker: gauge_by("relais_breaker_state", "0 closed, 1 half-open, 2 open", "agency"),
            failures: gauge_by("relais_failures_open", "Open failures", "code"),
            dossiers: gauge_by("relais_dossiers", "States at each stage", "etape"),
            etape_age: age_by(
                "relais_etape_age_seconds",
                "How long the first has waited at a stage",
                "etape",
            ),
            consumer_up: gauge_by("relais_consumer_up", "1 while the queue is consumed", "queue"),
            last_success: gauge_by(
                "relais_last_success_timestamp_seconds",
                "Last successful call, Unix time",
                "source",
            ),
            registry: r,
        };
        Self(Arc::new(inner))
    }

    pub(crate) fn batch(&self, size: usize) {
        self.0.batch.observe(f64::from(u32::try_from(size).unwrap_or(u32::MAX)));
    }

    pub(crate) fn processed(&self, took: Duration) {
        self.0.processing.observe(took.as_secs_f64());
    }

    /// Clocks differ: a negative time is counted as none.
    pub(crate) fn critical(&self, took: TimeDelta) {
        self.0.critical.observe(took.to_std().unwrap_or_default().as_secs_f64());
    }

    pub(crate) fn outcome(&self, outcome: &str) {
        self.0.messages.with_label_values(&[outcome]).inc();
        if outcome == "doublon" {
            self.0.duplicates.inc();
        }
    }

    pub(crate) fn confirmed(&self, took: Duration) {
        self.0.confirm.observe(took.as_secs_f64());
    }

    pub(crate) fn unroutable(&self) {
        self.0.unroutable.inc();
    }

    pub(crate) fn ask(&self, agency: &str, outcome: &str, took: Duration) {
        self.0.ask_seconds.with_label_values(&[agency, outcome]).observe(took.as_secs_f64());
    }

    pub(crate) fn breaker(&self, agency: &str, state: BreakerState) {
        let value = match state {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        };
        self.0.breaker.with_label_values(&[agency]).set(value);
    }

    pub(crate) fn consumer_up(&self, queue: &str, up: bool) {
        self.0.consumer_up.with_label_values(&[queue]).set(i64::from(up));
    }

    pub(crate) fn success(&self, source: &str, at: DateTime<Utc>) {
        self.0.last_success.with_label_values(&[source]).set(at.timestamp());
    }

    /// Takes over what the store counts, then renders everything.
    pub(crate) fn render(&self, stats: &Stats, now: DateTime<Utc>) -> String {
        let age = |t: Option<DateTime<Utc>>| {
            t.map_or(0.0, |t| (now - t).to_std().unwrap_or_default().as_secs_f64())
        };
        self.0.outbox.set(stats.outbox);
        self.0.outbox_age.set(age(stats.outbox_oldest));
        self.0.asks.reset();
        self.0.ask_age.reset();
        for (agency, count, oldest) in &stats.asks {
            self.0.asks.with_label_values(&[agency]).set(*count);
            self.0.ask_age.with_label_values(&[agency]).set(age(*oldest));
        }
        self.0.failures.reset();
        for (code, count) in &stats.failures {
            self.0.failures.with_label_values(&[code]).set(*count);
        }
        self.0.dossiers.reset();
        self.0.etape_age.reset();
        for (etape, count, oldest) in &stats.etapes {
            self.0.dossiers.with_label_values(&[etape]).set(*count);
            if oldest.is_some() {
                self.0.etape_age.with_label_values(&[etape]).set(age(*oldest));
            }
        }
        let mut text = Vec::new();
        // Writing to memory cannot fail; a metric that cannot be rendered is left out.
        let _ = TextEncoder::new().encode(&self.0.registry.gather(), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}
