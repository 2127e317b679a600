//! `http_auth { … }`: who may look at the monitoring endpoints. nats-server has no such thing.

use super::diff::Shown;
use super::grammar::Node;
use super::keys::{Key, block, field, unknown_field};
use super::report::{Problem, Report};
use super::secret::Secret;

/// What someone who asks for monitoring has to show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpAuth {
    pub user: Option<String>,
    /// In the clear or as a bcrypt hash.
    pub password: Option<Secret>,
    /// A certificate of the `tls` block's `ca_file`, on the https port.
    pub client_certificate: bool,
}

const KEYS: &[Key<HttpAuth>] = &[
    field!("user", ["username"], user, Node::name),
    field!("password", ["pass"], password, Node::secret),
    field!("client_certificate", ["verify"], client_certificate, Node::bool),
];

/// Reads the block, which has to ask for something.
pub(super) fn read(node: &Node, report: &mut Report) -> Result<Option<HttpAuth>, Problem> {
    let auth = block(KEYS, unknown_field, node, report)?;
    if auth.user.is_some() != auth.password.is_some() {
        return Err(node.problem("http_auth needs both a user and a password"));
    }
    if auth.user.is_none() && !auth.client_certificate {
        return Err(node.problem("http_auth needs a user and a password, or client_certificate"));
    }
    Ok(Some(auth))
}

impl Shown for HttpAuth {
    fn shown(&self) -> String {
        "[hidden]".to_owned()
    }
}
