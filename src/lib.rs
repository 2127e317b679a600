//! Headwater: a NATS broker for the edge.
//!
//! Read ARCHITECTURE.md first. The way of a message, by module:
//!
//! | module | what happens there |
//! |---|---|
//! | [`cli`], [`config`] | flags and nats.conf become one typed [`config::Config`] |
//! | [`net`] | listeners, TLS |
//! | [`server`] | what all tasks share: accounts, clients, counters, the phases of its life |
//! | [`session`] | one client connection: read loop, one file per verb, outbound queue |
//! | [`auth`], [`account`] | who may connect, what they may do, whose subjects they see |
//! | [`router`] | subject index, queue groups, delivery |
//! | [`jetstream`] | streams and consumers as state machines; one file per API subject |
//! | [`store`] | the disk: journal, catalogue, memory twin |
//! | [`memory`] | the ceiling of the process, and how its parts share it |
//! | [`monitor`], [`system`] | what operators and tools see |
#![deny(unsafe_code, unused_must_use)]

pub mod account;
pub mod assemble;
pub mod auth;
pub mod broker;
pub mod callout;
pub mod cli;
pub mod clock;
pub mod config;
pub mod ids;
pub mod jetstream;
pub mod jwt;
pub mod logging;
pub mod memory;
pub mod monitor;
#[cfg(feature = "monitoring")]
pub mod monitoring;
#[cfg(not(feature = "monitoring"))]
#[path = "monitoring_absent.rs"]
pub mod monitoring;
pub mod net;
pub mod operator;
pub mod panics;
pub mod reload;
pub mod router;
pub mod server;
pub mod session;
pub mod system;
pub mod systemd;
pub mod threads;
pub mod trace;
pub mod version;

pub use headwater_store as store;
