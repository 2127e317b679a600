//! `/gatewayz`: links between clusters, of which a single server has none.

use serde::Serialize;

use super::number::time;
use super::source::Source;
use super::varz::Absent;
use crate::clock::UnixNanos;

/// The answer of a server without gateways.
#[derive(Debug, Serialize)]
pub struct Gatewayz {
    pub server_id: String,
    #[serde(serialize_with = "time")]
    pub now: UnixNanos,
    pub outbound_gateways: Absent,
    pub inbound_gateways: Absent,
}

/// Lists no links.
pub fn gatewayz(source: &dyn Source) -> Gatewayz {
    Gatewayz {
        server_id: source.server().id,
        now: source.now(),
        outbound_gateways: Absent {},
        inbound_gateways: Absent {},
    }
}
