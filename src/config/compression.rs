//! `compression` of connections between servers.

use std::time::Duration;

use super::grammar::{Node, Value};
use super::keys::{Key, block, field};
use super::report::{Problem, Report};

/// How the two sides agree on compressing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compression {
    /// Absent: the default of the place it stands in.
    pub mode: Option<CompressionMode>,
    /// Round-trip times from which `s2_auto` compresses more.
    pub rtt_thresholds: Vec<Duration>,
}

/// What is asked of the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompressionMode {
    NotSupported,
    Off,
    Accept,
    S2Auto,
    S2Uncompressed,
    S2Fast,
    S2Better,
    S2Best,
}

const KEYS: &[Key<Compression>] = &[
    Key::new("mode", &[], |compression, node, _| {
        compression.mode = Some(mode(node, CompressionMode::S2Auto)?);
        Ok(())
    }),
    field!("rtt_thresholds", ["thresholds", "rtts", "rtt"], rtt_thresholds, thresholds),
];

/// Reads it for routes, where `on` means fast.
pub(super) fn read_for_routes(node: &Node, report: &mut Report) -> Result<Compression, Problem> {
    read(node, CompressionMode::S2Fast, report)
}

/// Reads it for leaf nodes, where `on` means to adapt to the round-trip time.
pub(super) fn read_for_leafnodes(node: &Node, report: &mut Report) -> Result<Compression, Problem> {
    read(node, CompressionMode::S2Auto, report)
}

fn read(node: &Node, on: CompressionMode, report: &mut Report) -> Result<Compression, Problem> {
    let of = |mode| Compression { mode: Some(mode), rtt_thresholds: Vec::new() };
    match &node.value {
        Value::Bool(true) => Ok(of(on)),
        Value::Bool(false) => Ok(of(CompressionMode::Off)),
        Value::Text(_) => Ok(of(mode(node, on)?)),
        Value::Map(_) => block(KEYS, super::keys::unknown_field, node, report),
        other => {
            let got = other.kind();
            Err(node.problem(format!("field \"compression\" should be a boolean or a structure, got {got}")))
        }
    }
}

fn mode(node: &Node, on: CompressionMode) -> Result<CompressionMode, Problem> {
    let text = node.text()?;
    match text.to_lowercase().as_str() {
        "not supported" | "not_supported" => Ok(CompressionMode::NotSupported),
        "off" | "disabled" | "false" => Ok(CompressionMode::Off),
        "accept" => Ok(CompressionMode::Accept),
        "on" | "enabled" | "true" => Ok(on),
        "auto" | "s2_auto" => Ok(CompressionMode::S2Auto),
        "s2_uncompressed" | "uncompressed" => Ok(CompressionMode::S2Uncompressed),
        "s2_fast" | "fast" => Ok(CompressionMode::S2Fast),
        "s2_better" | "better" => Ok(CompressionMode::S2Better),
        "s2_best" | "best" => Ok(CompressionMode::S2Best),
        _ => Err(node.problem(format!("unsupported compression mode {text:?}"))),
    }
}

fn thresholds(node: &Node) -> Result<Vec<Duration>, Problem> {
    let read = |value: &Node| match u64::try_from(value.nanos()?) {
        Ok(nanos) => Ok(Duration::from_nanos(nanos)),
        Err(_) => Err(value.problem("threshold can not be negative")),
    };
    node.array()?.iter().map(read).collect()
}
