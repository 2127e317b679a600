//! A reload that was asked for with a request.

use std::sync::Arc;

use super::desk::Desk;
use crate::account::Account;
use crate::router::{Dispatch, Message};

/// Reloads that may wait; more are refused.
pub const RELOADS_WAITING_MAX: usize = 4;

/// Somebody wants the configuration reloaded and hear how that went.
pub struct ReloadRequest {
    desk: Arc<Desk>,
    account: Arc<Account>,
    reply: Box<[u8]>,
}

impl ReloadRequest {
    pub(super) fn new(desk: Arc<Desk>, account: Arc<Account>, reply: &[u8]) -> Self {
        Self { desk, account, reply: reply.into() }
    }

    /// Says how it went.
    pub fn answer(self, outcome: Result<(), String>) {
        if self.reply.is_empty() {
            return;
        }
        let answer = self.desk.done(outcome);
        let message = Message { subject: &self.reply, payload: &answer, ..Message::default() };
        self.account.publish(&mut Dispatch::internal(), &message);
    }
}
