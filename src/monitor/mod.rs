//! What operators and tools see: the monitoring endpoints of nats-server, over HTTP and as answers of `$SYS` services.
//!
//! Every endpoint is a file: its options, its answer, and a pure function from a [`Source`] to the answer. Field names,
//! their order and when they are left out are those of nats-server 2.15.1. [`http`] is only the transport.

pub mod accountz;
pub mod accstatz;
mod broker;
pub mod connz;
pub mod gatewayz;
pub mod healthz;
pub mod http;
pub mod jsz;
pub mod leafz;
mod number;
mod process;
mod query;
mod root;
pub mod routez;
mod source;
pub mod subsz;
mod uptime;
pub mod varz;

pub use broker::BrokerSource;
pub use http::{Limits as MonitorLimits, Monitor, serve};
pub use process::{ProcessMeter, ProcessUse};
pub use query::BadRequest;
pub use source::{
    AccountExport, AccountFacts, AccountImport, Connection, HealthProblem, JetStreamAccount, JetStreamConfig,
    JetStreamLimits, JetStreamMonitor, JetStreamUse, Leaf, LinkTraffic, MappingDestination, Peer,
    ServerFacts, Source, StoreDamage, SubscriptionFacts, SubscriptionStats, TlsFacts, Traffic,
};
pub use uptime::uptime;
