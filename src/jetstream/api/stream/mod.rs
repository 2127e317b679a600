//! `$JS.API.STREAM.>`

pub(super) mod create;
pub(super) mod delete;
pub(super) mod info;
pub(super) mod list;
pub(super) mod names;
pub(super) mod purge;
mod report;
pub(super) mod restore;
pub(super) mod snapshot;
pub(super) mod update;

use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::request::StreamConfigRequest;

use super::check_stream_name;
pub use report::{listed, state, stream as answered};

/// A request has to name the stream that its subject names.
fn check_names_agree(request: &StreamConfigRequest, name: &str) -> Result<(), ApiError> {
    if request.config.name != name {
        return Err(ErrorCode::StreamMismatch.error());
    }
    check_stream_name(name)
}
