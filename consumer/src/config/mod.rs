//! What a consumer may be configured to, and what a create request makes of what is there.
//!
//! | module | what happens there |
//! |---|---|
//! | [`defaults`] | what the client left out is filled in |
//! | [`validate`] | what makes no sense is refused, with nats-server's codes and texts |
//! | [`naming`] | the names in subject and body must agree |
//! | [`update`] | what of a configuration can change |
//! | [`workqueue`] | who may share a work queue |
//! | [`decide`] | all of it in the order in which nats-server looks at a create request |

mod decide;
mod defaults;
mod naming;
mod update;
mod validate;
mod workqueue;

pub use decide::{Decision, Situation, decide};
pub use defaults::{INACTIVE_THRESHOLD_DEFAULT, fill_defaults};
pub use headwater_protocol::jetstream::request::ConsumerAction as Action;
pub use naming::{CreateSubject, adapt_sourcing, check_names, is_valid_name};
pub use update::{check_update, same_config, set_required_level};
pub use validate::{check_group_name, sample_percent, validate};
pub use workqueue::{check_workqueue, overlaps_another};

#[cfg(test)]
mod tests;

/// Limits from outside the stream's configuration; 0 or less means none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConsumerBounds {
    /// The server's `max_ack_pending`.
    pub server_ack_pending_max: i64,
    /// The server's `max_request_batch`.
    pub server_request_batch_max: i64,
    /// The account's `max_ack_pending`.
    pub account_ack_pending_max: i64,
    /// How many consumers a stream of the account may have.
    pub account_consumers_max: i64,
}
