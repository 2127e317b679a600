//! A JSON object made of several structs: their entries side by side, without intermediate values.

use serde::Serialize;

/// An object being written.
pub(super) struct ObjectWriter(Vec<u8>);

impl ObjectWriter {
    /// An object whose first entry is its `type`, a word without need for escapes.
    pub(super) fn typed(type_prefix: &str, type_name: &str) -> Self {
        let mut out = Vec::with_capacity(512);
        for part in ["{\"type\":\"", type_prefix, type_name, "\""] {
            out.extend_from_slice(part.as_bytes());
        }
        Self(out)
    }

    /// An object whose first entry is written already.
    pub(super) fn begun(first_entry: Option<&[u8]>) -> Self {
        Self(first_entry.unwrap_or(b"{\"type\":\"\"").to_vec())
    }

    /// Adds the entries of `object`, which has to be written as an object.
    pub(super) fn entries(mut self, object: &impl Serialize) -> Self {
        let start = self.0.len();
        // Writing to a Vec does not fail, and no type here has keys that are no strings.
        let _ = serde_json::to_writer(&mut self.0, object);
        self.0.pop();
        let empty = self.0.len() <= start + 1;
        match self.0.get_mut(start) {
            Some(brace) if !empty => *brace = b',',
            _ => self.0.truncate(start),
        }
        self
    }

    /// Adds one entry.
    pub(super) fn entry(mut self, key: &str, value: &impl Serialize) -> Self {
        for part in [",\"", key, "\":"] {
            self.0.extend_from_slice(part.as_bytes());
        }
        // As above.
        let _ = serde_json::to_writer(&mut self.0, value);
        self
    }

    /// Adds entries that are JSON already, beginning with a comma if any.
    pub(super) fn raw(mut self, entries: &str) -> Self {
        self.0.extend_from_slice(entries.as_bytes());
        self
    }

    /// The whole object.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn entries_of_several_structs_stand_side_by_side() {
        let empty = BTreeMap::<String, u8>::new();
        let two: BTreeMap<_, _> = [("a", 1), ("b", 2)].into();
        let written =
            ObjectWriter::typed("io.", "x").entries(&empty).entries(&two).entry("c", &[3]).raw(",\"d\":4");
        assert_eq!(written.finish(), br#"{"type":"io.x","a":1,"b":2,"c":[3],"d":4}"#);
        assert_eq!(ObjectWriter::typed("", "x").entries(&empty).finish(), br#"{"type":"x"}"#);
    }
}
