//! What the answer of the origin's server means.

use headwater_protocol::headers::{self, names};
use headwater_protocol::jetstream::consumer_config::AckPolicy;
use headwater_protocol::jetstream::consumer_info::ConsumerInfo;
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::from_json::decode;
use headwater_protocol::jetstream::response::received_error;

use super::link::SEQ_MAX;
use super::origin::{Kind, Origin};

/// The consumer that messages will come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Its name.
    pub consumer: String,
    /// Where it delivers to.
    pub deliver_subject: String,
    /// Everything up to here counts as delivered.
    pub delivered_seq: u64,
    /// The origin's identity, empty if it was not told.
    pub identity: String,
}

/// Why there is no consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The server does not understand all that was asked.
    NotUnderstood(ApiError),
    /// The origin is not the stream it was.
    Recreated,
    /// Anything else.
    Other(ApiError),
}

/// Reads the answer to a request for a consumer of `origin`.
pub fn read(origin: &Origin, block: &[u8], body: &[u8]) -> Result<Granted, Refused> {
    let error = received_error(body).map_err(|error| Refused::Other(error.into()))?;
    if let Some(error) = error {
        return Err(classify(error));
    }
    let info: ConsumerInfo = decode(body, false).map_err(|error| Refused::Other(error.into()))?;
    let makes_sense = !info.name.is_empty() && info.delivered.stream_seq <= SEQ_MAX;
    let Some(config) = info.config.filter(|_| makes_sense) else {
        return Err(Refused::Other(setup_failed(origin.kind(), "invalid consumer create response")));
    };
    let prepared = origin.config().consumer.as_ref();
    if prepared.is_some() && config.ack_policy != AckPolicy::FlowControl {
        return Err(Refused::Other(flow_control_required(origin.kind())));
    }
    let identity = headers::get(block, names::STREAM_IDENTITY).unwrap_or_default();
    Ok(Granted {
        consumer: info.name,
        deliver_subject: prepared.map_or(config.deliver_subject, |prepared| prepared.deliver_subject.clone()),
        delivered_seq: info.delivered.stream_seq,
        identity: String::from_utf8_lossy(identity).into_owned(),
    })
}

/// The setup failed for a reason of our own.
pub fn setup_failed(kind: Kind, why: &str) -> ApiError {
    match kind {
        Kind::Mirror => ErrorCode::MirrorConsumerSetupFailed.with(why),
        Kind::Source => ErrorCode::SourceConsumerSetupFailed.with(why),
    }
}

fn classify(error: ApiError) -> Refused {
    if error.is(ErrorCode::ConsumerStreamIdentityMismatch) {
        Refused::Recreated
    } else if error.is(ErrorCode::RequiredApiLevel) || error.is(ErrorCode::InvalidJson) {
        Refused::NotUnderstood(error)
    } else {
        Refused::Other(error)
    }
}

fn flow_control_required(kind: Kind) -> ApiError {
    match kind {
        Kind::Mirror => ErrorCode::MirrorConsumerRequiresAckFc.error(),
        Kind::Source => ErrorCode::SourceConsumerRequiresAckFc.error(),
    }
}
