//! `$JS.API.STREAM.MSG.DELETE.<stream>`

use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::request::{MsgDeleteRequest, is_empty_request};
use headwater_protocol::jetstream::response::Response;

use super::super::{Answer, Call, check_stream_name};
use crate::jetstream::host::{StreamHost, StreamState};
use crate::store::StorageKind;

/// Deletes one message.
pub fn answer(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    if is_empty_request(call.body) {
        return Err(ErrorCode::BadRequest.error());
    }
    let request: MsgDeleteRequest = call.read()?;
    check_stream_name(name)?;
    let host = call.account.expect_stream(name)?;
    host.lock().delete(&host, request.seq)?;
    Ok(Answer::after(host, Response::MsgDelete))
}

impl StreamState {
    fn delete(&mut self, host: &StreamHost, seq: u64) -> Result<(), ApiError> {
        let deleted = self.machine.delete(self.log.as_mut(), seq)?;
        self.wrote(deleted.ok_or_else(|| self.why_not_found(seq))?);
        let now = host.env.now();
        for key in self.consumers.keys() {
            if self.with_consumer(host, key, now, |machine, turn| machine.on_removed(turn, seq)) == Some(true)
            {
                self.consumers.wake(key);
            }
        }
        Ok(())
    }

    /// The words differ with the storage, as they do in nats-server.
    fn why_not_found(&self, seq: u64) -> ApiError {
        let log = self.log.state();
        let inside = (log.first_seq.max(1)..=log.last_seq).contains(&seq);
        if self.log.kind() == StorageKind::Memory || inside {
            ErrorCode::SequenceNotFound.with(seq)
        } else if seq <= log.last_seq {
            ErrorCode::StreamMsgDeleteFailed.saying("no message found")
        } else {
            ErrorCode::StreamMsgDeleteFailed.saying("stream store EOF")
        }
    }
}
