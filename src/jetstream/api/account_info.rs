//! `$JS.API.INFO`

use headwater_protocol::jetstream::error::ApiError;
use headwater_protocol::jetstream::response::Response;

use super::{Answer, Call};

/// Limits and use of the account.
pub(super) fn answer(call: &Call<'_>) -> Result<Answer, ApiError> {
    Ok(Answer::at_once(Response::AccountInfo(&call.account.info())))
}
