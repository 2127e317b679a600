//! `$JS.API.CONSUMER.NAMES.<stream>`

use std::sync::Arc;

use headwater_protocol::jetstream::error::ApiError;
use headwater_protocol::jetstream::request::ConsumerListRequest;
use headwater_protocol::jetstream::response::{NAMES_PAGE_MAX, Page, Response};

use super::super::{Answer, Call, check_stream_name};
use crate::jetstream::host::StreamHost;

/// The names of a stream's consumers.
pub fn answer(call: &Call<'_>, stream: &str) -> Result<Answer, ApiError> {
    let (_, page, names) = page_of(call, stream, NAMES_PAGE_MAX)?;
    Ok(Answer::at_once(Response::ConsumerNames(page, &names)))
}

/// One page of the stream's consumers, those of mirroring servers left out.
pub(super) fn page_of(
    call: &Call<'_>,
    stream: &str,
    limit: usize,
) -> Result<(Arc<StreamHost>, Page, Vec<String>), ApiError> {
    let request: ConsumerListRequest = call.read_optional()?;
    check_stream_name(stream)?;
    let host = call.account.expect_stream(stream)?;
    let names: Vec<String> = {
        let state = host.lock();
        let public = state.consumers.iter().filter(|hosted| !hosted.machine.config().direct);
        public.map(|hosted| hosted.machine.name().to_owned()).collect()
    };
    let page = Page::at(request.offset, names.len(), limit);
    let skip = usize::try_from(page.offset).unwrap_or(usize::MAX);
    Ok((host, page, names.into_iter().skip(skip).take(limit).collect()))
}
