//! The nats.conf grammar: text in, a tree of values out, every key with its file, line and column.
//!
//! Two steps. [`syntax`] turns text into raw items with nom and knows neither variables nor other files; [`resolve`]
//! looks up variables, reads includes and yields the [`Map`] that the typed model is read from. Both are bounded: in
//! nesting, in bytes read and in values produced, because a config may come from a hand that is not the operator's.

mod digest;
mod error;
mod position;
mod resolve;
mod scalar;
mod surroundings;
mod syntax;
mod value;

pub use error::GrammarError;
pub use position::Position;
pub(crate) use resolve::io_reason;
pub(crate) use scalar::size;
pub use surroundings::{ProcessSurroundings, Surroundings};
pub use value::{Entry, Map, Node, Value};

/// Maps and arrays may be nested this deep.
pub const NESTING_MAX: usize = 128;
/// Includes may be nested this deep (`a` includes `b` includes `c` …).
pub const INCLUDE_DEPTH_MAX: usize = 16;
/// Bytes that one configuration may read from files and grow to by variables, all includes counted.
pub const EXPANDED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Reads the configuration file at `path`, its includes and variables.
pub fn parse_file(path: &str, surroundings: &dyn Surroundings) -> Result<Map, GrammarError> {
    resolve::Resolver::new(surroundings).file(path)
}

/// Reads configuration text that came from nowhere in particular; `name` stands for the file in messages.
pub fn parse_text(text: &str, name: &str, surroundings: &dyn Surroundings) -> Result<Map, GrammarError> {
    resolve::Resolver::new(surroundings).text(text, name)
}

/// The fingerprint nats-server prints for a configuration: `sha256:<hex>` over its values as sorted JSON.
pub fn digest(map: &Map) -> String {
    digest::of(map)
}
