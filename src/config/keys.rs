//! The key table of a block: every directive is one row, and everything that is to be known about it stands there.
//!
//! A row says how a directive is called, how it is read and what a reload may do with a change of it. Unknown-field
//! messages, reading and the reload rules all come from the rows.

use super::diff::Changes;
use super::grammar::{Map, Node, Value};
use super::report::{Problem, Report};

/// What reading one directive gives.
pub(super) type Outcome = Result<(), Problem>;

/// One directive of a block whose typed form is `T`.
pub struct Key<T: 'static> {
    /// The name this server writes.
    pub name: &'static str,
    /// Other names it reads; all are matched without regard to case.
    pub synonyms: &'static [&'static str],
    pub(super) read: fn(&mut T, &Node, &mut Report) -> Outcome,
    pub(super) changes: fn(&T, &T, &mut Changes),
}

impl<T> Key<T> {
    /// A row whose changes are covered by another row or do not matter to a running server.
    pub(super) const fn new(
        name: &'static str,
        synonyms: &'static [&'static str],
        read: fn(&mut T, &Node, &mut Report) -> Outcome,
    ) -> Self {
        Self { name, synonyms, read, changes: |_, _, _| {} }
    }

    /// A row that knows what a reload does when its field differs.
    pub(super) const fn watched(
        name: &'static str,
        synonyms: &'static [&'static str],
        read: fn(&mut T, &Node, &mut Report) -> Outcome,
        changes: fn(&T, &T, &mut Changes),
    ) -> Self {
        Self { name, synonyms, read, changes }
    }

    fn is_called(&self, key: &str) -> bool {
        self.name.eq_ignore_ascii_case(key) || self.synonyms.iter().any(|name| name.eq_ignore_ascii_case(key))
    }
}

/// How a block words its complaint about a key it does not know.
pub(super) type Unknown = fn(&str) -> String;

/// The usual wording.
pub(super) fn unknown_field(key: &str) -> String {
    format!("unknown field {key:?}")
}

/// Reads every entry of `node`, which has to be a map, into `target`; complaints go to `report`.
pub(super) fn read_block<T>(
    keys: &[Key<T>],
    unknown: Unknown,
    target: &mut T,
    node: &Node,
    report: &mut Report,
) -> Outcome {
    match &node.value {
        Value::Map(map) => {
            read_map(keys, unknown, target, map, report);
            Ok(())
        }
        other => Err(Problem::at(&node.at, format!("expected a map, got {}", other.a_kind()))),
    }
}

/// As [`read_block`], starting from the defaults.
pub(super) fn block<T: Default>(
    keys: &[Key<T>],
    unknown: Unknown,
    node: &Node,
    report: &mut Report,
) -> Result<T, Problem> {
    let mut target = T::default();
    read_block(keys, unknown, &mut target, node, report)?;
    Ok(target)
}

/// As [`read_block`], for a map that is at hand.
pub(super) fn read_map<T>(keys: &[Key<T>], unknown: Unknown, target: &mut T, map: &Map, report: &mut Report) {
    for entry in map.iter() {
        match keys.iter().find(|key| key.is_called(&entry.key)) {
            Some(key) => {
                if let Err(problem) = (key.read)(target, &entry.node, report) {
                    report.error(problem);
                }
            }
            None if entry.used_as_variable => {}
            None => report.error(Problem::at(&entry.node.at, unknown(&entry.key))),
        }
    }
}

/// A row for a directive that fills one field, as
/// `field!("max_payload", [], limits.payload_bytes_max, Node::payload_bytes)`; with a reload rule
/// `field!(…, live("MaxPayload", "max_payload = {}"))` or `field!(…, restart("MaxPending"))`, or with a function that
/// compares two configurations.
macro_rules! field {
    ($name:literal, [$($synonym:literal),*], $($path:ident).+, $read:expr $(, $($rule:tt)+)?) => {
        $crate::config::keys::row!(
            $name, [$($synonym),*], ($($path).+), |node, _report| $read(node)? $(, $($rule)+)?
        )
    };
}

/// A row for a directive that fills one field with a duration in Go syntax.
macro_rules! timed {
    ($name:literal, [$($synonym:literal),*], $($path:ident).+ $(, $($rule:tt)+)?) => {
        $crate::config::keys::row!(
            $name, [$($synonym),*], ($($path).+), |node, report| node.duration($name, report)?.into() $(, $($rule)+)?
        )
    };
}

/// A row for a block that has a reader of its own.
macro_rules! nested {
    ($name:literal, [$($synonym:literal),*], $($path:ident).+, $read:expr $(, $($rule:tt)+)?) => {
        $crate::config::keys::row!(
            $name, [$($synonym),*], ($($path).+), |node, report| $read(node, report)? $(, $($rule)+)?
        )
    };
}

/// What the other row macros come down to.
macro_rules! row {
    ($name:literal, $synonyms:tt, ($($path:tt)+), |$node:ident, $report:ident| $value:expr) => {
        $crate::config::keys::Key::new($name, &$synonyms, |target, $node, $report| {
            target.$($path)+ = $value;
            Ok(())
        })
    };
    (
        $name:literal, $synonyms:tt, ($($path:tt)+), |$node:ident, $report:ident| $value:expr,
        $rule:ident($($argument:literal),+)
    ) => {
        $crate::config::keys::row!(
            $name, $synonyms, ($($path)+), |$node, $report| $value,
            |old, new, changes| changes.$rule(&old.$($path)+, &new.$($path)+, $($argument),+)
        )
    };
    ($name:literal, $synonyms:tt, ($($path:tt)+), |$node:ident, $report:ident| $value:expr, $changes:expr) => {
        $crate::config::keys::Key::watched(
            $name,
            &$synonyms,
            |target, $node, $report| {
                target.$($path)+ = $value;
                Ok(())
            },
            $changes,
        )
    };
}

pub(super) use {field, nested, row, timed};
