//! `$JS.API.STREAM.INFO.<stream>`

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use headwater_protocol::headers;
use headwater_protocol::jetstream::error::ApiError;
use headwater_protocol::jetstream::request::StreamInfoRequest;
use headwater_protocol::jetstream::response::{Page, Response, SUBJECTS_PAGE_MAX};
use headwater_protocol::jetstream::response_type::ResponseType;
use headwater_protocol::jetstream::stream_info::ClusterInfo;
use headwater_protocol::subject;

use parking_lot::MutexGuard;

use super::super::{Answer, Call, check_stream_name};
use super::report;
use crate::jetstream::host::StreamHost;

/// Subjects visited in one go: publishes to the stream wait as long.
const SUBJECTS_PER_LOCK_MAX: usize = 1024;

/// Tells of one stream; on request which sequences are missing, and how many messages which subjects have.
pub fn answer(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    let request: StreamInfoRequest = call.read_optional()?;
    check_stream_name(name)?;
    let host = call.account.expect_stream(name)?;
    let mut info = report::stream(&host);
    let leader = call.account.env.settings.server_name.clone();
    info.cluster = Some(ClusterInfo { leader, ..ClusterInfo::default() });
    if request.deleted_details {
        info.state.deleted = deleted(&host);
    }
    let mut page = Page::default();
    if !request.subjects_filter.is_empty() {
        let (subjects, counted) = subjects(&host, &request);
        info.state.subjects = subjects;
        page = counted;
    }
    let response = Response::StreamInfo { page, info: &info };
    let body = response.encode_as(response_type(call.headers));
    Ok(Answer::of(Some(host), body))
}

/// A create that was forwarded in a cluster asks to be answered as one.
fn response_type(block: &[u8]) -> ResponseType {
    match headers::get(block, b"Nats-Response-Type") {
        Some(b"create") => ResponseType::StreamCreate,
        _ => ResponseType::StreamInfo,
    }
}

fn deleted(host: &StreamHost) -> Vec<u64> {
    let mut deleted = Vec::new();
    host.lock().log.for_each_deleted(&mut |seq| {
        deleted.push(seq);
        ControlFlow::Continue(())
    });
    deleted
}

/// One page of the subjects that match, with their counts.
fn subjects(host: &StreamHost, request: &StreamInfoRequest) -> (BTreeMap<String, u64>, Page) {
    let filter = request.subjects_filter.as_bytes();
    if !subject::is_valid(filter) {
        return Default::default();
    }
    // Unlike other pages this one tells the offset as it was asked for, even beyond the end.
    let offset = u64::try_from(request.offset).unwrap_or(0);
    let skip = usize::try_from(offset).unwrap_or(usize::MAX);
    let mut subjects = BTreeMap::new();
    let (mut total, mut after) = (0, Vec::new());
    loop {
        let (from, mut visited) = (std::mem::take(&mut after), 0);
        let state = host.lock();
        state.log.for_each_subject_after(filter, &from, &mut |subject, state| {
            if total >= skip && subjects.len() < SUBJECTS_PAGE_MAX {
                subjects.insert(String::from_utf8_lossy(subject).into_owned(), state.count);
            }
            (total, visited) = (total + 1, visited + 1);
            if visited < SUBJECTS_PER_LOCK_MAX {
                return ControlFlow::Continue(());
            }
            after.extend_from_slice(subject);
            ControlFlow::Break(())
        });
        // Who has waited has its turn.
        MutexGuard::unlock_fair(state);
        if after.is_empty() {
            break;
        }
    }
    match total {
        0 => Default::default(),
        _ => (subjects, Page { offset, ..Page::at(0, total, SUBJECTS_PAGE_MAX) }),
    }
}
