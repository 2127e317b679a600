//! What a close frame says about the end of a connection.

use headwater_protocol::websocket::{CloseFrame, close_payload};

use crate::router::CloseReason;

/// The payload of the close frame for this reason, with the code that nats-server gives it.
pub(super) fn payload(reason: CloseReason) -> Vec<u8> {
    close_payload(code(reason), reason.as_str())
}

fn code(reason: CloseReason) -> CloseFrame {
    use CloseReason::*;
    match reason {
        ClientClosed => CloseFrame::Normal,
        AuthenticationTimeout
        | AuthenticationViolation
        | AuthenticationExpired
        | SlowConsumerPendingBytes
        | SlowConsumerWriteDeadline
        | MaxConnectionsExceeded
        | MaxAccountConnectionsExceeded
        | MaxControlLineExceeded
        | MaxSubscriptionsExceeded
        | MissingAccount
        | Revocation => CloseFrame::PolicyViolation,
        ParseError | ProtocolViolation | BadClientProtocolVersion => CloseFrame::ProtocolError,
        MaxPayloadExceeded => CloseFrame::MessageTooBig,
        WriteError | ReadError | StaleConnection | ServerShutdown => CloseFrame::GoingAway,
        TlsHandshakeError | WrongPort | NoRespondersRequiresHeaders | Kicked => CloseFrame::InternalError,
    }
}
