//! The broker's JetStream, whole, on a disk and in a time that are not real.
//!
//! What runs here is what runs in the broker: streams with their locks, pumps and timers, the API, the store. Only the disk,
//! the clock and the source of seeds are the simulator's, and the tasks run when it says so, on its own thread. The store's
//! committer and janitor are its calls too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use headwater::account::{Account, GLOBAL_ACCOUNT, ServiceSubscription};
use headwater::clock::{Clock, ManualClock, UnixNanos};
use headwater::ids::Random;
use headwater::jetstream::host::StreamHost;
use headwater::jetstream::settings::Settings;
use headwater::jetstream::stream::bounds::BatchBounds;
use headwater::jetstream::{JetStream, Outside};
use headwater::router::{Dispatch, Message, Service};
use headwater::server::ServerHook;
use headwater::store::{CommitObserver, Lsn, Store, StoreError, StoreOptions};
use headwater_protocol::jetstream::account_info::AccountLimits;
use parking_lot::Mutex;
use tokio::runtime::Runtime;

use crate::disk::SimDisk;
use crate::rng::Rng;

/// When the world begins.
const BEGINNING: UnixNanos = 1_700_000_000_000_000_000;

/// What clients receive.
const RECEIVED: [&str; 2] = ["_INBOX.>", "push.>"];

/// A message that reached a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub subject: Vec<u8>,
    pub reply: Vec<u8>,
    pub headers: Vec<u8>,
    pub payload: Vec<u8>,
}

/// The disk, the time, and a broker on them.
pub struct World {
    pub disk: SimDisk,
    clock: Arc<ManualClock>,
    random: Arc<SimRandom>,
    options: StoreOptions,
    process: Option<Process>,
}

/// One life of the broker, from start to crash.
struct Process {
    runtime: Runtime,
    account: Arc<Account>,
    jetstream: Arc<JetStream>,
    clients: Arc<Clients>,
    store: Arc<StoreWatch>,
    _subscriptions: Vec<ServiceSubscription>,
}

impl World {
    /// A world with an empty disk and no broker yet.
    pub fn new(disk: SimDisk, options: StoreOptions, rng: Rng) -> Self {
        let clock = Arc::new(ManualClock::at(BEGINNING));
        let random = Arc::new(SimRandom(Mutex::new(rng)));
        Self { disk, clock, random, options, process: None }
    }

    /// The current moment.
    pub fn now(&self) -> UnixNanos {
        self.clock.now()
    }

    /// Starts the broker; fails as its start fails.
    pub fn start(&mut self) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let entered = runtime.enter();
        let outside = Outside {
            disk: Arc::new(self.disk.clone()),
            clock: self.clock.clone(),
            random: self.random.clone(),
        };
        let limits = Box::new(|_: &str| Some(AccountLimits::default()));
        let jetstream = JetStream::start_in(outside, settings(), self.options.clone(), limits)?;
        let store = Arc::new(StoreWatch::default());
        jetstream.env().store.observe(store.clone());
        let account = Account::new(GLOBAL_ACCOUNT);
        let clients = Arc::new(Clients::default());
        let subscribe = |subject| account.subscribe_service(subject, None, clients.clone());
        let _subscriptions = RECEIVED.into_iter().filter_map(|subject| subscribe(subject).ok()).collect();
        jetstream.account_created(&account);
        drop(entered);
        self.process = Some(Process { runtime, account, jetstream, clients, store, _subscriptions });
        Ok(())
    }

    /// The broker stops in good order.
    pub fn stop(&mut self) {
        if let Some(process) = &self.process {
            let _entered = process.runtime.enter();
            drop(process.jetstream.shutdown());
        }
        self.end();
        self.disk.kill();
    }

    /// The broker is no more: what it had not written is lost.
    pub fn kill(&mut self) {
        self.end();
        self.disk.kill();
    }

    /// The broker's memory is gone, with nothing written any more.
    pub fn end(&mut self) {
        let Some(process) = self.process.take() else { return };
        let env = process.jetstream.env().clone();
        for host in hosts(&process) {
            host.stop_capturing();
        }
        // Streams that wait for a commit and the list they wait on hold each other.
        env.commits.committed(Lsn::ZERO, Lsn::ZERO);
        drop(process);
    }

    /// The broker takes its streams out of service, because the store has failed.
    pub fn suspend(&self) {
        if let Some(process) = &self.process {
            let _entered = process.runtime.enter();
            process.jetstream.suspend();
        }
    }

    /// The broker opens the store anew; fails as that fails.
    pub fn recover(&self) -> Result<(), String> {
        let Some(process) = &self.process else { return Err("there is no broker".into()) };
        let _entered = process.runtime.enter();
        process.jetstream.recover()
    }

    /// The broker tries again to bring up streams that the disk failed to read; `false` if some still cannot be read.
    pub fn bring_up_rest(&self) -> bool {
        let Some(process) = &self.process else { return true };
        let _entered = process.runtime.enter();
        process.jetstream.bring_up_rest()
    }

    /// Sends a message; `false` if nobody took it.
    pub fn publish(&self, subject: &str, reply: &str, headers: &[u8], payload: &[u8]) -> bool {
        let Some(process) = &self.process else { return false };
        let _entered = process.runtime.enter();
        let message = Message { subject: subject.as_bytes(), reply: reply.as_bytes(), headers, payload };
        let mut cx = Dispatch::internal();
        process.account.publish(&mut cx, &message)
    }

    /// What reached clients since this was asked last.
    pub fn take_received(&self) -> Vec<Received> {
        let process = self.process.as_ref();
        process.map_or(Vec::new(), |process| std::mem::take(&mut *process.clients.0.lock()))
    }

    /// The broker's tasks run, each up to so many times.
    pub fn run_tasks(&self, rounds: u64) {
        let Some(process) = &self.process else { return };
        process.runtime.block_on(async {
            for _ in 0..rounds {
                tokio::task::yield_now().await;
            }
        });
    }

    /// The clock moves by the least it can, so that no two steps are at the same moment.
    pub fn tick(&self) {
        self.clock.advance(1);
    }

    /// Time passes.
    pub fn pass(&self, nanos: UnixNanos) {
        self.clock.advance(nanos);
        let Some(process) = &self.process else { return };
        let passed = Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
        process.runtime.block_on(tokio::time::advance(passed));
    }

    /// All streams in service, by name.
    pub fn hosts(&self) -> Vec<Arc<StreamHost>> {
        self.process.as_ref().map(hosts).unwrap_or_default()
    }

    /// A stream in service.
    pub fn host(&self, name: &str) -> Option<Arc<StreamHost>> {
        let account = self.process.as_ref()?.jetstream.account(GLOBAL_ACCOUNT)?;
        account.stream(name)
    }

    /// What of the store could not be served.
    pub fn unserved(&self) -> Vec<String> {
        let Some(process) = &self.process else { return Vec::new() };
        process.jetstream.unserved().into_iter().map(|problem| problem.error).collect()
    }

    /// The store's committer and janitor at work.
    pub fn with_store<T>(&self, act: impl FnOnce(&Store) -> T) -> Option<T> {
        let process = self.process.as_ref()?;
        let _entered = process.runtime.enter();
        Some(act(&process.jetstream.env().store))
    }

    /// Whether the store has found no room for another segment.
    pub fn disk_is_full(&self) -> bool {
        self.with_store(|store| store.stats().disk_full).unwrap_or(false)
    }

    /// Whether the store has given up after a disk error.
    pub fn store_failed(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.store.failed.load(Ordering::Relaxed))
    }
}

fn hosts(process: &Process) -> Vec<Arc<StreamHost>> {
    process.jetstream.account(GLOBAL_ACCOUNT).map(|account| account.streams()).unwrap_or_default()
}

fn settings() -> Settings {
    Settings {
        store_dir: "simulated".into(),
        sync_interval: 0,
        payload_bytes_max: 1 << 20,
        server_name: "simulated".into(),
        system_account: "$SYS".into(),
        domain: String::new(),
        strict: true,
        memory_bytes_max: 1 << 30,
        file_bytes_max: 1 << 30,
        ack_pending_max: 0,
        request_batch_max: 0,
        duplicate_window_max: 0,
        consumers_default_max: 0,
        batches: BatchBounds::default(),
    }
}

/// Takes what is sent to clients.
#[derive(Default)]
struct Clients(Mutex<Vec<Received>>);

impl Service for Clients {
    fn deliver(&self, _: &mut Dispatch, message: &Message<'_>) -> bool {
        self.0.lock().push(Received {
            subject: message.subject.to_vec(),
            reply: message.reply.to_vec(),
            headers: message.headers.to_vec(),
            payload: message.payload.to_vec(),
        });
        true
    }
}

/// Hears whether the store has failed.
#[derive(Default)]
struct StoreWatch {
    failed: AtomicBool,
}

impl CommitObserver for StoreWatch {
    fn committed(&self, _: Lsn, _: Lsn) {}

    fn failed(&self, _: &StoreError) {
        self.failed.store(true, Ordering::Relaxed);
    }

    fn reopened(&self, _: Lsn) {
        self.failed.store(false, Ordering::Relaxed);
    }
}

/// Seeds for the broker, from the simulator's own.
struct SimRandom(Mutex<Rng>);

impl Random for SimRandom {
    fn next_u64(&self) -> u64 {
        self.0.lock().next_u64()
    }
}
