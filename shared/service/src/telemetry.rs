//! Logs as JSON or for people, traces over OTLP when configured.

use opentelemetry::{
    Context as OtelContext,
    propagation::{Injector, TextMapPropagator},
    trace::{TraceContextExt, TracerProvider as _},
};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// How to log and trace.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// `json` or `texte`.
    pub format: Format,
    /// What to log, in the syntax of `tracing_subscriber::EnvFilter`.
    pub filtre: String,
    /// Where to send traces (OTLP over HTTP), e.g. `http://collecteur:4318/v1/traces`; none if absent.
    pub otlp_url: Option<String>,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            format: Format::Json,
            // lapin quotes returned messages, bodies and all, in its warnings
            filtre: "info,sqlx=warn,lapin=error".to_owned(),
            otlp_url: None,
        }
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For a terminal.
    Texte,
}

/// Flushes traces when dropped.
#[derive(Debug)]
pub struct Telemetry(Option<SdkTracerProvider>);

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take()
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "traces not flushed");
        }
    }
}

/// Starts logging and tracing for the process; logs go to standard error.
///
/// # Errors
/// A sentence for the operator when the settings make no sense.
pub fn init(name: &'static str, config: &TelemetryConfig) -> Result<Telemetry, String> {
    let filter =
        EnvFilter::try_new(&config.filtre).map_err(|e| format!("telemetrie.filtre : {e}"))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match config.format {
        Format::Json => lines.json().flatten_event(true).boxed(),
        Format::Texte => lines.compact().boxed(),
    };
    let provider = config.otlp_url.as_deref().map(|url| exporter(name, url)).transpose()?;
    let traces =
        provider.as_ref().map(|p| tracing_opentelemetry::layer().with_tracer(p.tracer(name)));
    tracing_subscriber::registry()
        .with(traces)
        .with(lines.with_filter(filter))
        .try_init()
        .map_err(|e| e.to_string())?;
    Ok(Telemetry(provider))
}

fn exporter(name: &'static str, url: &str) -> Result<SdkTracerProvider, String> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(url)
        .build()
        .map_err(|e| format!("telemetrie.otlp_url : {e}"))?;
    let resource = Resource::builder().with_service_name(name).build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}

/// The trace context of the current span, to be carried by what it publishes; `None` when nothing
/// is traced.
pub(crate) fn traceparent() -> Option<String> {
    struct Carrier(Option<String>);
    impl Injector for Carrier {
        fn set(&mut self, key: &str, value: String) {
            if key == "traceparent" {
                self.0 = Some(value);
            }
        }
    }
    let context: OtelContext = tracing::Span::current().context();
    if !context.span().span_context().is_valid() {
        return None;
    }
    let mut carrier = Carrier(None);
    TraceContextPropagator::new().inject_context(&context, &mut carrier);
    carrier.0
}
