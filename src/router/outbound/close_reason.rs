//! Why a connection ended.

use std::fmt;

/// Why a connection ended, as monitoring and events name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CloseReason {
    /// The client hung up.
    ClientClosed = 1,
    /// No CONNECT in time.
    AuthenticationTimeout,
    /// The credentials were refused.
    AuthenticationViolation,
    /// TLS was not established.
    TlsHandshakeError,
    /// More bytes waited than allowed.
    SlowConsumerPendingBytes,
    /// The client took nothing for too long.
    SlowConsumerWriteDeadline,
    /// Writing failed.
    WriteError,
    /// Reading failed.
    ReadError,
    /// The client sent something that is no protocol.
    ParseError,
    /// Too many PINGs went unanswered.
    StaleConnection,
    /// The client did what a client may not.
    ProtocolViolation,
    /// CONNECT asked for an unknown protocol version.
    BadClientProtocolVersion,
    /// The client belongs on another port.
    WrongPort,
    /// The server is full.
    MaxConnectionsExceeded,
    /// The account is full.
    MaxAccountConnectionsExceeded,
    /// A message was too large.
    MaxPayloadExceeded,
    /// A control line was too long.
    MaxControlLineExceeded,
    /// Too many subscriptions.
    MaxSubscriptionsExceeded,
    /// The server stops.
    ServerShutdown,
    /// The user's or the account's credentials ran out.
    AuthenticationExpired,
    /// The account is gone.
    MissingAccount,
    /// The credentials were revoked.
    Revocation,
    /// `no_responders` without `headers`.
    NoRespondersRequiresHeaders,
    /// An operator ended it.
    Kicked,
}

impl CloseReason {
    const ALL: [CloseReason; 24] = {
        use CloseReason::*;
        [
            ClientClosed,
            AuthenticationTimeout,
            AuthenticationViolation,
            TlsHandshakeError,
            SlowConsumerPendingBytes,
            SlowConsumerWriteDeadline,
            WriteError,
            ReadError,
            ParseError,
            StaleConnection,
            ProtocolViolation,
            BadClientProtocolVersion,
            WrongPort,
            MaxConnectionsExceeded,
            MaxAccountConnectionsExceeded,
            MaxPayloadExceeded,
            MaxControlLineExceeded,
            MaxSubscriptionsExceeded,
            ServerShutdown,
            AuthenticationExpired,
            MissingAccount,
            Revocation,
            NoRespondersRequiresHeaders,
            Kicked,
        ]
    };

    /// The text monitoring shows.
    pub fn as_str(self) -> &'static str {
        match self {
            CloseReason::ClientClosed => "Client Closed",
            CloseReason::AuthenticationTimeout => "Authentication Timeout",
            CloseReason::AuthenticationViolation => "Authentication Failure",
            CloseReason::TlsHandshakeError => "TLS Handshake Failure",
            CloseReason::SlowConsumerPendingBytes => "Slow Consumer (Pending Bytes)",
            CloseReason::SlowConsumerWriteDeadline => "Slow Consumer (Write Deadline)",
            CloseReason::WriteError => "Write Error",
            CloseReason::ReadError => "Read Error",
            CloseReason::ParseError => "Parse Error",
            CloseReason::StaleConnection => "Stale Connection",
            CloseReason::ProtocolViolation => "Protocol Violation",
            CloseReason::BadClientProtocolVersion => "Bad Client Protocol Version",
            CloseReason::WrongPort => "Incorrect Port",
            CloseReason::MaxConnectionsExceeded => "Maximum Connections Exceeded",
            CloseReason::MaxAccountConnectionsExceeded => "Maximum Account Connections Exceeded",
            CloseReason::MaxPayloadExceeded => "Maximum Message Payload Exceeded",
            CloseReason::MaxControlLineExceeded => "Maximum Control Line Exceeded",
            CloseReason::MaxSubscriptionsExceeded => "Maximum Subscriptions Exceeded",
            CloseReason::ServerShutdown => "Server Shutdown",
            CloseReason::AuthenticationExpired => "Authentication Expired",
            CloseReason::MissingAccount => "Missing Account",
            CloseReason::Revocation => "Credentials Revoked",
            CloseReason::NoRespondersRequiresHeaders => "No Responders Requires Headers",
            CloseReason::Kicked => "Kicked",
        }
    }

    /// The reason with this number, `None` for 0 or an unknown one.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        usize::from(code).checked_sub(1).and_then(|at| Self::ALL.get(at).copied())
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_found_by_its_number() {
        for reason in CloseReason::ALL {
            assert_eq!(CloseReason::from_code(reason as u8), Some(reason));
        }
        assert_eq!(CloseReason::from_code(0), None);
    }
}
