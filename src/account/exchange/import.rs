//! What an account uses of another.

use std::fmt;
use std::sync::Arc;

use headwater_protocol::subject::transform::{Transform, TransformError, placeholders};
use headwater_protocol::subject::{has_wildcards, intersection, is_subset, is_valid};

use super::activation::Activation;
use super::export::Export;
use crate::router::Naming;

/// An import as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportTerms {
    /// The exporting account.
    pub account: Box<str>,
    /// What is imported, in the words of the exporting account.
    pub subject: Box<str>,
    /// What it is, and what it is called here.
    pub kind: ImportKind,
    /// Leave to import it, if that takes one.
    pub activation: Option<Activation>,
}

/// What an import is, and what it is called in the importing account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportKind {
    /// A stream.
    Stream {
        /// What messages are called here.
        local: Local,
        /// Whether the traces of messages follow them here.
        allow_trace: bool,
    },
    /// A service.
    Service {
        /// Where requests are sent here.
        to: Box<str>,
        /// Whether the service is told all about the requestor.
        share: bool,
    },
}

/// What the messages of an imported stream are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Local {
    /// As in the exporting account.
    Same,
    /// The same behind a prefix.
    Prefix(Box<str>),
    /// Something else.
    To(Box<str>),
}

/// An import that is allowed and understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Import {
    /// Of a stream.
    Stream(StreamImport),
    /// Of a service.
    Service(ServiceImport),
}

/// An imported stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamImport {
    /// The exporting account.
    pub account: Box<str>,
    /// What is imported, in the words of the exporting account.
    pub remote: Box<str>,
    /// What it is called here, with wildcards.
    pub local: Box<str>,
    /// From there to here.
    pub naming: Naming,
    /// From here to there, where that takes a transform.
    back: Option<Transform>,
    /// Whether the traces of messages follow them here.
    pub allow_trace: bool,
}

/// An imported service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceImport {
    /// The exporting account.
    pub account: Box<str>,
    /// What is imported, in the words of the exporting account.
    pub remote: Box<str>,
    /// Where requests are sent here, with wildcards.
    pub local: Box<str>,
    /// From here to there.
    pub naming: Naming,
    /// Whether the service is told all about the requestor.
    pub share: bool,
    /// What is imported.
    pub export: Arc<Export>,
}

/// Why something cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportError {
    /// There is no such account.
    AccountMissing,
    /// The stream is not exported, or not to this account.
    StreamNotAuthorized,
    /// The service is not exported, or not to this account.
    ServiceNotAuthorized,
    /// It is imported already.
    StreamDuplicate,
    /// Its local subject is taken.
    ServiceDuplicate { to: Box<str>, account: Box<str>, subject: Box<str> },
    /// The prefix has wildcards.
    BadPrefix,
    /// A subject is not valid.
    InvalidSubject,
    /// Messages would go round in circles.
    Cycle,
    /// The subjects cannot be translated into each other.
    Transform { kind: &'static str, from: Box<str>, to: Box<str>, error: TransformError },
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccountMissing => f.write_str("account missing"),
            Self::StreamNotAuthorized => f.write_str("stream import not authorized"),
            Self::ServiceNotAuthorized => f.write_str("service import not authorized"),
            Self::StreamDuplicate => f.write_str("stream import already exists"),
            Self::BadPrefix => f.write_str("stream import prefix can not contain wildcard tokens"),
            Self::InvalidSubject => f.write_str("sublist: invalid subject"),
            Self::Cycle => f.write_str("import forms a cycle"),
            Self::ServiceDuplicate { to, account, subject } => write!(
                f,
                "duplicate service import subject {to:?}, previously used in import for account {account:?}, subject {subject:?}"
            ),
            Self::Transform { kind, from, to, error } => write!(
                f,
                "failed to create mapping transform for {kind} import subject from {from:?} to {to:?}: {error}"
            ),
        }
    }
}

impl std::error::Error for ImportError {}

impl Import {
    /// The exporting account.
    pub fn account(&self) -> &str {
        match self {
            Self::Stream(import) => &import.account,
            Self::Service(import) => &import.account,
        }
    }
}

impl StreamImport {
    pub(super) fn compile(
        terms: &ImportTerms,
        local: &Local,
        allow_trace: bool,
    ) -> Result<Self, ImportError> {
        let remote = &terms.subject;
        let local: Box<str> = match local {
            Local::Same => remote.clone(),
            Local::To(to) => to.clone(),
            Local::Prefix(prefix) => {
                let prefix = prefix.strip_suffix('.').unwrap_or(prefix);
                if !headwater_protocol::subject::is_literal(prefix.as_bytes()) {
                    return Err(ImportError::BadPrefix);
                }
                format!("{prefix}.{remote}").into()
            }
        };
        let (naming, back) = match has_wildcards(remote.as_bytes()) {
            _ if local == *remote => (Naming::Same, None),
            false => (Naming::Fixed(local.clone()), None),
            true => {
                let transform = strict(remote, &local)
                    .map_err(|error| untranslatable("stream", remote, &local, error))?;
                let back = transform.reverse().ok_or(ImportError::InvalidSubject)?;
                (Naming::Transformed(Arc::new(transform)), Some(back))
            }
        };
        let local = as_filter(&naming, local)?;
        Ok(Self { account: terms.account.clone(), remote: remote.clone(), local, naming, back, allow_trace })
    }

    /// What a subscription in the importing account has to subscribe to in the exporting one; `None` if the import does not concern
    /// it.
    pub fn remote_for(&self, subscription: &[u8]) -> Option<Vec<u8>> {
        let local = self.local.as_bytes();
        if subscription == local || is_subset(local, subscription) {
            return Some(self.remote.as_bytes().to_vec());
        }
        let narrowed = intersection(subscription, local)?;
        match (&self.naming, &self.back) {
            (Naming::Same, _) => Some(narrowed),
            (_, Some(back)) => back.apply_to_filter(&narrowed),
            (_, None) => Some(self.remote.as_bytes().to_vec()),
        }
    }
}

impl ServiceImport {
    pub(super) fn compile(
        terms: &ImportTerms,
        to: &str,
        share: bool,
        export: Arc<Export>,
    ) -> Result<Self, ImportError> {
        let remote = &terms.subject;
        let (naming, local) = match has_wildcards(remote.as_bytes()) {
            _ if to == &**remote => (Naming::Same, to.into()),
            false => (Naming::Fixed(remote.clone()), to.into()),
            true => {
                let forth =
                    strict(remote, to).map_err(|error| untranslatable("service", to, remote, error))?;
                let local = forth.destination_as_filter().ok_or(ImportError::InvalidSubject)?;
                let back = forth.reverse().ok_or(ImportError::InvalidSubject)?;
                (Naming::Transformed(Arc::new(back)), local.into())
            }
        };
        Ok(Self { account: terms.account.clone(), remote: remote.clone(), local, naming, share, export })
    }
}

/// A transform of an import: wildcards of the destination stand for those of the source, in order.
fn strict(source: &str, destination: &str) -> Result<Transform, TransformError> {
    Transform::new_strict(source, &placeholders(destination))
}

fn untranslatable(kind: &'static str, from: &str, to: &str, error: TransformError) -> ImportError {
    ImportError::Transform { kind, from: from.into(), to: to.into(), error }
}

fn as_filter(naming: &Naming, local: Box<str>) -> Result<Box<str>, ImportError> {
    let filter = match naming {
        Naming::Transformed(transform) => transform.destination_as_filter().map(Into::into),
        _ => Some(local),
    };
    filter.filter(|filter| is_valid(filter.as_bytes())).ok_or(ImportError::InvalidSubject)
}
