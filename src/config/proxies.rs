//! `proxies { trusted [ {key: …} ] }`

use super::authorization::is_public_key;
use super::grammar::Node;
use super::keys::{Key, block, nested, unknown_field};
use super::report::{Problem, Report};

#[derive(Default)]
struct Proxies {
    trusted: Vec<String>,
}

#[derive(Default)]
struct Proxy {
    key: String,
}

const KEYS: &[Key<Proxies>] = &[nested!("trusted", [], trusted, read_trusted)];

const PROXY_KEYS: &[Key<Proxy>] = &[Key::new("key", &["public_key"], |proxy, node, _| {
    proxy.key = node.string()?;
    let known_kind =
        ['A', 'U', 'N', 'O', 'C', 'X'].into_iter().any(|prefix| is_public_key(&proxy.key, prefix));
    if known_kind { Ok(()) } else { Err(node.problem(format!("invalid proxy key {:?}", proxy.key))) }
})];

/// The public keys of proxies that are trusted.
pub(super) fn read(node: &Node, report: &mut Report) -> Result<Vec<String>, Problem> {
    block(KEYS, unknown_field, node, report).map(|proxies: Proxies| proxies.trusted)
}

fn read_trusted(node: &Node, report: &mut Report) -> Result<Vec<String>, Problem> {
    let key = |entry| block(PROXY_KEYS, unknown_field, entry, report).map(|proxy: Proxy| proxy.key);
    node.array()?.iter().map(key).collect()
}
