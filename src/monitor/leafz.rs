//! `/leafz`: leaf node links.

use serde::{Deserialize, Serialize};

use super::number::time;
use super::query::{BadRequest, Query};
use super::source::{Leaf, Source};
use crate::clock::UnixNanos;

/// Which links. As JSON these are the options of `$SYS` requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LeafzOptions {
    /// List subjects.
    pub subscriptions: bool,
    /// Only of this account, if not empty.
    pub account: String,
}

/// The answer.
#[derive(Debug, Serialize)]
pub struct Leafz {
    pub server_id: String,
    #[serde(serialize_with = "time")]
    pub now: UnixNanos,
    pub leafnodes: usize,
    pub leafs: Vec<Leaf>,
}

impl LeafzOptions {
    /// Reads the options of an HTTP request.
    pub fn from_query(query: &Query<'_>) -> Result<Self, BadRequest> {
        Ok(Self { subscriptions: query.bool("subs")?, account: query.text("acc").to_owned() })
    }
}

/// Lists links.
pub fn leafz(source: &dyn Source, options: &LeafzOptions) -> Leafz {
    let mut leafs = source.leafs();
    leafs.retain(|leaf| options.account.is_empty() || leaf.account == options.account);
    leafs.sort_unstable_by_key(|leaf| leaf.id);
    if !options.subscriptions {
        leafs.iter_mut().for_each(|leaf| leaf.subscriptions_list.clear());
    }
    Leafz { server_id: source.server().id, now: source.now(), leafnodes: leafs.len(), leafs }
}
