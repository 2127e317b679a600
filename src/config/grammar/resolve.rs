//! Raw items to values: variables are looked up, includes are read.

use std::path::{Component, Path, PathBuf};

use super::error::GrammarError;
use super::position::Lines;
use super::surroundings::Surroundings;
use super::syntax::{self, Fault, FaultKind, Item, Raw, RawNode};
use super::value::{Entry, Map, Node, Value};
use super::{EXPANDED_BYTES_MAX, INCLUDE_DEPTH_MAX};

/// What a value costs besides its text, against [`EXPANDED_BYTES_MAX`].
const VALUE_BYTES: usize = 128;

/// A bare value that starts like this (after its `$`) is a bcrypt hash, not a variable.
const BCRYPT_PREFIX: &str = "2a$";

/// Reads one configuration: a file, all it includes and all its variables.
pub(super) struct Resolver<'s> {
    surroundings: &'s dyn Surroundings,
    bytes_left: usize,
    include_depth: usize,
    /// Environment variables being read right now, to notice one that refers to itself.
    environment_stack: Vec<String>,
}

/// The text being resolved and the maps open around the current place, innermost last.
struct Source<'t> {
    lines: &'t Lines,
    directory: &'t Path,
    scopes: Vec<Map>,
}

impl<'s> Resolver<'s> {
    pub(super) fn new(surroundings: &'s dyn Surroundings) -> Self {
        Self { surroundings, bytes_left: EXPANDED_BYTES_MAX, include_depth: 0, environment_stack: Vec::new() }
    }

    pub(super) fn file(&mut self, path: &str) -> Result<Map, GrammarError> {
        let unreadable = |reason: String| GrammarError::Unreadable { path: path.to_owned(), reason };
        let bytes = self.surroundings.read(path, self.bytes_left).map_err(|e| unreadable(io_reason(&e)))?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable("not UTF-8 text".to_owned()))?;
        self.text(&text, path)
    }

    pub(super) fn text(&mut self, text: &str, name: &str) -> Result<Map, GrammarError> {
        self.spend(text.len())?;
        let lines = Lines::new(name, text);
        let items = syntax::document(text).map_err(|fault| describe(fault, &lines))?;
        let directory = Path::new(name).parent().unwrap_or(Path::new("")).to_owned();
        let mut source = Source { lines: &lines, directory: &directory, scopes: Vec::new() };
        self.map(items, &mut source)
    }

    fn map(&mut self, items: Vec<Item<'_>>, source: &mut Source<'_>) -> Result<Map, GrammarError> {
        source.scopes.push(Map::default());
        for item in items {
            match item {
                Item::Entry { key, remaining, value } => {
                    let mut node = self.node(value, source)?;
                    node.at = source.lines.position(remaining);
                    self.spend(key.len())?;
                    set(source, Entry { key: key.into(), node, used_as_variable: false });
                }
                Item::Include { path, .. } => {
                    for entry in self.include(path, source.directory)? {
                        set(source, entry);
                    }
                }
            }
        }
        Ok(source.scopes.pop().unwrap_or_default())
    }

    fn node(&mut self, node: RawNode<'_>, source: &mut Source<'_>) -> Result<Node, GrammarError> {
        self.spend(VALUE_BYTES)?;
        let value = match node.raw {
            Raw::Bool(value) => Value::Bool(value),
            Raw::Integer(value) => Value::Integer(value),
            Raw::Float(value) => Value::Float(value),
            Raw::DateTime(text) => Value::DateTime(text.to_owned()),
            Raw::Text(text) => Value::Text(text.into_owned()),
            Raw::Variable(name) => self.variable(name, node.remaining, source)?,
            Raw::Map(items) => Value::Map(self.map(items, source)?),
            Raw::Array(values) => Value::Array(
                values.into_iter().map(|value| self.node(value, source)).collect::<Result<_, _>>()?,
            ),
        };
        Ok(Node { value, at: source.lines.position(node.remaining) })
    }

    /// A key of the current or any enclosing map, else a variable of the environment.
    fn variable(
        &mut self,
        name: &str,
        remaining: usize,
        source: &mut Source<'_>,
    ) -> Result<Value, GrammarError> {
        if name.starts_with(BCRYPT_PREFIX) {
            return Ok(Value::Text(format!("${name}")));
        }
        if let Some(entry) = source.scopes.iter_mut().rev().find_map(|scope| scope.get_mut(name)) {
            entry.used_as_variable = true;
            let cost = cost(&entry.node.value);
            let value = entry.node.value.clone();
            self.spend(cost)?;
            return Ok(value);
        }
        let line = source.lines.line(remaining);
        match self.environment(name) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(GrammarError::VariableNotFound { name: name.to_owned(), line }),
            Err(reason) => Err(GrammarError::VariableUnreadable { name: name.to_owned(), line, reason }),
        }
    }

    /// The text of an environment variable is read as a value would be.
    fn environment(&mut self, name: &str) -> Result<Option<Value>, String> {
        const KEY: &str = "pk";
        if self.environment_stack.iter().any(|open| open == name) {
            return Err(format!("variable reference cycle for '{name}'"));
        }
        let Some(text) = self.surroundings.variable(name) else {
            return Ok(None);
        };
        self.environment_stack.push(name.to_owned());
        let map = self.text(&format!("{KEY}={text}"), "").map_err(|error| error.to_string());
        self.environment_stack.pop();
        Ok(map?.get(KEY).map(|entry| entry.node.value.clone()))
    }

    fn include(&mut self, path: &str, directory: &Path) -> Result<Map, GrammarError> {
        if self.include_depth >= INCLUDE_DEPTH_MAX {
            return Err(GrammarError::TooLarge { reason: "includes are nested too deep" });
        }
        let beside = clean(&directory.join(path.trim_start_matches('/')));
        self.include_depth += 1;
        let map = self.file(&beside).or_else(|cause| match cause {
            GrammarError::Unreadable { .. } if path.starts_with('/') => self.file(path).map_err(|_| cause),
            cause => Err(cause),
        });
        self.include_depth -= 1;
        map.map_err(|cause| GrammarError::Include { path: path.to_owned(), cause: Box::new(cause) })
    }

    fn spend(&mut self, bytes: usize) -> Result<(), GrammarError> {
        let reason = "configuration is too large with all its includes and variables";
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or(GrammarError::TooLarge { reason })?;
        Ok(())
    }
}

fn set(source: &mut Source<'_>, entry: Entry) {
    if let Some(map) = source.scopes.last_mut() {
        map.insert(entry);
    }
}

fn cost(value: &Value) -> usize {
    VALUE_BYTES
        + match value {
            Value::Text(text) | Value::DateTime(text) => text.len(),
            Value::Array(values) => values.iter().map(|node| cost(&node.value)).sum(),
            Value::Map(map) => map.iter().map(|entry| entry.key.len() + cost(&entry.node.value)).sum(),
            _ => 0,
        }
}

fn describe(fault: Fault, lines: &Lines) -> GrammarError {
    let remaining = fault.remaining.unwrap_or_default();
    match fault.kind {
        FaultKind::Syntax(reason) => {
            GrammarError::Syntax { line: lines.line(remaining), reason: reason.into_owned() }
        }
        FaultKind::Number(reason) => GrammarError::Number { reason },
        FaultKind::KeyWithoutValue => GrammarError::KeyWithoutValue { at: lines.position(remaining) },
    }
}

/// The path without `.` and with `..` taken back, as it appears in messages.
fn clean(path: &Path) -> String {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if cleaned.file_name().is_some() => {
                cleaned.pop();
            }
            other => cleaned.push(other),
        }
    }
    cleaned.to_string_lossy().into_owned()
}

/// The reason of an IO error in the words of the operating system, in lower case and without its number.
pub(crate) fn io_reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
