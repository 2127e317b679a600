//! `log_format`: what a log line looks like. nats-server has no such thing.

use super::diff::Shown;
use super::grammar::Node;
use super::report::Problem;

/// What a log line looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// As nats-server writes it.
    #[default]
    Text,
    /// A JSON object per line.
    Json,
}

impl Shown for LogFormat {
    fn shown(&self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

pub(super) fn read(node: &Node) -> Result<LogFormat, Problem> {
    match node.text()? {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(node.problem("log_format must be 'text' or 'json'")),
    }
}
