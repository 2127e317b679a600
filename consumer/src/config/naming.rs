//! The names in a create request's subject and in its body must agree.

use headwater_protocol::jetstream::consumer_config::{AckPolicy, ConsumerConfig};
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::stream_config::Retention;

/// Longest name of a stream or consumer.
pub(super) const NAME_BYTES_MAX: usize = 255;

/// The forms of a create request's subject, after the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreateSubject<'a> {
    /// `CONSUMER.CREATE.<stream>`
    Unnamed,
    /// `CONSUMER.CREATE.<stream>.<consumer>[.<filter>]`
    Named {
        /// The consumer.
        consumer: &'a str,
        /// What follows it, empty if nothing.
        filter: &'a str,
    },
    /// `CONSUMER.DURABLE.CREATE.<stream>.<consumer>`
    Durable {
        /// The consumer.
        consumer: &'a str,
    },
}

/// Whether a stream or consumer can have this name, its length aside.
pub fn is_valid_name(name: &str) -> bool {
    !name.is_empty() && !name.bytes().any(|byte| b" \t\r\n\x0c.*>/\\".contains(&byte))
}

/// Compares the names of a request and writes the one in its subject into the configuration.
pub fn check_names(subject: CreateSubject<'_>, config: &mut ConsumerConfig) -> Result<(), ApiError> {
    let (consumer, filter) = match subject {
        CreateSubject::Unnamed => (config.name.as_str(), ""),
        CreateSubject::Named { consumer, filter } => (consumer, filter),
        CreateSubject::Durable { consumer } => (consumer, ""),
    };
    refuse_if(consumer.contains(['/', '\\']), ErrorCode::ConsumerNameContainsPathSeparators)?;
    check_durable(subject, config)?;
    if let CreateSubject::Named { consumer, .. } | CreateSubject::Durable { consumer } = subject {
        config.name = consumer.to_owned();
    }
    refuse_if(
        !filter.is_empty() && !config.filter_subjects.is_empty(),
        ErrorCode::ConsumerMultipleFiltersNotAllowed,
    )?;
    refuse_if(
        !filter.is_empty() && config.filter_subject != filter,
        ErrorCode::ConsumerCreateFilterSubjectMismatch,
    )
}

/// Makes what a sourcing server asks for under a stable name into what this stream can give it: where acknowledged messages are removed, a
/// durable consumer acknowledged by flow control, on others one whose name gets `suffix`, which should be random.
pub fn adapt_sourcing(config: &mut ConsumerConfig, retention: Retention, suffix: &str) {
    if !config.direct || !config.sourcing || config.name.is_empty() {
        return;
    }
    if retention != Retention::Limits {
        config.direct = false;
        config.durable_name = config.name.clone();
        config.ack_policy = AckPolicy::FlowControl;
        config.ack_wait = 0;
        config.max_deliver = 0;
        config.inactive_threshold = 0;
    } else {
        config.name = format!("{}-{suffix}", config.name);
    }
}

fn check_durable(subject: CreateSubject<'_>, config: &ConsumerConfig) -> Result<(), ApiError> {
    let durable = config.durable_name.as_str();
    match subject {
        CreateSubject::Unnamed => refuse_if(!durable.is_empty(), ErrorCode::ConsumerEphemeralWithDurableName),
        CreateSubject::Named { consumer, .. } => refuse_if(
            !durable.is_empty() && durable != consumer,
            ErrorCode::ConsumerDurableNameNotMatchSubject,
        ),
        CreateSubject::Durable { consumer } => {
            refuse_if(durable.is_empty(), ErrorCode::ConsumerDurableNameNotSet)?;
            refuse_if(durable != consumer, ErrorCode::ConsumerDurableNameNotMatchSubject)
        }
    }
}

fn refuse_if(wrong: bool, code: ErrorCode) -> Result<(), ApiError> {
    if wrong { Err(code.error()) } else { Ok(()) }
}
