//! A client that comes or goes.

use headwater_protocol::jetstream::client_info::ClientInfo as Described;
use headwater_protocol::jetstream::timestamp::Timestamp;
use serde::Serialize;

use crate::account::GLOBAL_ACCOUNT;
use crate::monitor::client_kind;
use crate::router::ClientInfo;
use crate::server::ClosedClient;

/// The type of the event when a client has logged in.
pub(super) const CONNECT: &str = "io.nats.server.advisory.v1.client_connect";

/// The type of the event when a client has left or was not let in.
pub(super) const DISCONNECT: &str = "io.nats.server.advisory.v1.client_disconnect";

/// A client that has logged in.
#[derive(Debug, Serialize)]
pub(super) struct Connected {
    client: Described,
}

/// A client that has left.
#[derive(Debug, Serialize)]
pub(super) struct Gone {
    client: Described,
    /// By the client.
    sent: Volume,
    /// By the client.
    received: Volume,
    reason: &'static str,
}

#[derive(Debug, Serialize)]
struct Volume {
    msgs: u64,
    bytes: u64,
}

impl Connected {
    pub(super) fn of(info: &ClientInfo) -> Self {
        Self { client: Described { rtt: 0, ..described(info) } }
    }
}

impl Gone {
    pub(super) fn of(gone: &ClosedClient) -> Self {
        let traffic = gone.client.traffic;
        Self {
            client: Described { stop: Some(Timestamp(gone.stop)), ..described(&gone.client.info) },
            sent: Volume { msgs: traffic.in_msgs, bytes: traffic.in_bytes },
            received: Volume { msgs: traffic.out_msgs, bytes: traffic.out_bytes },
            reason: gone.reason.as_str(),
        }
    }
}

/// Clients that have not logged in count as the global account's.
pub(super) fn account_of(info: &ClientInfo) -> &str {
    if info.account.is_empty() { GLOBAL_ACCOUNT } else { &info.account }
}

fn described(info: &ClientInfo) -> Described {
    let (kind, client_type) = client_kind(info.kind);
    let account = account_of(info);
    Described {
        start: Some(Timestamp(info.start)),
        host: info.host.to_string(),
        id: info.cid,
        acc: account.to_owned(),
        user: info.user.to_string(),
        name: info.name.to_string(),
        lang: info.lang.to_string(),
        ver: info.version.to_string(),
        rtt: i64::try_from(info.rtt_nanos()).unwrap_or(i64::MAX),
        name_tag: if info.account.is_empty() { account.to_owned() } else { info.account_tag().to_string() },
        kind: kind.to_owned(),
        client_type: client_type.to_owned(),
        ..Described::default()
    }
}
