//! `write_timeout`: what happens to a connection that does not take its data in time.

use super::diff::Shown;
use super::grammar::Node;
use super::report::Problem;

/// The policy for a connection whose write deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WriteTimeout {
    /// Close clients, retry other servers.
    #[default]
    Default,
    Close,
    Retry,
}

impl Shown for WriteTimeout {
    fn shown(&self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

pub(super) fn read(node: &Node) -> Result<WriteTimeout, Problem> {
    match node.text()? {
        "default" => Ok(WriteTimeout::Default),
        "close" => Ok(WriteTimeout::Close),
        "retry" => Ok(WriteTimeout::Retry),
        _ => Err(node.problem("write_timeout must be 'default', 'close' or 'retry'")),
    }
}
