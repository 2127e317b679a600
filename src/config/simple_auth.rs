//! The small `authorization` block that WebSocket and MQTT can have of their own.

use std::time::Duration;

use super::grammar::Node;
use super::keys::{Key, block, field, unknown_field};
use super::report::{Problem, Report};
use super::secret::Secret;

/// One user or one token for a listener.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SimpleAuth {
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub token: Option<Secret>,
    pub timeout: Option<Duration>,
}

const KEYS: &[Key<SimpleAuth>] = &[
    field!("user", ["username"], user, Node::name),
    field!("password", ["pass"], password, Node::secret),
    field!("token", [], token, Node::secret),
    Key::new("timeout", &[], |auth, node, _| {
        auth.timeout = Some(node.seconds()?);
        Ok(())
    }),
];

pub(super) fn read(node: &Node, report: &mut Report) -> Result<SimpleAuth, Problem> {
    block(KEYS, unknown_field, node, report)
}
