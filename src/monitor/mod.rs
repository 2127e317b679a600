//! What operators and tools see: the monitoring endpoints of nats-server, over HTTP and as answers of `$SYS` services.
//!
//! Every endpoint is a file: its options, its answer, and a pure function from a [`Source`] to the answer. Field names,
//! their order and when they are left out are those of nats-server 2.15.1. [`http`] is only the transport.

pub mod accountz;
pub mod accstatz;
mod broker;
pub mod connz;
pub mod expvarz;
pub mod gatewayz;
pub mod healthz;
#[cfg(feature = "monitoring")]
pub mod http;
pub mod jsz;
pub mod leafz;
pub mod metrics;
mod number;
mod process;
mod query;
#[cfg(feature = "monitoring")]
mod root;
pub mod routez;
mod source;
mod store;
pub mod subsz;
mod uptime;
pub mod varz;

pub use broker::BrokerSource;
pub(crate) use connz::client_kind;
#[cfg(feature = "monitoring")]
pub use http::{Access, Limits as MonitorLimits, Monitor, serve};
pub use process::{ProcessMeter, ProcessUse};
pub use query::BadRequest;
pub use source::{
    AccountExport, AccountFacts, AccountImport, Connection, ConsumerLag, HealthProblem, JetStreamAccount,
    JetStreamConfig, JetStreamLimits, JetStreamMonitor, JetStreamUse, Leaf, LinkTraffic, MappingDestination,
    Peer, ServerFacts, Source, SubscriptionFacts, SubscriptionStats, TlsFacts, Traffic,
};
pub use store::{LostMessages, StoreFacts};
pub use uptime::uptime;
