//! An account as it is held.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::jwt::AccountClaims;

/// An account's token and what it says.
pub struct Held {
    pub token: Box<str>,
    pub claims: AccountClaims,
    /// Some of its imports could not be brought about.
    incomplete: AtomicBool,
    /// It was removed, or its time is over.
    ended: AtomicBool,
}

impl Held {
    pub(super) fn new(token: &str, claims: AccountClaims) -> Self {
        Self {
            token: token.into(),
            claims,
            incomplete: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }
    }

    pub(super) fn is_incomplete(&self) -> bool {
        self.incomplete.load(Ordering::Relaxed)
    }

    pub(super) fn set_incomplete(&self, incomplete: bool) {
        self.incomplete.store(incomplete, Ordering::Relaxed);
    }

    /// Ends it; `false` if it had ended.
    pub(super) fn end(&self) -> bool {
        !self.ended.swap(true, Ordering::SeqCst)
    }

    /// Whether nobody may use it at this moment, in Unix seconds.
    pub fn is_expired_at(&self, now: i64) -> bool {
        let expires = self.claims.claims.expires;
        self.ended.load(Ordering::SeqCst) || (expires > 0 && expires <= now)
    }
}
