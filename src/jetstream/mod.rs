//! JetStream: streams and consumers as state machines, and the rim that hosts them.
//!
//! | module | what happens there |
//! |---|---|
//! | [`stream`], [`consumer`] | the state machines: `(state, input, now) → effects` |
//! | [`sourcing`] | mirrors and sources: the links to their origins |
//! | [`host`] | the rim around one stream: lock, pump, timers, replies that wait for the disk |
//! | [`account`] | the streams of one account, its limits |
//! | [`api`] | one file per `$JS.API` subject |
//! | [`backup`] | streams as files: made and brought back |
//! | [`api_level`] | which version of the API a request may ask for |
//! | [`acks`] | `$JS.ACK.>` and `$JS.FC.>` |
//! | [`identity`] | what tells a stream from a later one of its name |
//! | [`server`] | JetStream of the whole server: start, recovery, shutdown |

pub mod account;
pub mod acks;
pub mod advisories;
pub mod api;
pub mod api_level;
pub mod backup;
pub mod consumers;
pub mod env;
pub mod host;
pub mod identity;
pub mod metadata;
mod monitor;
pub mod record;
mod recovery;
mod recovery_waiting;
pub mod server;
pub mod settings;
pub mod sourcing;
pub mod stream;
mod waiting;

pub use headwater_consumer as consumer;
pub use recovery_waiting::settle_doubts;
pub use server::{JetStream, LimitsOf, Outside};
