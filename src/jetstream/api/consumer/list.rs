//! `$JS.API.CONSUMER.LIST.<stream>`

use headwater_protocol::jetstream::error::ApiError;
use headwater_protocol::jetstream::response::{LIST_PAGE_MAX, Response};

use super::super::{Answer, Call};
use super::names::page_of;

/// A stream's consumers with configuration and state.
pub fn answer(call: &Call<'_>, stream: &str) -> Result<Answer, ApiError> {
    let (host, page, names) = page_of(call, stream, LIST_PAGE_MAX)?;
    let consumers: Vec<_> = {
        let mut state = host.lock();
        let info = |name: &String| {
            let key = state.consumers.key(name)?;
            state.consumer_info(&host, key)
        };
        names.iter().filter_map(info).collect()
    };
    Ok(Answer::after(host, Response::ConsumerList { page, consumers: &consumers, missing: &[] }))
}
