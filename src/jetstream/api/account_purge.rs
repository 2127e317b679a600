//! `$JS.API.ACCOUNT.PURGE.<account>`, in the system account: all that an account has stored goes.

use std::sync::{Arc, Weak};

use headwater_protocol::jetstream::advisory::Action;
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::response::{Response, encode_refusal};
use headwater_protocol::jetstream::response_type::ResponseType;

use super::send;
use crate::account::Account;
use crate::jetstream::host::StreamHost;
use crate::jetstream::{JetStream, advisories};
use crate::router::{Dispatch, Message};

/// Deletes the streams of the account `name`; one that has none, or does not exist, is as good as purged.
pub(super) fn deliver(
    system: &Account,
    operators: &Weak<JetStream>,
    cx: &mut Dispatch,
    name: &str,
    request: &Message<'_>,
) {
    let Some(jetstream) = operators.upgrade() else { return };
    let answer = match purge(&jetstream, cx, name) {
        Ok(()) => Response::AccountPurge.encode(),
        Err(error) => encode_refusal(ResponseType::AccountPurge, &error),
    };
    send(system, cx, request.reply, &answer);
}

fn purge(jetstream: &JetStream, cx: &mut Dispatch, name: &str) -> Result<(), ApiError> {
    if name.contains(['/', '\\']) {
        return Err(ErrorCode::StreamGeneralError.saying("account name can not contain path separators"));
    }
    let Some(account) = jetstream.account(name) else {
        return jetstream.discard_recovered(name).map_err(|error| ErrorCode::StreamGeneralError.with(error));
    };
    let streams = account.streams();
    log::info!("Purge request for account {name} (streams: {})", streams.len());
    for stream in streams {
        let deleted = account.delete_stream(&stream.name)?;
        tell(&deleted, cx);
    }
    Ok(())
}

fn tell(deleted: &Arc<StreamHost>, cx: &mut Dispatch) {
    advisories::stream(deleted, cx, Action::Delete);
    deleted.pump(cx);
}
