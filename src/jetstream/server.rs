//! JetStream of the whole server: start, recovery, shutdown.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock, Weak};

use headwater_protocol::jetstream::account_info::AccountLimits;
use headwater_protocol::jetstream::consumer_config::ConsumerConfig;
use headwater_protocol::jetstream::stream_config::StreamConfig;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;

use super::account::JsAccount;
use super::acks::{Acks, FlowControl};
use super::api::{Api, NoApi};
use super::backup::TRANSFERS_MAX;
use super::backup::restore::building::UNFINISHED;
use super::consumer::{ConsumerMachine, Identity, StreamTraits};
use super::consumers::{Consumers, Hosted};
use super::env::{Commits, Env};
use super::host::{StreamHost, StreamState};
use super::record;
use super::settings::Settings;
use super::stream::StreamMachine;
use crate::account::{Account, ServiceSubscription};
use crate::clock::Clock;
use crate::ids::{self, Random};
use crate::monitor::HealthProblem;
use crate::router::{Dispatch, Gate, Service};
use crate::server::{HookFuture, ServerHook};
use crate::store::disk::{Disk, RealDisk};
use crate::store::{RecoveredConsumer, RecoveredStream, Store, StoreError, StoreOptions, SyncPolicy};

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
    /// Itself, for services that need all accounts.
    me: Weak<Self>,
    env: Arc<Env>,
    limits_of: LimitsOf,
    accounts: RwLock<HashMap<Arc<str>, Arc<JsAccount>>>,
    subscriptions: Mutex<Vec<ServiceSubscription>>,
    /// What the store holds for accounts that have not come into being yet.
    recovered: Mutex<HashMap<String, Vec<RecoveredStream>>>,
    /// Streams that the store holds and that cannot be served.
    unserved: Mutex<Vec<HealthProblem>>,
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
        check_store_dir(&settings.store_dir)?;
        let dir = &settings.store_dir;
        let disk = RealDisk::new(dir).map_err(|error| format!("create {}: {error}", dir.display()))?;
        let outside = Outside { disk: Arc::new(disk), clock, random: Arc::new(ids::SystemRandom) };
        Self::start_in(outside, settings, options, limits_of)
    }

    /// Like [`start`](Self::start), in a world of the caller's making.
    pub fn start_in(
        outside: Outside,
        settings: Settings,
        options: StoreOptions,
        limits_of: LimitsOf,
    ) -> Result<Arc<Self>, String> {
        let Outside { disk, clock, random } = outside;
        let ingest_gate = Arc::new(Gate::new());
        let relaxed = options.sync != SyncPolicy::Always;
        let (store, streams, _report) = Store::open_on(disk, options).map_err(|error| error.to_string())?;
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
        let mut recovered: HashMap<String, Vec<RecoveredStream>> = HashMap::new();
        for stream in discard_unfinished(&env.store, streams) {
            recovered.entry(stream.account.clone()).or_default().push(stream);
        }
        Ok(Arc::new_cyclic(|me| Self {
            me: me.clone(),
            env,
            limits_of,
            accounts: RwLock::default(),
            subscriptions: Mutex::default(),
            recovered: Mutex::new(recovered),
            unserved: Mutex::default(),
        }))
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
        accounts.sort_by(|a, b| a.account.name().cmp(b.account.name()));
        accounts
    }

    fn enable(&self, account: &Arc<Account>, limits: AccountLimits) {
        let js = Arc::new(JsAccount::new(account.clone(), self.env.clone(), limits));
        let streams = self.recovered.lock().remove(&**account.name()).unwrap_or_default();
        for stream in streams {
            let name = stream.name.clone();
            match recover(&js, stream) {
                Ok(host) => js.adopt(host),
                Err(error) => self.note_unserved(account.name(), &name, &error),
            }
        }
        self.accounts.write().insert(account.name().clone(), js.clone());
        self.serve_api(account, &js, "$JS.API.");
        if let Some(domain) = self.env.settings.domain() {
            self.serve_api(account, &js, &format!("$JS.{domain}.API."));
        }
        self.serve(account, "$JS.ACK.>", Arc::new(Acks(js.clone())));
        self.serve(account, "$JS.FC.>", Arc::new(FlowControl(js)));
    }

    fn serve_api(&self, account: &Arc<Account>, js: &Arc<JsAccount>, prefix: &str) {
        let api = Api { account: js.clone(), prefix: prefix.as_bytes().into() };
        self.serve(account, &format!("{prefix}>"), Arc::new(api));
    }

    /// Streams that the store holds and that cannot be served, with the reason.
    pub fn unserved(&self) -> Vec<HealthProblem> {
        self.unserved.lock().clone()
    }

    fn note_unserved(&self, account: &str, stream: &str, reason: &str) {
        let error = format!("JetStream stream '{account} > {stream}' could not be recovered: {reason}");
        log::error!("{error}");
        let (account, stream) = (account.to_owned(), stream.to_owned());
        self.unserved.lock().push(HealthProblem { account, stream, error });
    }

    fn serve(&self, account: &Arc<Account>, subject: &str, service: Arc<dyn Service>) {
        match account.subscribe_service(subject, None, service) {
            Ok(subscription) => self.subscriptions.lock().push(subscription),
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

    fn stop(&self) {
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

    fn lame_duck(&self) -> HookFuture<'_> {
        self.stop();
        Box::pin(std::future::ready(()))
    }

    fn shutdown(&self) -> HookFuture<'_> {
        self.stop();
        Box::pin(std::future::ready(()))
    }
}

/// Removes what restores left behind that did not come to their end.
fn discard_unfinished(store: &Store, streams: Vec<RecoveredStream>) -> Vec<RecoveredStream> {
    let (unfinished, whole): (Vec<_>, Vec<_>) =
        streams.into_iter().partition(|stream| stream.account == UNFINISHED);
    for stream in unfinished {
        log::warn!(
            "The restore of stream '{}' was not finished: what there is of it is removed",
            stream.name
        );
        if let Err(error) = store.delete_stream(stream.id) {
            log::error!("stream '{}': {error}", stream.name);
        }
    }
    whole
}

/// The words test harnesses look for.
fn check_store_dir(dir: &Path) -> Result<(), String> {
    if dir.exists() && !dir.is_dir() {
        return Err("storage directory is not a directory".to_owned());
    }
    std::fs::create_dir_all(dir).map_err(|error| format!("could not create storage directory - {error}"))
}

/// Brings back a stream with its consumers.
fn recover(account: &Arc<JsAccount>, stream: RecoveredStream) -> Result<Arc<StreamHost>, String> {
    let env = &account.env;
    let now = env.now();
    let (created, config) = record::read::<StreamConfig>(&stream.meta)?;
    let machine = StreamMachine::recover(config, account.bounds(), stream.log.as_ref(), now)
        .map_err(|error| error.to_string())?;
    let mut consumers = Consumers::default();
    for consumer in stream.consumers {
        let name = consumer.name.clone();
        match recover_consumer(env, machine.config(), stream.log.as_ref(), consumer) {
            Ok(hosted) => drop(consumers.add(hosted)),
            Err(error) => log::error!("consumer {} > {name} cannot be served: {error}", stream.name),
        }
    }
    let state = StreamState::new(machine, stream.log, consumers, created);
    let host = StreamHost::start(stream.id, account.account.clone(), env.clone(), state);
    host.after_recovery();
    Ok(host)
}

fn recover_consumer(
    env: &Env,
    stream: &StreamConfig,
    log: &dyn crate::store::MessageLog,
    consumer: RecoveredConsumer,
) -> Result<Hosted, String> {
    let now = env.now();
    let (created, config) = record::read::<ConsumerConfig>(&consumer.config)?;
    let identity = Identity { name: consumer.name, created: created.0, seed: env.random.next_u64() };
    let traits = StreamTraits::of(stream, env.settings.payload_bytes_max);
    let snapshot = consumer.state.unwrap_or_default();
    let deltas = consumer.deltas.iter().map(Vec::as_slice);
    let machine = ConsumerMachine::restore(identity, config, traits, &snapshot, deltas, log, now)
        .map_err(|error| error.to_string())?;
    Ok(Hosted::new(&stream.name, machine))
}

impl StreamHost {
    /// Finds out what changed while the broker was down: interest, expired messages, limits.
    pub(super) fn after_recovery(self: &Arc<Self>) {
        let keys = self.lock().consumers.keys();
        for key in keys {
            self.watch_consumer(key);
        }
        let mut cx = Dispatch::internal();
        self.apply(&mut cx, |state| state.consumers.wake_all());
    }
}
