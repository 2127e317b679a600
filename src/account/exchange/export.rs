//! What an account offers to others.

use std::collections::{BTreeMap, BTreeSet};

use headwater_protocol::subject;

use super::activation::Activation;
use super::latency::LatencyTerms;
use crate::clock::UnixNanos;

/// How long a request waits for its first answer, and for each further one, unless the export says otherwise.
pub const RESPONSE_THRESHOLD: UnixNanos = 2 * 60 * 1_000_000_000;

/// Something an account offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// With or without wildcards.
    pub subject: Box<str>,
    /// Who may import it.
    pub approval: Approval,
    /// What it is.
    pub kind: ExportKind,
}

/// Messages flow out of a stream and into a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportKind {
    /// Everybody who imports it sees its messages.
    Stream,
    /// It answers requests.
    Service(ServiceTerms),
}

/// How an exported service answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceTerms {
    /// How many answers a request gets.
    pub responses: Responses,
    /// How long a request waits for an answer, in nanoseconds.
    pub threshold_nanos: UnixNanos,
    /// Whether and how requests are measured.
    pub latency: Option<LatencyTerms>,
    /// Whether the traces of messages follow them into the service.
    pub allow_trace: bool,
}

impl Default for ServiceTerms {
    fn default() -> Self {
        Self {
            responses: Responses::Single,
            threshold_nanos: RESPONSE_THRESHOLD,
            latency: None,
            allow_trace: false,
        }
    }
}

/// How many answers a request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Responses {
    /// One.
    #[default]
    Single,
    /// Any number, until an empty one or a pause longer than the threshold.
    Stream,
    /// One in pieces; ends as a stream does.
    Chunked,
}

/// Who may import an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// Every account.
    Everyone,
    /// These accounts.
    Accounts(BTreeSet<Box<str>>),
    /// Every account for itself: this token of the subject, counted from 1, has to be its name.
    AccountToken(usize),
    /// Who has an activation token signed by one of these keys, and not revoked.
    Activation {
        /// The account's own key and its signing keys.
        issuers: BTreeSet<Box<str>>,
        /// Importing account, or `*`, to the Unix second up to which tokens are void.
        revoked: BTreeMap<Box<str>, i64>,
    },
}

impl Export {
    /// Whether it is a service.
    pub fn is_service(&self) -> bool {
        matches!(self.kind, ExportKind::Service(_))
    }

    /// Whether it covers an import of `wanted`.
    pub(super) fn covers(&self, wanted: &str) -> bool {
        *self.subject == *wanted || subject::is_subset(wanted.as_bytes(), self.subject.as_bytes())
    }

    /// Whether `importer` may import `wanted`.
    pub(super) fn approves(&self, importer: &str, wanted: &str, activation: Option<&Activation>) -> bool {
        match &self.approval {
            Approval::Everyone => true,
            Approval::Accounts(accounts) => accounts.contains(importer),
            // The whole export at once is nobody's own.
            Approval::AccountToken(_) if *self.subject == *wanted => false,
            Approval::AccountToken(position) => wanted.split('.').nth(position - 1) == Some(importer),
            Approval::Activation { issuers, revoked } => {
                activation.is_some_and(|token| token.is_good_for(importer, issuers, revoked))
            }
        }
    }

    /// Whether the export itself makes sense.
    pub(super) fn is_valid(&self) -> bool {
        let token_is_wild = match self.approval {
            Approval::AccountToken(position) => {
                position.checked_sub(1).and_then(|at| self.subject.split('.').nth(at)) == Some("*")
            }
            _ => true,
        };
        token_is_wild && subject::is_valid(self.subject.as_bytes())
    }
}
