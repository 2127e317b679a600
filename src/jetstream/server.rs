//! JetStream of the whole server: start, recovery, shutdown.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use headwater_protocol::jetstream::account_info::AccountLimits;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

use super::account::JsAccount;
use super::acks::{Acks, FlowControl};
use super::api::{Api, NoApi};
use super::backup::TRANSFERS_MAX;
use super::env::{Commits, Env};
use super::recovery::watch_store;
use super::recovery_waiting::{PutOff, watch_put_off};
use super::settings::Settings;
use crate::account::{Account, ServiceSubscription};
use crate::clock::Clock;
use crate::ids::{self, Random};
use crate::monitor::HealthProblem;
use crate::router::{Gate, Service};
use crate::server::{HookFuture, ServerHook};
use crate::store::disk::{Disk, RealDisk};
use crate::store::{RecoveredStream, Store, StoreError, StoreOptions, SyncPolicy};

/// Decides whether an account has JetStream, and how much of it.
pub type LimitsOf = Box<dyn Fn(&str) -> Option<AccountLimits> + Send + Sync>;

/// What JetStream has from outside; the simulator brings its own.
pub struct Outside {
    /// Where the store is.
    pub disk: Arc<dyn Disk>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where consumers' seeds come from.
    pub random: Arc<dyn Random>,
}

/// JetStream, for all accounts.
pub struct JetStream {
    /// Itself, for its tasks and for services that need all accounts.
    me: Weak<Self>,
    env: Arc<Env>,
    limits_of: LimitsOf,
    accounts: RwLock<HashMap<Arc<str>, Arc<JsAccount>>>,
    subscriptions: Mutex<HashMap<Arc<str>, Vec<ServiceSubscription>>>,
    /// What the store holds for accounts that have not come into being yet.
    pub(super) recovered: Mutex<HashMap<String, Vec<RecoveredStream>>>,
    /// Streams that the store holds and that cannot be served.
    pub(super) unserved: Mutex<Vec<HealthProblem>>,
    /// Those of them that are tried again.
    pub(super) put_off: Arc<PutOff>,
    /// Held while streams are put into service, or all of them taken out.
    pub(super) recovering: Mutex<()>,
    stopping: AtomicBool,
}

impl JetStream {
    /// Opens the store and finds what it holds. Accounts come in with
    /// [`account_created`](ServerHook::account_created).
    pub fn start(
        settings: Settings,
        options: StoreOptions,
        clock: Arc<dyn Clock>,
        limits_of: LimitsOf,
    ) -> Result<Arc<Self>, String> {
        let jetstream = Self::claim(settings, options, clock, limits_of)?;
        jetstream.recover()?;
        Ok(jetstream)
    }

    /// Like [`start`](Self::start), in a world of the caller's making; see [`claim_in`](Self::claim_in).
    pub fn start_in(
        outside: Outside,
        settings: Settings,
        options: StoreOptions,
        limits_of: LimitsOf,
    ) -> Result<Arc<Self>, String> {
        let jetstream = Self::claim_in(outside, settings, options, limits_of)?;
        jetstream.recover()?;
        Ok(jetstream)
    }

    /// Takes the store's directory. What the store holds is left to [`recover`](Self::recover); until then requests and
    /// publishes are told that JetStream is not available for now.
    pub fn claim(
        settings: Settings,
        options: StoreOptions,
        clock: Arc<dyn Clock>,
        limits_of: LimitsOf,
    ) -> Result<Arc<Self>, String> {
        check_store_dir(&settings.store_dir)?;
        let dir = &settings.store_dir;
        let disk = RealDisk::new(dir).map_err(|error| format!("create {}: {error}", dir.display()))?;
        let outside = Outside { disk: Arc::new(disk), clock, random: Arc::new(ids::SystemRandom) };
        let jetstream = Self::claim_in(outside, settings, options, limits_of)?;
        jetstream.watch_store();
        Ok(jetstream)
    }

    /// Like [`claim`](Self::claim), in a world of the caller's making, who decides when a store that has failed is opened
    /// anew: by [`watch_store`](Self::watch_store), or by [`suspend`](Self::suspend) and [`recover`](Self::recover), and streams
    /// are tried again: by [`bring_up_rest`](Self::bring_up_rest).
    pub fn claim_in(
        outside: Outside,
        settings: Settings,
        options: StoreOptions,
        limits_of: LimitsOf,
    ) -> Result<Arc<Self>, String> {
        let Outside { disk, clock, random } = outside;
        let ingest_gate = Arc::new(Gate::new());
        let relaxed = options.sync != SyncPolicy::Always;
        let store = Store::claim(disk, options).map_err(|error| error.to_string())?;
        let commits = Arc::new(Commits::new(relaxed, ingest_gate.clone()));
        store.observe(commits.clone());
        let runtime = tokio::runtime::Handle::current();
        let env = Arc::new(Env {
            store,
            clock,
            system: OnceLock::new(),
            random,
            bounds: settings.bounds(),
            settings,
            runtime,
            ingest_gate,
            transfers: Arc::new(Semaphore::new(TRANSFERS_MAX)),
            commits,
        });
        let jetstream = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            env,
            limits_of,
            accounts: RwLock::default(),
            subscriptions: Mutex::default(),
            recovered: Mutex::default(),
            unserved: Mutex::default(),
            put_off: Arc::default(),
            recovering: Mutex::default(),
            stopping: AtomicBool::new(false),
        });
        Ok(jetstream)
    }

    /// Opens the store anew whenever it fails, and tries streams again that could not be read, from now until the broker
    /// stops. To be called once.
    pub fn watch_store(&self) {
        self.env.runtime.spawn(watch_store(self.me.clone(), self.env.commits.clone()));
        self.env.runtime.spawn(watch_put_off(self.me.clone(), self.put_off.clone()));
    }

    /// What all accounts share.
    pub fn env(&self) -> &Arc<Env> {
        &self.env
    }

    /// JetStream of one account.
    pub fn account(&self, name: &str) -> Option<Arc<JsAccount>> {
        self.accounts.read().get(name).cloned()
    }

    /// JetStream of every account that has it.
    pub fn accounts(&self) -> Vec<Arc<JsAccount>> {
        let mut accounts: Vec<_> = self.accounts.read().values().cloned().collect();
        accounts.sort_unstable_by(|a, b| a.account.name().cmp(b.account.name()));
        accounts
    }

    fn enable(&self, account: &Arc<Account>, limits: AccountLimits) {
        let js = Arc::new(JsAccount::new(account.clone(), self.env.clone(), limits));
        self.accounts.write().insert(account.name().clone(), js.clone());
        self.recover_account(&js);
        self.serve_api(account, &js, "$JS.API.");
        if let Some(domain) = self.env.settings.domain() {
            self.serve_api(account, &js, &format!("$JS.{domain}.API."));
        }
        self.serve(account, "$JS.ACK.>", Arc::new(Acks(js.clone())));
        self.serve(account, "$JS.FC.>", Arc::new(FlowControl(js.clone())));
        // Only now can an origin of this account be asked.
        js.streams().iter().for_each(|host| host.start_inflow());
    }

    fn serve_api(&self, account: &Arc<Account>, js: &Arc<JsAccount>, prefix: &str) {
        let api = Api { account: js.clone(), prefix: prefix.as_bytes().into() };
        self.serve(account, &format!("{prefix}>"), Arc::new(api));
    }

    /// Accounts that the store holds streams of and that have not come into being yet.
    pub fn accounts_to_come(&self) -> Vec<String> {
        self.recovered.lock().keys().cloned().collect()
    }

    /// Streams that the store holds and that cannot be served, with the reason.
    pub fn unserved(&self) -> Vec<HealthProblem> {
        self.unserved.lock().clone()
    }

    pub(super) fn note_unserved(&self, account: &str, stream: &str, reason: &str) {
        let error = format!("JetStream stream '{account} > {stream}' could not be recovered: {reason}");
        log::error!("{error}");
        let (account, stream) = (account.to_owned(), stream.to_owned());
        self.unserved.lock().push(HealthProblem { account, stream, error });
    }

    pub(super) fn note_served(&self, account: &str, stream: &str) {
        log::info!("JetStream stream '{account} > {stream}' has been recovered after all");
        self.unserved.lock().retain(|problem| (&*problem.account, &*problem.stream) != (account, stream));
    }

    fn serve(&self, account: &Arc<Account>, subject: &str, service: Arc<dyn Service>) {
        match account.subscribe_service(subject, None, service) {
            Ok(subscription) => {
                self.subscriptions.lock().entry(account.name().clone()).or_default().push(subscription);
            }
            Err(error) => log::error!("JetStream cannot serve {subject}: {error:?}"),
        }
    }

    fn is_system(&self, account: &Account) -> bool {
        **account.name() == *self.env.settings.system_account
    }

    /// Forgets what the store holds for an account that has not come into being.
    pub fn discard_recovered(&self, account: &str) -> Result<(), StoreError> {
        for stream in self.recovered.lock().remove(account).unwrap_or_default() {
            self.env.store.delete_stream(stream.id)?;
        }
        Ok(())
    }

    /// Whether the broker is going away.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.env.commits.wake_watcher();
        self.put_off.wake();
        self.subscriptions.lock().clear();
        for account in self.accounts() {
            for host in account.streams() {
                host.stop();
            }
        }
        self.env.store.close();
    }
}

impl ServerHook for JetStream {
    fn account_created(&self, account: &Arc<Account>) {
        if self.is_system(account) {
            let _ = self.env.system.set(account.clone());
        }
        match (self.limits_of)(account.name()) {
            Some(limits) => self.enable(account, limits),
            None => {
                let operators = self.is_system(account).then(|| self.me.clone());
                self.serve(account, "$JS.API.>", Arc::new(NoApi { account: account.clone(), operators }));
            }
        }
    }

    fn account_changed(&self, account: &Arc<Account>) {
        match ((self.limits_of)(account.name()), self.account(account.name())) {
            (Some(limits), Some(js)) => js.set_limits(limits),
            (Some(limits), None) => {
                // What tells clients that there is no JetStream here.
                let refusing = self.subscriptions.lock().remove(account.name());
                drop(refusing);
                self.enable(account, limits);
            }
            // What is stored stays, and nothing comes to it.
            (None, Some(js)) => js.set_limits(AccountLimits { max_memory: 0, max_storage: 0, ..js.limits() }),
            (None, None) => {}
        }
    }

    fn lame_duck(&self) -> HookFuture<'_> {
        self.stop();
        Box::pin(std::future::ready(()))
    }

    fn shutdown(&self) -> HookFuture<'_> {
        self.stop();
        Box::pin(std::future::ready(()))
    }
}

/// The words test harnesses look for.
fn check_store_dir(dir: &Path) -> Result<(), String> {
    if dir.exists() && !dir.is_dir() {
        return Err("storage directory is not a directory".to_owned());
    }
    RealDisk::new(dir).map(drop).map_err(|error| format!("could not create storage directory - {error}"))
}
