//! Enumerations that are words on the wire.

use std::fmt;

use super::from_json::JsonError;
use super::json::{Json, quoted};

/// How Go words its refusal of an unknown value.
pub(super) enum Refusal {
    /// `can not unmarshal "\"foo\""`
    CanNotUnmarshal,
    /// `unknown consumer action: "foo"`
    Unknown(&'static str),
    /// Always the same text.
    Fixed(&'static str),
}

/// The index of the word `json` holds; `null` is no word.
pub(super) fn word_index(
    json: &Json,
    words: &[&str],
    same: fn(&str, &str) -> bool,
    refusal: &Refusal,
) -> Result<usize, JsonError> {
    let found = match json {
        Json::Text(text) => words.iter().position(|word| same(word, text)),
        _ => None,
    };
    found.ok_or_else(|| refuse(json, refusal))
}

fn refuse(json: &Json, refusal: &Refusal) -> JsonError {
    let literal = json.literal();
    JsonError::new(match refusal {
        Refusal::CanNotUnmarshal => format!("can not unmarshal {}", quoted(&literal)),
        Refusal::Unknown(what) => format!("unknown {what}: {literal}"),
        Refusal::Fixed(text) => (*text).to_owned(),
    })
}

/// Equality of words, for [`text_enum!`].
pub(super) fn exact(a: &str, b: &str) -> bool {
    a == b
}

/// Equality of words whatever their case, for [`text_enum!`].
pub(super) fn any_case(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Shows a word as JSON does.
pub(super) fn show(word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.pad(word)
}

/// Declares an enum whose variants are words; the first is the zero value. Words after `also` are read, not written.
macro_rules! text_enum {
    (
        $(#[$meta:meta])*
        $name:ident, $same:ident, $refusal:expr;
        $(#[$first_meta:meta])* $first:ident = $first_word:literal,
        $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)*
        $(; also $alias_word:literal = $alias:ident)?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub enum $name {
            $(#[$first_meta])*
            #[default]
            $first,
            $($(#[$variant_meta])* $variant,)*
        }

        impl $name {
            const WORDS: &[&str] = &[$first_word, $($word,)* $($alias_word,)?];
            const VARIANTS: &[$name] = &[$name::$first, $($name::$variant,)* $($name::$alias,)?];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                Self::WORDS[self as usize]
            }

            /// Whether this is the zero value.
            pub fn is_default(&self) -> bool {
                *self == Self::default()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::jetstream::text_enum::show(self.as_str(), f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl $crate::jetstream::from_json::FromJson for $name {
            fn read(
                &mut self,
                json: $crate::jetstream::json::Json,
                _: &$crate::jetstream::from_json::Place<'_>,
            ) -> Result<(), $crate::jetstream::from_json::JsonError> {
                use $crate::jetstream::text_enum::{Refusal, $same, word_index};
                let refusal: Refusal = $refusal;
                let index = word_index(&json, Self::WORDS, $same, &refusal)?;
                *self = Self::VARIANTS.get(index).copied().unwrap_or_default();
                Ok(())
            }
        }
    };
}
pub(crate) use text_enum;
