//! `/metrics`: the same facts for Prometheus, in its text format (version 0.0.4).
//!
//! Where prometheus-nats-exporter has a name for something (`gnatsd_…`, `jetstream_…`), it is used with the exporter's labels, so that
//! its dashboards work; `server_id` is the server's id. What it has none for is called `headwater_…`, and the process has the
//! names that every Prometheus client library gives it. The work of a scrape is bounded: [`STREAMS_MAX`], [`CONSUMERS_MAX`].

mod account;
mod jetstream;
mod own;
mod server;
mod store;
mod text;

use std::collections::BTreeMap;

use self::text::Text;
use super::source::Source;

/// Streams that are shown at most.
pub const STREAMS_MAX: usize = 1_000;

/// Consumers that are shown at most.
pub const CONSUMERS_MAX: usize = 5_000;

/// Accounts that are shown at most.
pub const ACCOUNTS_MAX: usize = 1_000;

/// What the body is.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything there is to measure. `http_req_stats` are the requests for each path so far.
pub fn metrics(source: &dyn Source, http_req_stats: BTreeMap<&'static str, u64>) -> String {
    let mut text = Text::default();
    server::write(&mut text, source, http_req_stats);
    account::write(&mut text, source);
    jetstream::write(&mut text, source);
    store::write(&mut text, source);
    own::write(&mut text, source);
    text.finish()
}
