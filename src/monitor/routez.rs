//! `/routez`: links to other servers of a cluster, of which a single server has none.

use serde::Serialize;

use super::number::time;
use super::source::Source;
use crate::clock::UnixNanos;

/// The answer of a server without a cluster.
#[derive(Debug, Serialize)]
pub struct Routez {
    pub server_id: String,
    pub server_name: String,
    #[serde(serialize_with = "time")]
    pub now: UnixNanos,
    pub num_routes: usize,
    pub routes: [(); 0],
}

/// Lists no links.
pub fn routez(source: &dyn Source) -> Routez {
    let server = source.server();
    Routez { server_id: server.id, server_name: server.name, now: source.now(), num_routes: 0, routes: [] }
}
