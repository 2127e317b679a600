//! The tree a configuration file becomes.

use std::collections::HashMap;
use std::sync::Arc;

use super::position::Position;

/// A value and the place that a message about it should point to: the key for entries of a map, the value itself in
/// an array.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub value: Value,
    pub at: Position,
}

/// What can stand to the right of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Bool(bool),
    Integer(i64),
    Float(f64),
    /// `2006-01-02T15:04:05Z`, kept as written.
    DateTime(String),
    Text(String),
    Array(Vec<Node>),
    Map(Map),
}

impl Value {
    /// What an operator calls this kind of value.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::Integer(_) => "integer",
            Self::Float(_) => "float",
            Self::DateTime(_) => "datetime",
            Self::Text(_) => "string",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
        }
    }

    /// [`Value::kind`] with its article.
    pub fn a_kind(&self) -> String {
        let article = if matches!(self, Self::Integer(_) | Self::Array(_)) { "an" } else { "a" };
        format!("{article} {}", self.kind())
    }
}

/// One `key: value` of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: Arc<str>,
    pub node: Node,
    /// Some later value refers to this entry as `$key`; such an entry need not be a known directive.
    pub used_as_variable: bool,
}

/// Entries in the order written; a key written twice keeps its last value.
#[derive(Debug, Clone, Default)]
pub struct Map {
    entries: Vec<Entry>,
    by_key: HashMap<Arc<str>, usize>,
}

impl Map {
    /// The entry with exactly this key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.by_key.get(key).and_then(|&at| self.entries.get(at))
    }

    /// The entries in the order written.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.entries.iter()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        let at = *self.by_key.get(key)?;
        self.entries.get_mut(at)
    }

    pub(super) fn insert(&mut self, entry: Entry) {
        match self.get_mut(&entry.key) {
            Some(earlier) => *earlier = entry,
            None => {
                self.by_key.insert(entry.key.clone(), self.entries.len());
                self.entries.push(entry);
            }
        }
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl IntoIterator for Map {
    type Item = Entry;
    type IntoIter = std::vec::IntoIter<Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}
