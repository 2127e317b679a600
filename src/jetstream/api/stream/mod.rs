//! `$JS.API.STREAM.>`

pub(super) mod create;
pub(super) mod delete;
pub(super) mod info;
pub(super) mod list;
pub(super) mod names;
pub(super) mod purge;
mod report;
pub(super) mod update;

use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::request::StreamConfigRequest;

use super::{Call, check_stream_name};

/// The configuration a create or update request carries; it has to name the stream the subject names.
fn requested_config(call: &Call<'_>, name: &str) -> Result<StreamConfigRequest, ApiError> {
    let request: StreamConfigRequest = call.read()?;
    if request.config.name != name {
        return Err(ErrorCode::StreamMismatch.error());
    }
    check_stream_name(name)?;
    Ok(request)
}
