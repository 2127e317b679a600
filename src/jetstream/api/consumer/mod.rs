//! `$JS.API.CONSUMER.>`

pub(super) mod create;
pub(super) mod delete;
pub(super) mod info;
pub(super) mod list;
pub(super) mod names;
pub(super) mod next;
pub(super) mod pause;
pub(super) mod reset;
pub(super) mod unpin;

use std::sync::Arc;

use headwater_protocol::jetstream::api_subject::ConsumerAddress;
use headwater_protocol::jetstream::consumer_info::ConsumerInfo;
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};

use super::{Call, check_stream_name};
use crate::jetstream::consumers::ConsumerKey;
use crate::jetstream::host::StreamHost;
use crate::jetstream::metadata;

/// The consumer a request is about.
fn find(call: &Call<'_>, at: ConsumerAddress<'_>) -> Result<(Arc<StreamHost>, ConsumerKey), ApiError> {
    check_stream_name(at.stream)?;
    let host = call.account.expect_stream(at.stream)?;
    let key = host.lock().consumers.key(at.consumer);
    let key = key.ok_or_else(|| ErrorCode::ConsumerNotFound.error())?;
    Ok((host, key))
}

/// A consumer as answers about it alone show it.
fn report(host: &StreamHost, key: ConsumerKey) -> Result<ConsumerInfo, ApiError> {
    let info = host.lock().consumer_info(host, key);
    info.map(with_server).ok_or_else(|| ErrorCode::ConsumerNotFound.error())
}

fn with_server(mut info: ConsumerInfo) -> ConsumerInfo {
    if let Some(config) = &mut info.config {
        metadata::add_server(&mut config.metadata);
    }
    info
}
