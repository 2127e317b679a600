//! The running broker: everything that lives as long as the process.
//!
//! [`Server`] is shared by all tasks; [`RunningServer`] is the handle of whoever started it.

mod answers;
mod clients;
mod counters;
mod hooks;
mod info;
mod lifecycle;
mod options;
mod reload;
mod websocket;

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use nkeys::KeyPair;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use self::clients::{
    CLOSED_SUBJECTS_MAX, Clients, ClosedClient, ServedConnection, Traffic, TrafficTotals,
};
pub use self::counters::Counters;
pub use self::hooks::{HookFuture, ServerHook};
pub use self::lifecycle::{RunningServer, StartError};
pub use self::options::Options;
pub(crate) use self::reload::Epoch;
pub use self::websocket::WebSocketSide;
use crate::account::{Account, Accounts, Realm, SYSTEM_ACCOUNT, ServiceSubscription};
use crate::auth::Authenticator;
use crate::clock::{Clock, SystemClock, UnixNanos};
use crate::ids;
use crate::net::tls::{HandshakeRate, ServerTls};
use crate::operator::Operator;
use crate::router::ConnectionKind;

/// Password checks that take long may run so many at a time.
const SLOW_LOGINS_MAX: usize = 2;

/// WebSocket connections that may be on their way from accepting to upgrading at a time; more wait.
const UPGRADES_MAX: usize = 1024;

/// What all tasks of the broker share.
pub struct Server {
    id: String,
    /// The secret behind the id.
    key: KeyPair,
    name: String,
    start: UnixNanos,
    clock: Arc<dyn Clock>,
    options: RwLock<Arc<Options>>,
    authenticator: RwLock<Arc<Authenticator>>,
    tls: RwLock<Option<Arc<ServerTls>>>,
    websocket: RwLock<Option<Arc<WebSocketSide>>>,
    /// The port WebSocket clients are told; 0 without a listener.
    websocket_port: AtomicU16,
    /// WebSocket connections that are not upgraded yet.
    upgrades: Semaphore,
    tls_rate: Mutex<HandshakeRate>,
    accounts: Accounts,
    clients: Clients,
    counters: Counters,
    hooks: RwLock<Vec<Arc<dyn ServerHook>>>,
    services: RwLock<Vec<ServiceSubscription>>,
    operator: OnceLock<Arc<Operator>>,
    slow_logins: Semaphore,
    /// Host and port that INFO names.
    advertised: RwLock<(String, u16)>,
    phase: AtomicU8,
    /// Reloads so far.
    epoch: AtomicU64,
    /// Reloads so far that concerned users.
    auth_epoch: AtomicU64,
    /// Cancelled when no more connections are accepted.
    no_more_clients: CancellationToken,
}

/// What the server is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Serving clients.
    Running,
    /// Sending clients away, slowly.
    LameDuck,
    /// Stopping.
    ShuttingDown,
}

impl Server {
    /// A server that listens nowhere yet.
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Result<Arc<Self>, StartError> {
        let authenticator = Authenticator::new(&options.auth).map_err(StartError::Auth)?;
        let tls = options.tls.as_ref().map(ServerTls::load).transpose().map_err(StartError::Tls)?;
        let websocket = options.websocket.as_deref().map(WebSocketSide::new).transpose()?;
        let key = ids::server_key();
        let id = key.public_key();
        let name = if options.server_name.is_empty() { id.clone() } else { options.server_name.clone() };
        let system_account = options.system_account.as_deref().unwrap_or(SYSTEM_ACCOUNT);
        let realm = Realm::new(&name, system_account, clock.clone());
        let server = Arc::new(Self {
            id,
            key,
            name,
            start: clock.now(),
            clock,
            authenticator: RwLock::new(Arc::new(authenticator)),
            tls: RwLock::new(tls.map(Arc::new)),
            websocket: RwLock::new(websocket),
            websocket_port: AtomicU16::new(0),
            upgrades: Semaphore::new(UPGRADES_MAX),
            tls_rate: Mutex::new(HandshakeRate::new(options.tls_connections_per_second_max)),
            accounts: Accounts::new(realm),
            clients: Clients::new(options.closed_clients_max),
            counters: Counters::default(),
            hooks: RwLock::default(),
            services: RwLock::default(),
            operator: OnceLock::new(),
            slow_logins: Semaphore::new(SLOW_LOGINS_MAX),
            advertised: RwLock::new((options.host.clone(), options.port)),
            phase: AtomicU8::new(Phase::Running as u8),
            epoch: AtomicU64::new(0),
            auth_epoch: AtomicU64::new(0),
            no_more_clients: CancellationToken::new(),
            options: RwLock::new(Arc::new(options)),
        });
        crate::system::serve_accounts(&server);
        server.create_configured_accounts();
        Ok(server)
    }

    /// A server that listens nowhere yet, with the machine's clock.
    pub fn with_system_clock(options: Options) -> Result<Arc<Self>, StartError> {
        Self::new(options, Arc::new(SystemClock))
    }

    /// Unique id: a server's public nkey.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What it signs with; the public part is its id.
    pub fn key(&self) -> &KeyPair {
        &self.key
    }

    /// Configured name, or the id.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it started.
    pub fn started(&self) -> UnixNanos {
        self.start
    }

    /// Where it has the time from.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The settings in force.
    pub fn options(&self) -> Arc<Options> {
        self.options.read().clone()
    }

    /// Decides about logins.
    pub fn authenticator(&self) -> Arc<Authenticator> {
        self.authenticator.read().clone()
    }

    /// Decides about logins instead, in operator mode.
    pub fn operator(&self) -> Option<&Arc<Operator>> {
        self.operator.get()
    }

    /// Puts the server into operator mode, for good.
    pub(crate) fn set_operator(&self, operator: Arc<Operator>) {
        // There is only one, set at the start.
        let _ = self.operator.set(operator);
    }

    /// How client connections are encrypted.
    pub fn tls(&self) -> Option<Arc<ServerTls>> {
        self.tls.read().clone()
    }

    /// The WebSocket listener's side of it, if there is one.
    pub fn websocket(&self) -> Option<Arc<WebSocketSide>> {
        self.websocket.read().clone()
    }

    /// The port WebSocket clients connect to; 0 without a listener.
    pub fn websocket_port(&self) -> u16 {
        self.websocket_port.load(Ordering::Relaxed)
    }

    /// Decides about logins of clients that come this way.
    pub fn authenticator_for(&self, kind: ConnectionKind) -> Arc<Authenticator> {
        match self.websocket().filter(|_| kind == ConnectionKind::WebSocket) {
            Some(side) => side.authenticator.clone(),
            None => self.authenticator(),
        }
    }

    /// All accounts.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// The account of this name, made if it is new.
    pub fn account(&self, name: &str) -> Arc<Account> {
        let (account, created) = self.accounts.get_or_create(name);
        if created {
            self.hooks().iter().for_each(|hook| hook.account_created(&account));
        }
        account
    }

    /// Client connections.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// What the server counts.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Has a hook told of what happens from now on, and of all accounts there are already.
    pub fn add_hook(&self, hook: Arc<dyn ServerHook>) {
        self.hooks.write().push(hook.clone());
        self.accounts.all().iter().for_each(|account| hook.account_created(account));
    }

    /// Keeps a service subscribed as long as the server lives.
    pub fn keep_service(&self, service: ServiceSubscription) {
        self.services.write().push(service);
    }

    /// What the server is doing.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::LameDuck,
            _ => Phase::ShuttingDown,
        }
    }

    /// Whether another TLS handshake may start now.
    pub(crate) fn may_start_tls(&self) -> bool {
        let mut rate = self.tls_rate.lock();
        let limited = self.options().tls_connections_per_second_max > 0;
        !limited || rate.allow(self.clock.now())
    }

    pub(crate) fn upgrades(&self) -> &Semaphore {
        &self.upgrades
    }

    pub(crate) fn slow_logins(&self) -> &Semaphore {
        &self.slow_logins
    }

    pub(crate) fn no_more_clients(&self) -> &CancellationToken {
        &self.no_more_clients
    }

    pub(crate) fn hooks(&self) -> Vec<Arc<dyn ServerHook>> {
        self.hooks.read().clone()
    }

    /// Moves on to a later phase; `false` if it was reached already.
    fn enter(&self, phase: Phase) -> bool {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel) < phase as u8
    }

    fn create_configured_accounts(&self) {
        let options = self.options();
        options.auth.users.iter().for_each(|user| _ = self.account(&user.account));
    }
}
