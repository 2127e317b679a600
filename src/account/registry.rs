//! All accounts of a server.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::{Account, GLOBAL_ACCOUNT, Realm};

/// The accounts by name. There is always a global and a system account.
pub struct Accounts {
    by_name: RwLock<BTreeMap<Arc<str>, Arc<Account>>>,
    global: Arc<Account>,
    system: Arc<Account>,
    realm: Arc<Realm>,
}

impl Accounts {
    /// The two accounts that are always there.
    pub fn new(realm: Realm) -> Self {
        let realm = Arc::new(realm);
        let global = Account::in_realm(GLOBAL_ACCOUNT, realm.clone());
        let system = Account::in_realm(&realm.system_account, realm.clone());
        let both = [&global, &system].map(|account| (account.name().clone(), account.clone()));
        Self { by_name: RwLock::new(both.into()), global, system, realm }
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
        let account = Account::in_realm(name, self.realm.clone());
        by_name.insert(account.name().clone(), account.clone());
        (account, true)
    }

    /// What all accounts share.
    pub fn realm(&self) -> &Arc<Realm> {
        &self.realm
    }

    /// All accounts, by name.
    pub fn all(&self) -> Vec<Arc<Account>> {
        self.by_name.read().values().cloned().collect()
    }
}
