//! Leave to import a private export, signed by the exporter.

use std::collections::{BTreeMap, BTreeSet};

/// An activation token whose signature has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    /// The key that signed it.
    pub issuer: Box<str>,
    /// The account it was given to.
    pub subject: Box<str>,
    /// When it was given, in Unix seconds.
    pub issued_at: i64,
    /// When it ends, in Unix seconds; 0 for never.
    pub expires: i64,
}

impl Activation {
    /// Whether it lets `importer` in. Its time is up to whoever made it.
    pub(super) fn is_good_for(
        &self,
        importer: &str,
        issuers: &BTreeSet<Box<str>>,
        revoked: &BTreeMap<Box<str>, i64>,
    ) -> bool {
        let void = |key: &str| revoked.get(key).is_some_and(|until| *until >= self.issued_at);
        *self.subject == *importer && issuers.contains(&self.issuer) && !void(&self.subject) && !void("*")
    }
}
