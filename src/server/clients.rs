//! Who is connected, and who was.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::UnixNanos;
use crate::router::CloseReason;
use crate::server::Server;
use crate::session::{Client, ClientSnapshot};

/// The clients of a server, bounded by `connections_max`, and the last ones that left.
pub struct Clients {
    connected: Mutex<BTreeMap<u64, Arc<Client>>>,
    closed: Mutex<VecDeque<ClosedClient>>,
    closed_max: usize,
    last_cid: AtomicU64,
    /// What those who left have sent and received; the connected ones count for themselves.
    gone: Traffic,
    /// The same, by account; bounded by the accounts that there have been.
    gone_by_account: Mutex<HashMap<Arc<str>, TrafficTotals>>,
    /// Tasks that serve a connection, from accepting it to closing it.
    tasks: AtomicUsize,
    idle: Notify,
}

/// A connection that is being served; ends with it.
pub struct ServedConnection(Arc<Server>);

impl ServedConnection {
    /// Counts a connection.
    pub fn new(server: &Arc<Server>) -> Self {
        server.clients().tasks.fetch_add(1, Ordering::SeqCst);
        Self(server.clone())
    }
}

impl Drop for ServedConnection {
    fn drop(&mut self) {
        let clients = self.0.clients();
        if clients.tasks.fetch_sub(1, Ordering::SeqCst) == 1 {
            clients.idle.notify_waiters();
        }
    }
}

/// A client that left, as monitoring remembers it.
#[derive(Debug, Clone)]
pub struct ClosedClient {
    /// The client as it was in the end.
    pub client: ClientSnapshot,
    /// When it left.
    pub stop: UnixNanos,
    /// Why.
    pub reason: CloseReason,
    /// Subjects it was subscribed to, [`CLOSED_SUBJECTS_MAX`] at most.
    pub subjects: Vec<Box<[u8]>>,
}

/// Subjects remembered of a client that left.
pub const CLOSED_SUBJECTS_MAX: usize = 64;

/// Messages and bytes, both ways.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Messages from clients.
    pub in_msgs: AtomicU64,
    /// Bytes of those messages.
    pub in_bytes: AtomicU64,
    /// Messages to clients.
    pub out_msgs: AtomicU64,
    /// Bytes of those messages.
    pub out_bytes: AtomicU64,
}

/// A moment's [`Traffic`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrafficTotals {
    /// Messages from clients.
    pub in_msgs: u64,
    /// Bytes of those messages.
    pub in_bytes: u64,
    /// Messages to clients.
    pub out_msgs: u64,
    /// Bytes of those messages.
    pub out_bytes: u64,
}

impl TrafficTotals {
    fn add(&mut self, other: TrafficTotals) {
        self.in_msgs += other.in_msgs;
        self.in_bytes += other.in_bytes;
        self.out_msgs += other.out_msgs;
        self.out_bytes += other.out_bytes;
    }
}

impl Traffic {
    /// The current values.
    pub fn totals(&self) -> TrafficTotals {
        TrafficTotals {
            in_msgs: self.in_msgs.load(Ordering::Relaxed),
            in_bytes: self.in_bytes.load(Ordering::Relaxed),
            out_msgs: self.out_msgs.load(Ordering::Relaxed),
            out_bytes: self.out_bytes.load(Ordering::Relaxed),
        }
    }

    fn absorb(&self, other: TrafficTotals) {
        self.in_msgs.fetch_add(other.in_msgs, Ordering::Relaxed);
        self.in_bytes.fetch_add(other.in_bytes, Ordering::Relaxed);
        self.out_msgs.fetch_add(other.out_msgs, Ordering::Relaxed);
        self.out_bytes.fetch_add(other.out_bytes, Ordering::Relaxed);
    }
}

impl Clients {
    /// Nobody yet; `closed_max` of those who leave will be remembered.
    pub fn new(closed_max: usize) -> Self {
        Self {
            connected: Mutex::default(),
            closed: Mutex::default(),
            closed_max,
            last_cid: AtomicU64::new(0),
            gone: Traffic::default(),
            gone_by_account: Mutex::default(),
            tasks: AtomicUsize::new(0),
            idle: Notify::new(),
        }
    }

    /// A number for a new connection of any kind.
    pub fn next_cid(&self) -> u64 {
        self.last_cid.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Adds a client. `false`, and no change, if there are `connections_max` already, or if that is `None`.
    pub fn add(&self, client: &Arc<Client>, connections_max: Option<usize>) -> bool {
        let mut connected = self.connected.lock();
        let room = connections_max.is_some_and(|max| connected.len() < max);
        if room {
            connected.insert(client.cid(), client.clone());
        }
        room
    }

    /// Moves a client to those who left. Does nothing if it is not connected.
    pub fn remove(&self, client: &Arc<Client>, gone: ClosedClient) {
        let mut connected = self.connected.lock();
        if connected.remove(&client.cid()).is_none() {
            return;
        }
        self.gone.absorb(client.traffic());
        let account = client.info().account.clone();
        self.gone_by_account.lock().entry(account).or_default().add(client.traffic());
        // Under the lock, so that nobody sees the client in neither place.
        self.remember(gone);
    }

    /// Like [`remove`](Self::remove), also for a client that was never let in.
    pub fn remove_or_remember(&self, client: &Arc<Client>, gone: ClosedClient) {
        match self.get(client.cid()).is_some() {
            true => self.remove(client, gone),
            false => self.remember(gone),
        }
    }

    fn remember(&self, gone: ClosedClient) {
        let mut closed = self.closed.lock();
        while closed.len() >= self.closed_max.max(1) {
            closed.pop_front();
        }
        if self.closed_max > 0 {
            closed.push_back(gone);
        }
    }

    /// The client with this number.
    pub fn get(&self, cid: u64) -> Option<Arc<Client>> {
        self.connected.lock().get(&cid).cloned()
    }

    /// Everyone who is connected, oldest first.
    pub fn all(&self) -> Vec<Arc<Client>> {
        self.connected.lock().values().cloned().collect()
    }

    /// Those of one account, oldest first.
    pub fn of_account(&self, name: &str) -> Vec<Arc<Client>> {
        let mut clients = self.all();
        clients.retain(|client| client.account().is_some_and(|account| **account.name() == *name));
        clients
    }

    /// How many are connected.
    pub fn len(&self) -> usize {
        self.connected.lock().len()
    }

    /// True if nobody is connected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those who left, oldest first.
    pub fn closed(&self) -> Vec<ClosedClient> {
        self.closed.lock().iter().cloned().collect()
    }

    /// What all clients have sent and received since the server started.
    pub fn traffic(&self) -> TrafficTotals {
        let connected = self.connected.lock();
        let mut totals = self.gone.totals();
        connected.values().for_each(|client| totals.add(client.traffic()));
        totals
    }

    /// What the clients of each account have sent and received since the server started.
    pub fn traffic_by_account(&self) -> HashMap<Arc<str>, TrafficTotals> {
        let connected = self.connected.lock();
        let mut totals = self.gone_by_account.lock().clone();
        for client in connected.values() {
            totals.entry(client.info().account.clone()).or_default().add(client.traffic());
        }
        totals
    }

    /// Returns once no connection is served any more.
    pub async fn wait_until_idle(&self) {
        loop {
            let idle = self.idle.notified();
            if self.tasks.load(Ordering::SeqCst) == 0 {
                return;
            }
            idle.await;
        }
    }
}
