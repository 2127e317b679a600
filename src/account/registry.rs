//! All accounts of a server.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::{Account, GLOBAL_ACCOUNT, SYSTEM_ACCOUNT};

/// The accounts by name. There is always a global and a system account.
pub struct Accounts {
    by_name: RwLock<BTreeMap<Arc<str>, Arc<Account>>>,
    global: Arc<Account>,
    system: Arc<Account>,
}

impl Accounts {
    /// The two accounts that are always there. `system` is the name of the system account, `$SYS` if none is configured.
    pub fn new(system: Option<&str>) -> Self {
        let global = Account::new(GLOBAL_ACCOUNT);
        let system = Account::new(system.unwrap_or(SYSTEM_ACCOUNT));
        let both = [&global, &system].map(|account| (account.name().clone(), account.clone()));
        Self { by_name: RwLock::new(both.into()), global, system }
    }

    /// The account of clients that belong to none.
    pub fn global(&self) -> &Arc<Account> {
        &self.global
    }

    /// The account of operators.
    pub fn system(&self) -> &Arc<Account> {
        &self.system
    }

    /// The account of this name.
    pub fn get(&self, name: &str) -> Option<Arc<Account>> {
        self.by_name.read().get(name).cloned()
    }

    /// The account of this name, and whether it was just made.
    pub fn get_or_create(&self, name: &str) -> (Arc<Account>, bool) {
        if let Some(account) = self.get(name) {
            return (account, false);
        }
        let mut by_name = self.by_name.write();
        if let Some(account) = by_name.get(name) {
            return (account.clone(), false);
        }
        let account = Account::new(name);
        by_name.insert(account.name().clone(), account.clone());
        (account, true)
    }

    /// All accounts, by name.
    pub fn all(&self) -> Vec<Arc<Account>> {
        self.by_name.read().values().cloned().collect()
    }
}
