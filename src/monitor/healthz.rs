//! `/healthz`: whether the server does what it should.

use serde::{Deserialize, Serialize};

use super::number::zero;
use super::query::{BadRequest, Query};
use super::source::{HealthProblem, JetStreamMonitor, Source};

/// What to look at. As JSON these are the options of `$SYS` requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct HealthzOptions {
    /// An older name of `js_enabled_only`.
    pub js_enabled: bool,
    /// Not at streams and consumers.
    pub js_enabled_only: bool,
    /// Not at JetStream at all.
    pub js_server_only: bool,
    /// Not at streams and consumers of a cluster; without effect on a single server.
    pub js_meta_only: bool,
    /// Only at this account, if not empty.
    pub account: String,
    /// Only at this stream, if not empty. Needs `account`.
    pub stream: String,
    /// At this consumer, too, if not empty. Needs `stream`.
    pub consumer: String,
    /// List problems one by one.
    pub details: bool,
}

/// The answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Healthz {
    pub status: &'static str,
    /// An HTTP status; shown in `$SYS` answers only.
    #[serde(skip_serializing_if = "zero")]
    pub status_code: u16,
    #[serde(skip_serializing_if = "zero")]
    pub error: String,
    #[serde(skip_serializing_if = "zero")]
    pub errors: Vec<HealthError>,
}

/// One problem.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HealthError {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "zero")]
    pub account: String,
    #[serde(skip_serializing_if = "zero")]
    pub stream: String,
    #[serde(skip_serializing_if = "zero")]
    pub consumer: String,
    pub error: String,
}

/// What was found: a status for people, one for machines, and the problems.
struct Finding {
    status: &'static str,
    code: u16,
    errors: Vec<HealthError>,
}

impl HealthzOptions {
    /// Reads the options of an HTTP request.
    pub fn from_query(query: &Query<'_>) -> Result<Self, BadRequest> {
        Ok(Self {
            js_enabled: query.bool("js-enabled")?,
            js_enabled_only: query.bool("js-enabled-only")?,
            js_server_only: query.bool("js-server-only")?,
            js_meta_only: query.bool("js-meta-only")?,
            details: query.bool("details")?,
            account: query.text("account").to_owned(),
            stream: query.text("stream").to_owned(),
            consumer: query.text("consumer").to_owned(),
        })
    }
}

/// Looks whether the server is well.
pub fn healthz(source: &dyn Source, options: &HealthzOptions) -> Healthz {
    let Some(mut finding) = examine(source, options) else {
        return Healthz { status: "ok", status_code: 200, ..Healthz::default() };
    };
    if options.details {
        let (status_code, errors) = (finding.code, finding.errors);
        return Healthz { status: "error", status_code, errors, ..Healthz::default() };
    }
    let error = finding.errors.drain(..).next().map(|error| error.error).unwrap_or_default();
    Healthz { status: finding.status, status_code: finding.code, error, errors: Vec::new() }
}

fn examine(source: &dyn Source, options: &HealthzOptions) -> Option<Finding> {
    if let Some(finding) = missing_option(options) {
        return Some(finding);
    }
    if let Some(error) = source.not_ready() {
        return Some(Finding::one(
            "error",
            500,
            HealthError { kind: "CONNECTION", error, ..HealthError::default() },
        ));
    }
    if options.js_server_only || !source.jetstream_configured() {
        return None;
    }
    let Some(jetstream) = source.jetstream() else {
        let error = "JetStream not enabled (10076)".to_owned();
        return Some(Finding::one(
            "unavailable",
            503,
            HealthError { kind: "JETSTREAM", error, ..HealthError::default() },
        ));
    };
    if options.js_enabled_only || options.js_enabled {
        return None;
    }
    examine_streams(&*jetstream, options)
}

fn missing_option(options: &HealthzOptions) -> Option<Finding> {
    let (missing, checked) = match options {
        HealthzOptions { account, stream, .. } if account.is_empty() && !stream.is_empty() => {
            ("account", "stream")
        }
        HealthzOptions { stream, consumer, .. } if stream.is_empty() && !consumer.is_empty() => {
            ("stream", "consumer")
        }
        _ => return None,
    };
    let error = format!("{missing:?} must not be empty when checking {checked} health");
    Some(Finding::one("error", 400, HealthError { kind: "BAD_REQUEST", error, ..HealthError::default() }))
}

fn examine_streams(jetstream: &dyn JetStreamMonitor, options: &HealthzOptions) -> Option<Finding> {
    let concerns = |problem: &HealthProblem| {
        // What is about no stream is about all.
        problem.account.is_empty()
            || (options.account.is_empty() || problem.account == options.account)
                && (options.stream.is_empty() || problem.stream == options.stream)
    };
    let problems: Vec<_> =
        jetstream.problems().into_iter().filter(concerns).map(HealthError::of_stream).collect();
    if !problems.is_empty() {
        return Some(Finding { status: "unavailable", code: 503, errors: problems });
    }
    missing_object(jetstream, options).map(|error| Finding::one("unavailable", 404, error))
}

/// The first of account, stream and consumer that is asked for and does not exist.
fn missing_object(jetstream: &dyn JetStreamMonitor, options: &HealthzOptions) -> Option<HealthError> {
    let HealthzOptions { account, stream, consumer, .. } = options;
    let named = HealthError { account: account.clone(), ..HealthError::default() };
    if account.is_empty() {
        return None;
    }
    if !jetstream.accounts().iter().any(|found| found.name == *account) {
        let error = format!("JetStream account {account:?} not found");
        return Some(HealthError { kind: "ACCOUNT", error, ..named });
    }
    let named = HealthError { stream: stream.clone(), ..named };
    if !stream.is_empty() && !jetstream.streams(account).iter().any(|found| found.config.name == *stream) {
        let error = format!("JetStream stream {stream:?} not found on account {account:?}");
        return Some(HealthError { kind: "STREAM", error, ..named });
    }
    if !consumer.is_empty()
        && !jetstream.consumers(account, stream).iter().any(|found| found.name == *consumer)
    {
        let error =
            format!("JetStream consumer {consumer:?} not found for stream {stream:?} on account {account:?}");
        return Some(HealthError { kind: "CONSUMER", consumer: consumer.clone(), error, ..named });
    }
    None
}

impl Finding {
    fn one(status: &'static str, code: u16, error: HealthError) -> Self {
        Self { status, code, errors: vec![error] }
    }
}

impl HealthError {
    fn of_stream(problem: HealthProblem) -> Self {
        let HealthProblem { account, stream, error } = problem;
        Self { kind: "STREAM", account, stream, error, ..Self::default() }
    }
}
