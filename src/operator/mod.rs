//! Operator mode: operators sign accounts, accounts sign users, and this server only checks signatures.
//!
//! [`Operator`] holds the accounts that somebody asked for. One that it does not hold is fetched by the [`Resolver`], checked,
//! and brought about: limits, mappings, exports and imports, JetStream. A new token for an account that it holds is taken over
//! while clients are connected; each of them then proves itself once more, and only those leave who have to.

mod api;
mod directory;
mod fetch_url;
mod held;
mod install;
mod keeper;
mod login;
mod resolver;
mod settings;
mod terms;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::account::{Ledger, ServiceSubscription};
use crate::auth::{AuthError, Credentials, Login, Peer};
use crate::clock::UnixNanos;
use crate::jwt::{AccountClaims, JetStreamLimits, UserClaims, is_public_key};
use crate::server::Server;

pub use self::directory::Directory;
pub use self::resolver::{FetchError, Resolver};
pub use self::settings::{DirectorySettings, OperatorSettings, ResolverSettings};

use self::held::Held;

/// Accounts that one account's imports may lead to.
const CHAIN_MAX: usize = 1024;

const NANOS_PER_SECOND: UnixNanos = 1_000_000_000;

/// Operator mode of one server.
pub struct Operator {
    server: Weak<Server>,
    settings: RwLock<Arc<OperatorSettings>>,
    resolver: Resolver,
    held: RwLock<HashMap<Box<str>, Arc<Held>>>,
    /// Held while accounts change.
    ledger: Mutex<Ledger>,
    /// The expiry of something has changed.
    rescheduled: Notify,
    services: Mutex<Vec<ServiceSubscription>>,
}

/// Why a token was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Untaken {
    /// It cannot be read, or its signature does not fit.
    Jwt(crate::jwt::JwtError),
    /// Nobody trusted has signed it, its time is not now, or it contradicts itself.
    Invalid,
    /// It is about another account.
    OtherAccount,
}

impl Operator {
    /// Puts a server into operator mode. The server must not have clients yet.
    pub fn start(server: &Arc<Server>, settings: OperatorSettings) -> Result<Arc<Self>, String> {
        let resolver = Resolver::open(&settings)?;
        let operator = Arc::new(Self {
            server: Arc::downgrade(server),
            settings: RwLock::new(Arc::new(settings)),
            resolver,
            held: RwLock::default(),
            ledger: Mutex::default(),
            rescheduled: Notify::new(),
            services: Mutex::default(),
        });
        server.set_operator(operator.clone());
        operator.load_system_account(server)?;
        api::serve(&operator, server);
        tokio::spawn(keeper::look_after(Arc::downgrade(&operator)));
        Ok(operator)
    }

    /// Logs a client in with its user token.
    pub async fn login(&self, credentials: &Credentials<'_>, peer: &Peer<'_>) -> Result<Login, AuthError> {
        let settings = self.settings();
        let user = self.user_claims(credentials, &settings)?;
        let now = self.now();
        if !user.claims.is_valid_at(now / NANOS_PER_SECOND) {
            return Err(AuthError::Refused("user JWT no longer valid"));
        }
        let account = user.account();
        if settings.pinned_accounts.as_ref().is_some_and(|pinned| !pinned.contains(account)) {
            return Err(AuthError::Refused("account is not pinned"));
        }
        let held = self.account(account).await.ok_or(AuthError::Refused("account JWT lookup error"))?;
        login::check(&user, &held, credentials, peer, now)
    }

    /// An account, fetched if need be; `None` if there is no valid one.
    pub(crate) async fn account(&self, id: &str) -> Option<Arc<Held>> {
        if let Some(held) = self.held(id).filter(|held| !held.is_expired_at(self.now_seconds())) {
            return Some(held);
        }
        if !is_public_key(id, 'A') {
            return None;
        }
        self.load(id).await;
        self.held(id).filter(|held| !held.is_expired_at(self.now_seconds()))
    }

    /// The token of an account that is held.
    pub(crate) fn held(&self, id: &str) -> Option<Arc<Held>> {
        self.held.read().get(id).cloned()
    }

    /// All accounts that are held.
    fn all_held(&self) -> Vec<(Box<str>, Arc<Held>)> {
        self.held.read().iter().map(|(id, held)| (id.clone(), held.clone())).collect()
    }

    pub(crate) fn settings(&self) -> Arc<OperatorSettings> {
        self.settings.read().clone()
    }

    /// What an account may keep in streams, if anything.
    pub fn jetstream_limits(&self, id: &str) -> Option<JetStreamLimits> {
        self.held(id)?.claims.limits.jetstream()
    }

    /// Fetches accounts that have to be there although nobody asks for them.
    pub async fn hold(&self, ids: Vec<String>) {
        for id in ids {
            if self.account(&id).await.is_none() {
                log::warn!("Account [{id}] has streams and cannot be resolved");
            }
        }
    }

    /// Takes over what a changed configuration says; the resolver stays what it is.
    pub fn reload(&self, settings: OperatorSettings) {
        if let ResolverSettings::Memory(preload) = &settings.resolver {
            self.resolver.replace_memory(preload);
        }
        *self.settings.write() = Arc::new(settings);
        for (id, _) in self.all_held() {
            self.refresh(&id);
        }
    }

    /// Looks a held account up again, and takes over what changed.
    fn refresh(&self, id: &str) {
        let Some(token) = self.resolver.fetch_here(id) else { return };
        if let Err(error) = self.take(id, &token) {
            log::error!("Account {id} cannot be updated: {error:?}");
        }
    }

    /// Takes over a token for an account, if it is new.
    pub(crate) fn take(&self, id: &str, token: &str) -> Result<(), Untaken> {
        let known = self.held(id).is_some_and(|held| *held.token == *token && !held.is_incomplete());
        if known {
            return Ok(());
        }
        let claims = self.verify(token)?;
        if claims.claims.subject != id {
            return Err(Untaken::OtherAccount);
        }
        let mut new = vec![(token.to_owned(), claims)];
        self.gather_here(&mut new);
        self.install(new);
        Ok(())
    }

    /// Fetches an account and those it imports from.
    async fn load(&self, id: &str) {
        let mut new = Vec::new();
        let (mut wanted, mut seen) = (vec![id.to_owned()], HashSet::new());
        while let Some(id) = wanted.pop() {
            let is_known = !new.is_empty() && self.held(&id).is_some();
            if is_known || seen.len() >= CHAIN_MAX || !seen.insert(id.clone()) {
                continue;
            }
            match self.resolver.fetch(self, &id).await {
                Ok(token) => self.note(&id, token, &mut new, &mut wanted),
                Err(error) => log::debug!("Account [{id}] fetch failed: {error}"),
            }
        }
        self.install(new);
    }

    /// As [`load`](Self::load), for the exporters of accounts that are there already, as far as no waiting is needed.
    fn gather_here(&self, new: &mut Vec<(String, AccountClaims)>) {
        let (mut wanted, mut seen) = (Vec::new(), HashSet::new());
        for (_, claims) in new.iter() {
            seen.insert(claims.claims.subject.clone());
            wanted.extend(claims.imports.iter().map(|import| import.account.clone()));
        }
        while let Some(id) = wanted.pop() {
            if self.held(&id).is_some() || seen.len() >= CHAIN_MAX || !seen.insert(id.clone()) {
                continue;
            }
            if let Some(token) = self.resolver.fetch_here(&id) {
                self.note(&id, token, new, &mut wanted);
            }
        }
    }

    fn note(
        &self,
        id: &str,
        token: String,
        new: &mut Vec<(String, AccountClaims)>,
        wanted: &mut Vec<String>,
    ) {
        match self.verify(&token) {
            Ok(claims) if claims.claims.subject == id => {
                wanted.extend(claims.imports.iter().map(|import| import.account.clone()));
                new.push((token, claims));
            }
            Ok(_) => log::error!("Account [{id}] was resolved to another account"),
            Err(error) => log::debug!("Account [{id}] is not valid: {error:?}"),
        }
    }

    fn verify(&self, token: &str) -> Result<AccountClaims, Untaken> {
        let claims = AccountClaims::decode(token).map_err(Untaken::Jwt)?;
        let trusted = self.settings().trusts(&claims.claims.issuer);
        let in_time = claims.claims.is_valid_at(self.now_seconds());
        if trusted && in_time && claims.problems().is_empty() { Ok(claims) } else { Err(Untaken::Invalid) }
    }

    fn user_claims(
        &self,
        credentials: &Credentials<'_>,
        settings: &OperatorSettings,
    ) -> Result<UserClaims, AuthError> {
        let sentinel = || settings.default_sentinel.as_deref().map(UserClaims::decode);
        let decoded = match UserClaims::decode(credentials.jwt) {
            Ok(claims) => Ok(claims),
            Err(error) => sentinel().unwrap_or(Err(error)),
        };
        decoded.map_err(|_| AuthError::Refused("user JWT not valid"))
    }

    /// The server speaks in the system account, so it has to be there from the start, if it is named.
    fn load_system_account(&self, server: &Arc<Server>) -> Result<(), String> {
        let id = server.accounts().system().name().clone();
        if !is_public_key(&id, 'A') {
            return Ok(());
        }
        match self.resolver.fetch_here(&id) {
            Some(token) => {
                self.take(&id, &token).map_err(|error| format!("error resolving system account: {error:?}"))
            }
            // It may come later.
            None if self.resolver.is_directory() || self.resolver.is_remote() => Ok(()),
            None => Err("error resolving system account: account missing".to_owned()),
        }
    }

    fn now(&self) -> UnixNanos {
        self.server.upgrade().map_or(0, |server| server.clock().now())
    }

    fn now_seconds(&self) -> i64 {
        self.now() / NANOS_PER_SECOND
    }
}
