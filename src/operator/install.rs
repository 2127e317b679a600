//! Bringing about what account tokens say.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::held::Held;
use super::{Operator, terms};
use crate::account::{Account, Ledger, Mappings};
use crate::assemble::system_exports;
use crate::jwt::AccountClaims;
use crate::router::{CloseReason, Receiver};
use crate::server::Server;

impl Operator {
    /// Takes over accounts, new ones and changed ones.
    pub(super) fn install(&self, new: Vec<(String, AccountClaims)>) {
        let Some(server) = self.server.upgrade().filter(|_| !new.is_empty()) else { return };
        let mut ledger = self.ledger.lock();
        let ids: BTreeSet<Box<str>> =
            new.iter().map(|(_, claims)| claims.claims.subject.as_str().into()).collect();
        for (token, claims) in new {
            set_exports(&mut ledger, &server, &claims);
            let id: Box<str> = claims.claims.subject.as_str().into();
            // Before the account comes into being: whoever hears of it asks what it may use.
            self.held.write().insert(id, Arc::new(Held::new(&token, claims)));
        }
        for id in &ids {
            if let Some(held) = self.held(id) {
                apply(&server, &server.account(id), &held.claims);
            }
        }
        self.connect(&mut ledger, &server, &ids);
        drop(ledger);
        ids.iter().for_each(|id| recheck_clients(&server, id));
        self.rescheduled.notify_one();
    }

    /// Checks the imports of these accounts and of those that import from them.
    pub(super) fn reconnect(&self, ids: &BTreeSet<Box<str>>) {
        if let Some(server) = self.server.upgrade() {
            self.connect(&mut self.ledger.lock(), &server, ids);
        }
    }

    /// Takes an account away: its clients leave, and nobody gets in any more.
    pub(super) fn remove(&self, id: &str) {
        let Some((server, held)) = self.server.upgrade().zip(self.held(id)) else { return };
        held.end();
        let mut ledger = self.ledger.lock();
        ledger.remove(id);
        self.connect(&mut ledger, &server, &BTreeSet::from([id.into()]));
        if let Some(account) = server.accounts().get(id) {
            account.set_imports(&[], &|_| None);
        }
        drop(ledger);
        send_away(&server, id, "Account Authentication Expired", CloseReason::AuthenticationExpired);
    }

    fn connect(&self, ledger: &mut Ledger, server: &Server, ids: &BTreeSet<Box<str>>) {
        let concerns = |held: &Held| held.claims.imports.iter().any(|import| ids.contains(&*import.account));
        let mut affected = self.all_held();
        affected.retain(|(id, held)| ids.contains(id) || concerns(held));
        affected.iter().for_each(|(id, _)| ledger.clear_imports(id));
        for (id, held) in &affected {
            self.add_imports(ledger, id, held);
        }
        let find = |name: &str| server.accounts().get(name);
        for (id, _) in &affected {
            if let Some(account) = find(id) {
                account.set_imports(ledger.imports(id), &find);
            }
        }
    }

    fn add_imports(&self, ledger: &mut Ledger, id: &str, held: &Held) {
        let mut incomplete = false;
        for terms in terms::imports(&held.claims, self.now_seconds()) {
            if let Err(error) = ledger.import(id, &terms) {
                log::debug!("Error adding import {:?} to account [{id}]: {error}", terms.subject);
                incomplete = true;
            }
        }
        held.set_incomplete(incomplete);
    }
}

fn set_exports(ledger: &mut Ledger, server: &Server, claims: &AccountClaims) {
    let id = &claims.claims.subject;
    let mut exports = terms::exports(claims);
    if **server.accounts().system().name() == **id {
        exports.extend(system_exports(&exports));
    }
    for invalid in ledger.set_exports(id, exports) {
        log::debug!("Error adding export {:?} to account [{id}]", invalid.subject);
    }
}

fn apply(server: &Server, account: &Arc<Account>, claims: &AccountClaims) {
    let limits = account.limits();
    limits.connections_max.store(claims.limits.connections_max, Ordering::Relaxed);
    limits.subscriptions_max.store(claims.limits.subscriptions_max, Ordering::Relaxed);
    limits.payload_bytes_max.store(claims.limits.payload_bytes_max, Ordering::Relaxed);
    limits.leafnodes_max.store(claims.limits.leafnodes_max, Ordering::Relaxed);
    match Mappings::new(&claims.mappings) {
        Ok(mappings) => account.set_mappings(mappings),
        Err(error) => log::error!("{error}"),
    }
    account.set_tag(&claims.claims.name);
    account.set_trace_terms(terms::trace(claims));
    server.hooks().iter().for_each(|hook| hook.account_changed(account));
}

/// The newest connections over the limit leave; the others prove again who they are.
fn recheck_clients(server: &Server, id: &str) {
    if let Some(account) = server.accounts().get(id) {
        server.close_excess_of(&account).iter().for_each(|client| client.recheck());
    }
}

/// Tells the clients of an account why they have to leave.
pub(super) fn send_away(server: &Server, id: &str, text: &str, reason: CloseReason) {
    let line = format!("-ERR '{text}'\r\n");
    for client in server.clients().of_account(id) {
        client.send_line(line.as_bytes());
        client.subscriber().outbound().close_after_flush(reason);
    }
}
