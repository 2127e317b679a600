//! The subject index of one account, queue groups, and delivery. Knows nothing of JetStream, accounts or sockets.
//!
//! A message comes in as a borrowed [`Message`] within a [`Dispatch`], the scope of one batch. The [`SubjectIndex`] (or the
//! connection's [`RouteCache`]) says who gets it, [`fan_out`] hands it to each: a client's share is encoded straight into its
//! [`Outbound`], a [`Service`] is called. When the batch ends, every receiver that got something is flushed once.

mod cache;
mod client_info;
mod deliver;
mod dispatch;
mod frame;
mod gate;
mod hash;
mod index;
mod matches;
mod message;
pub mod outbound;
mod path;
mod route;
mod service;
mod shadow;
mod subscriber;
mod subscription;
mod traced;

pub use cache::RouteCache;
pub use client_info::{ClientInfo, ConnectionKind};
pub use deliver::{fan_out, fan_out_to_queue};
pub use dispatch::{AfterBatch, Dispatch};
pub use frame::Frame;
pub use gate::Gate;
pub use hash::SubjectHash;
pub use index::{IndexUsage, SubjectIndex};
pub use matches::{Matches, QueueGroup};
pub use message::Message;
pub use outbound::{CloseReason, Outbound};
pub use path::{ImportStep, Path};
pub use route::Route;
pub use service::{InTrace, Service};
pub use shadow::{Home, Naming, Shadow};
pub use subscriber::{DeliveryFilter, Receiver, Subscriber};
pub use subscription::{Admission, Sid, Sink, Subscription};
