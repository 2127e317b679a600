//! Mirrors and sources: taking over what other streams hold.
//!
//! A destination has one [`Link`] for each of its origins. A link asks the origin's server for a push consumer, listens to
//! it, and says for every message that comes whether it is the next to be taken over. All of it goes over subjects, so an
//! origin may be a stream of the same account, of another, or of a nats-server at the other end of a leaf node.
//!
//! | file | what it decides |
//! |---|---|
//! | [`link`] | the state machine of one link |
//! | [`origin`] | one origin as configured: names, transforms, subjects of its API |
//! | [`request`] | what the origin's server is asked for |
//! | [`answer`] | what its answer means |
//! | [`source_header`] | `Nats-Stream-Source`, by which a message tells where it came from |
//! | [`ledger`], [`kept_log`] | positions that outlive the messages they were read from |
//! | [`positions`] | where to go on after a restart |

pub mod answer;
pub mod kept_log;
pub mod ledger;
pub mod link;
pub mod origin;
pub mod positions;
pub mod request;
pub mod source_header;
#[cfg(test)]
mod tests;

pub use link::{Around, Command, Link, Offer, Receipt};
pub use origin::{Destination, Kind, Origin};
