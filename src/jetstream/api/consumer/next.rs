//! `$JS.API.CONSUMER.MSG.NEXT.<stream>.<consumer>`

use std::sync::Arc;

use headwater_protocol::headers::{HeaderBuilder, statuses};
use headwater_protocol::jetstream::api_subject::ConsumerAddress;

use super::super::level_is_served;
use crate::jetstream::account::JsAccount;
use crate::router::{Dispatch, Message};

/// Takes a pull request; `false` if there is no such stream or consumer, which tells the client so.
pub fn deliver(
    account: &Arc<JsAccount>,
    cx: &mut Dispatch,
    at: ConsumerAddress<'_>,
    request: &Message<'_>,
) -> bool {
    let Some(host) = account.stream(at.stream) else { return false };
    if level_is_served(request.headers) {
        return host.pull(cx, at.consumer, request);
    }
    let known = host.lock().consumers.key(at.consumer).is_some();
    if known && !request.reply.is_empty() {
        let (code, description) = statuses::REQUIRED_API_LEVEL;
        let headers = HeaderBuilder::status(code, description).finish();
        account
            .account
            .publish(cx, &Message { subject: request.reply, headers: &headers, ..Message::default() });
    }
    known
}
