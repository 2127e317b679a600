//! Consumers: who gets which message when, and what became of it.
//!
//! A consumer is one [`ConsumerMachine`]: plain state, no task, no clock, no file. It is handed what happens (a pull
//! request, an acknowledgement, interest, time) together with a [`Turn`] that shows it the stream, and answers with
//! [`Effect`]s. What must survive is taken from it as snapshot and deltas.
//!
//! | module | what happens there |
//! |---|---|
//! | [`config`] | validation, defaults, create and update rules |
//! | [`machine`] | the parts and how they are put together |
//! | `deliver`, `ahead`, [`found`], `size` | the next message and its recipient |
//! | `pull`, [`waiting`], `priority`, `pin` | pull requests |
//! | `push`, [`flow_control`] | push deliveries |
//! | `ack` | acknowledgements |
//! | `tick` | deadlines |
//! | `control`, `info` | operators' requests |
//! | [`state`], [`snapshot`], [`delta`] | what is kept, and how it is written |
//! | [`acks`], [`pending`], [`ack_timer`], [`redelivery`] | messages awaiting acknowledgement |
//! | [`backlog`], [`skip_list`], [`start`] | what is still to come, and where it begins |
//! | [`pacing`] | rate limit and replay |
#![deny(unsafe_code, unused_must_use)]

pub mod ack_timer;
pub mod acks;
pub mod backlog;
pub mod config;
pub mod delta;
pub mod effect;
pub mod flow_control;
pub mod found;
pub mod machine;
pub mod pacing;
pub mod pending;
pub mod redelivery;
pub mod settings;
pub mod skip_list;
pub mod snapshot;
pub mod start;
pub mod state;
pub mod status;
pub mod turn;
pub mod varint;
pub mod waiting;

mod ack;
mod ahead;
mod control;
mod deliver;
mod info;
mod pin;
mod priority;
mod pull;
mod push;
mod rng;
mod size;
mod tick;

pub use ack::Concern;
pub use control::ResetError;
pub use deliver::{Budget, Progress};
pub use effect::{Advisory, Delivery, Effect};
pub use machine::{ConsumerMachine, Identity};
pub use settings::{Settings, StreamTraits};
pub use turn::Turn;
pub use varint::StateError;

#[cfg(test)]
mod tests;
