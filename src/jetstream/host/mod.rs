//! The rim around one stream: its lock, its pump, its timers, and what waits for the disk.
//!
//! Whoever brings an input (a publish, a pull, an ack, an API call) applies it under the stream's lock. What the stream
//! sends leaves through the [pump](pump), with the lock released.

pub mod inflow;
mod ingest;
mod inputs;
mod manage;
mod parcels;
mod ports;
mod pump;
pub mod replies;
mod retention;
mod run_consumers;
mod service;
mod state;
mod timers;
mod unwritten;
mod visible;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

pub use manage::{Wanted, keeps};
pub use state::StreamState;

use super::env::Env;
use crate::account::{Account, ServiceSubscription};
use crate::clock::UnixNanos;
use crate::router::{AfterBatch, Dispatch};
use crate::store::StreamId;
use ports::Ports;
use pump::Pump;

impl AfterBatch for StreamHost {
    fn after_batch(self: Arc<Self>, cx: &mut Dispatch) {
        self.pump(cx);
    }
}

/// One stream in service.
pub struct StreamHost {
    /// What the store knows it by.
    pub id: StreamId,
    /// Its name within the account.
    pub name: Box<str>,
    /// The account it belongs to.
    pub account: Arc<Account>,
    /// What it shares with all streams.
    pub env: Arc<Env>,
    state: Mutex<StreamState>,
    pump: Mutex<Pump>,
    /// Something may have become due since the pump last looked.
    pump_again: AtomicBool,
    /// The stream is on the committer's list.
    enlisted: AtomicBool,
    wake: Notify,
    /// When the timer task will look at the stream by itself.
    armed: AtomicI64,
    closed: AtomicBool,
    subscriptions: Mutex<Vec<ServiceSubscription>>,
    ports: Ports,
}

impl StreamHost {
    /// Puts a stream into service: from now on its timers run. It captures nothing until
    /// [`capture`](Self::capture) is called.
    pub fn start(id: StreamId, account: Arc<Account>, env: Arc<Env>, mut state: StreamState) -> Arc<Self> {
        state.failures = env.failures();
        let host = Arc::new(Self {
            id,
            name: state.machine.config().name.as_str().into(),
            account,
            env,
            state: Mutex::new(state),
            pump: Mutex::default(),
            pump_again: AtomicBool::new(false),
            enlisted: AtomicBool::new(false),
            wake: Notify::new(),
            armed: AtomicI64::new(UnixNanos::MAX),
            closed: AtomicBool::new(false),
            subscriptions: Mutex::default(),
            ports: Ports::default(),
        });
        host.env.runtime.spawn(timers::run(host.clone()));
        host.wake.notify_one();
        host
    }

    /// The stream's state. Nothing may be sent, and no other stream touched, while it is held.
    pub fn lock(&self) -> MutexGuard<'_, StreamState> {
        self.state.lock()
    }

    /// Whether its messages are kept in files.
    pub fn is_on_disk(&self) -> bool {
        self.lock().is_on_disk()
    }

    /// Captures nothing any more.
    pub fn stop_capturing(&self) {
        self.subscriptions.lock().clear();
    }

    /// The broker is going away: whoever waits for a consumer is told, and everything is written.
    pub fn stop(self: &Arc<Self>) {
        self.stop_capturing();
        self.ports.close();
        let mut state = self.lock();
        let now = self.env.now();
        for key in state.consumers.keys() {
            state.with_consumer(self, key, now, |machine, turn| machine.server_shutdown(turn));
        }
        state.write_all_consumers(self);
        state.save_positions();
        drop(state);
        self.pump(&mut Dispatch::internal());
    }

    /// Takes the stream out of service; what it has promised to send is still sent.
    pub fn close(&self) {
        self.stop_capturing();
        self.closed.store(true, Ordering::SeqCst);
        self.wake.notify_one();
    }

    /// Whether it was taken out of service.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Has what is due sent when the batch ends: one round of the pump serves all that the batch brought.
    pub(super) fn pump_soon(self: &Arc<Self>, cx: &mut Dispatch) {
        cx.defer(self.clone());
    }

    /// Runs `input` on the state, then sends what has become due.
    pub fn apply<T>(self: &Arc<Self>, cx: &mut Dispatch, input: impl FnOnce(&mut StreamState) -> T) -> T {
        let result = input(&mut self.lock());
        self.pump(cx);
        result
    }

    /// Sees to it that the next commit wakes the stream.
    fn wait_for_commit(self: &Arc<Self>) {
        if !self.enlisted.swap(true, Ordering::SeqCst) {
            self.env.commits.enlist(self.clone());
        }
    }

    /// Called by the committer.
    pub fn wake_at_commit(&self) {
        self.enlisted.store(false, Ordering::SeqCst);
        self.wake.notify_one();
    }
}
