//! `$JS.API.STREAM.LIST`

use headwater_protocol::jetstream::error::ApiError;
use headwater_protocol::jetstream::request::StreamListRequest;
use headwater_protocol::jetstream::response::{LIST_PAGE_MAX, Response};

use super::super::{Answer, Call};
use super::names::page_of;
use super::report;

/// All streams with configuration and state, or those that capture a subject.
pub fn answer(call: &Call<'_>) -> Result<Answer, ApiError> {
    let request: StreamListRequest = call.read_optional()?;
    let (page, hosts) = page_of(call, &request, LIST_PAGE_MAX);
    let (there, away): (Vec<_>, Vec<_>) = hosts.into_iter().partition(|host| host.in_service());
    let streams: Vec<_> = there.iter().map(|host| report::listed(host)).collect();
    let missing: Vec<_> = away.iter().map(|host| host.name.to_string()).collect();
    Ok(Answer::at_once(Response::StreamList { page, streams: &streams, missing: &missing }))
}
