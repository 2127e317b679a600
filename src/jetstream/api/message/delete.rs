//! `$JS.API.STREAM.MSG.DELETE.<stream>`

use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::request::{MsgDeleteRequest, is_empty_request};
use headwater_protocol::jetstream::response::Response;

use super::super::{Answer, Call, check_stream_name};
use crate::jetstream::host::StreamState;
use crate::store::StorageKind;

/// Deletes one message.
pub fn answer(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    if is_empty_request(call.body) {
        return Err(ErrorCode::BadRequest.error());
    }
    let request: MsgDeleteRequest = call.read()?;
    check_stream_name(name)?;
    let host = call.account.expect_stream(name)?;
    host.lock().delete(request.seq)?;
    Ok(Answer::after(host, Response::MsgDelete))
}

impl StreamState {
    fn delete(&mut self, seq: u64) -> Result<(), ApiError> {
        match self.machine.delete(self.log.as_mut(), seq)? {
            Some(lsn) => {
                self.wrote(lsn);
                Ok(())
            }
            None => Err(self.why_not_found(seq)),
        }
    }

    /// The words differ with the storage, as they do in nats-server.
    fn why_not_found(&self, seq: u64) -> ApiError {
        let log = self.log.state();
        if self.log.kind() == StorageKind::Memory || (seq > 0 && seq <= log.last_seq) {
            ErrorCode::SequenceNotFound.with(seq)
        } else if seq == 0 {
            ErrorCode::StreamMsgDeleteFailed.saying("no message found")
        } else {
            ErrorCode::StreamMsgDeleteFailed.saying("stream store EOF")
        }
    }
}
