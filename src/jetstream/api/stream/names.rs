//! `$JS.API.STREAM.NAMES`

use std::sync::Arc;

use headwater_protocol::jetstream::error::ApiError;
use headwater_protocol::jetstream::request::StreamListRequest;
use headwater_protocol::jetstream::response::{NAMES_PAGE_MAX, Page, Response};
use headwater_protocol::subject::overlaps;

use super::super::{Answer, Call};
use crate::jetstream::host::StreamHost;

/// The names of all streams, or of those that capture a subject.
pub fn answer(call: &Call<'_>) -> Result<Answer, ApiError> {
    let request: StreamListRequest = call.read_optional()?;
    let (page, hosts) = page_of(call, &request, NAMES_PAGE_MAX);
    let names: Vec<String> = hosts.iter().map(|host| host.name.to_string()).collect();
    Ok(Answer::at_once(Response::StreamNames(page, &names)))
}

/// One page of the streams whose subjects overlap with what is asked for.
pub(super) fn page_of(
    call: &Call<'_>,
    request: &StreamListRequest,
    limit: usize,
) -> (Page, Vec<Arc<StreamHost>>) {
    let mut hosts = call.account.streams();
    if !request.subject.is_empty() {
        hosts.retain(|host| captures(host, request.subject.as_bytes()));
    }
    let page = Page::at(request.offset, hosts.len(), limit);
    let from = usize::try_from(page.offset).unwrap_or(usize::MAX).min(hosts.len());
    let hosts = hosts.drain(from..).take(limit).collect();
    (page, hosts)
}

fn captures(host: &StreamHost, subject: &[u8]) -> bool {
    let state = host.lock();
    state.machine.config().subjects.iter().any(|captured| overlaps(captured.as_bytes(), subject))
}
