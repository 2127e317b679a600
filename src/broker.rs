//! One broker from configuration to exit: start everything in order, then do what signals say.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_protocol::jetstream::account_info::API_LEVEL;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{Interval, timeout};

use crate::account::Account;
use crate::assemble;
use crate::clock::SystemClock;
use crate::config::files::{self, Ports};
use crate::config::{Config, ConfigError, Source};
use crate::jetstream::JetStream;
use crate::logging::LogHandle;
use crate::memory;
use crate::monitor::BrokerSource;
use crate::monitoring::Monitoring;
use crate::operator::Operator;
use crate::reload::reload;
use crate::server::{RunningServer, Server, StartError};
use crate::system::{self, OperatorServices};
use crate::systemd::{Manager, State};
use crate::version::{NATS_VERSION, VERSION};

/// A sign of life that nobody waits for.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// How long clients wait for the store before they are let in without it.
const DOOR_HELD_MAX: Duration = Duration::from_millis(250);

/// What reading the store comes to.
type Recovery = JoinHandle<Result<(), BrokerError>>;

/// Why a broker did not start.
#[derive(Debug)]
pub enum BrokerError {
    /// The core broker.
    Server(StartError),
    /// The store.
    JetStream(String),
    /// The monitoring listener.
    Monitoring(String),
    /// Settings that do not work out.
    Settings(String),
    /// A file that was to be written.
    File(String),
}

impl fmt::Display for BrokerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(error) => error.fmt(f),
            Self::JetStream(reason) => write!(f, "Can't start JetStream: {reason}"),
            Self::Monitoring(reason) => write!(f, "Can't start monitoring: {reason}"),
            Self::File(reason) | Self::Settings(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for BrokerError {}

impl From<StartError> for BrokerError {
    fn from(error: StartError) -> Self {
        Self::Server(error)
    }
}

/// A broker that serves.
pub struct Broker {
    running: RunningServer,
    jetstream: Option<Arc<JetStream>>,
    /// Reading what the store holds, while that goes on.
    recovery: Option<Recovery>,
    ports_file: Option<std::path::PathBuf>,
    /// What the broker runs with now.
    config: Config,
    source: Arc<BrokerSource>,
    monitoring: Option<Monitoring>,
    operator_services: OperatorServices,
    manager: Manager,
}

impl Broker {
    /// Starts everything the configuration names.
    pub async fn start(config: &Config) -> Result<Self, BrokerError> {
        let server = Server::new(assemble::server_options(config), Arc::new(SystemClock))?;
        announce(config, &server);
        assemble::bound_memory(config);
        let operator = start_operator(config, &server)?;
        assemble::apply_account_limits(config, &server);
        assemble::apply_mappings(config, &server)
            .map_err(|error| BrokerError::Settings(error.to_string()))?;
        if operator.is_none() {
            assemble::apply_exchange(config, &server).map_err(BrokerError::Settings)?;
        }
        let jetstream = if config.jetstream.enabled { Some(start_jetstream(config, &server)?) } else { None };
        let recovery = jetstream.clone().map(|jetstream| begin_recovery(jetstream, operator.clone()));
        let source = Arc::new(BrokerSource::new(server.clone(), Arc::new(config.clone())));
        source.set_jetstream(jetstream.clone().map(|jetstream| jetstream as Arc<_>));
        let operator_services = system::serve_operators(&server, source.clone());
        let monitoring = Monitoring::start(config, source.clone()).await?;
        let recovery = hold_the_door(recovery).await?;
        let running = server.listen().await?;
        let broker = Self {
            running,
            jetstream,
            recovery,
            ports_file: None,
            config: config.clone(),
            source,
            monitoring,
            operator_services,
            manager: Manager::from_environment(),
        };
        broker.write_files(config)
    }

    /// The core broker.
    pub fn server(&self) -> &Arc<Server> {
        self.running.server()
    }

    /// JetStream, if it is enabled.
    pub fn jetstream(&self) -> Option<&Arc<JetStream>> {
        self.jetstream.as_ref()
    }

    /// Where clients connect.
    pub fn client_addr(&self) -> std::net::SocketAddr {
        self.running.client_addr()
    }

    /// Serves until a signal ends it. `read_again` reads the configuration anew for a reload.
    pub async fn run(
        mut self,
        log: &LogHandle,
        read_again: impl Fn() -> Result<Config, ConfigError>,
    ) -> std::io::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut lame_duck = signal(SignalKind::user_defined2())?;
        let mut reopen_log = signal(SignalKind::user_defined1())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut alive = tokio::time::interval(self.manager.watchdog_interval().unwrap_or(NEVER));
        self.manager.tell(State::Ready);
        memory::code::let_go();
        let mut ended = Ok(());
        loop {
            tokio::select! {
                failed = failed_recovery(&mut self.recovery) => {
                    ended = Err(std::io::Error::other(failed));
                    break;
                }
                _ = alive.tick() => self.manager.tell(State::Watchdog),
                _ = interrupt.recv() => { log::info!("Trapped \"interrupt\" signal"); break }
                _ = terminate.recv() => { log::info!("Trapped \"terminated\" signal"); break }
                _ = reopen_log.recv() => {
                    if let Err(error) = log.reopen(&self.config.logging) {
                        log::error!("Log file cannot be re-opened: {error}");
                    }
                }
                _ = hangup.recv() => {
                    log::info!("Trapped \"hangup\" signal");
                    // What went wrong has been logged.
                    let _ = self.reload_again(&read_again, log);
                }
                Some(request) = self.operator_services.reloads.recv() => {
                    request.answer(self.reload_again(&read_again, log));
                }
                _ = lame_duck.recv() => {
                    log::info!("Trapped \"user defined signal 2\" signal");
                    self.send_clients_away(&mut interrupt, &mut alive).await;
                    break;
                }
            }
        }
        self.manager.tell(State::Stopping);
        self.shutdown().await;
        ended
    }

    /// Lame duck mode, until it has come to its end or an interrupt ends it.
    async fn send_clients_away(&self, interrupt: &mut Signal, alive: &mut Interval) {
        self.manager.tell(State::Stopping);
        let going = self.running.lame_duck();
        tokio::pin!(going);
        loop {
            tokio::select! {
                () = &mut going => return,
                _ = interrupt.recv() => return,
                _ = alive.tick() => self.manager.tell(State::Watchdog),
            }
        }
    }

    fn reload_again(
        &mut self,
        read_again: &impl Fn() -> Result<Config, ConfigError>,
        log: &LogHandle,
    ) -> Result<(), String> {
        self.manager.tell(State::Reloading);
        let reloaded = match read_again() {
            Ok(config) => self.reload(config).map(|()| log.reconfigure(&self.config.logging)),
            Err(error) => Err(error.to_string()),
        };
        self.manager.tell(State::Ready);
        match reloaded {
            Ok(Err(error)) => log::error!("Log cannot be reconfigured: {error}"),
            Ok(Ok(())) => log::info!("Reloaded server configuration"),
            Err(reason) => {
                log::error!("Failed to reload server configuration: {reason}");
                return Err(reason);
            }
        }
        Ok(())
    }

    /// Goes on with another configuration, if that is possible without a restart; on an error nothing has changed.
    pub fn reload(&mut self, config: Config) -> Result<(), String> {
        let changes = reload(self.running.server(), &self.config, &config)?;
        changes.iter().for_each(|change| log::info!("Reloaded: {change}"));
        self.source.set_config(Arc::new(config.clone()));
        self.config = config;
        Ok(())
    }

    /// Stops everything; what was acknowledged is on disk.
    pub async fn shutdown(self) {
        if let Some(path) = &self.ports_file {
            let _ = files::remove_ports_file(path);
        }
        self.running.shutdown().await;
        drop((self.monitoring, self.operator_services));
    }

    fn write_files(mut self, config: &Config) -> Result<Self, BrokerError> {
        if let Some(path) = &config.files.pid_file {
            let written = files::write_pid_file(path);
            written.map_err(|error| file_error("pid file", path, error))?;
        }
        if let Some(dir) = &config.files.ports_file_dir {
            let path = files::ports_file(dir);
            let written = files::write_ports_file(&path, &self.ports());
            written.map_err(|error| file_error("ports file", &path, error))?;
            self.ports_file = Some(path);
        }
        log::info!("Server is ready");
        Ok(self)
    }

    /// Where it can be reached.
    pub fn ports(&self) -> Ports {
        let address = self.client_addr();
        let monitoring = self.monitoring.iter().flat_map(Monitoring::urls).collect();
        let scheme = if self.config.websocket.tls.is_some() { "wss" } else { "ws" };
        let websocket = self.running.websocket_addr().map(|address| files::url(scheme, address));
        Ports {
            nats: vec![files::url("nats", address)],
            monitoring,
            websocket: websocket.into_iter().collect(),
            ..Ports::default()
        }
    }
}

fn file_error(what: &str, path: &std::path::Path, error: std::io::Error) -> BrokerError {
    BrokerError::File(format!("Could not write {what} {}: {error}", path.display()))
}

fn announce(config: &Config, server: &Server) {
    log::info!("Starting nats-server");
    log::info!("  Version:  {NATS_VERSION} (headwater {VERSION})");
    log::info!("  Name:     {}", server.name());
    log::info!("  ID:       {}", server.id());
    if let Some(Source { path, digest }) = &config.source {
        log::info!("Using configuration file: {path} ({digest})");
    }
    config.warnings.iter().chain(&config.not_served).for_each(|warning| log::warn!("{warning}"));
}

fn start_operator(config: &Config, server: &Arc<Server>) -> Result<Option<Arc<Operator>>, BrokerError> {
    let settings = assemble::operator_settings(config).map_err(BrokerError::Settings)?;
    let start = |settings| Operator::start(server, settings).map_err(BrokerError::Settings);
    settings.map(start).transpose()
}

fn start_jetstream(config: &Config, server: &Arc<Server>) -> Result<Arc<JetStream>, BrokerError> {
    log::info!("Starting JetStream");
    let settings = assemble::jetstream_settings(config, server.name());
    log::info!("---------------- JETSTREAM ----------------");
    log::info!("  Strict:          {}", settings.strict);
    if let Some(domain) = settings.domain() {
        log::info!("  Domain:          {domain}");
    }
    log::info!("  Max Memory:      {} bytes", settings.memory_bytes_max);
    log::info!("  Max Storage:     {} bytes", settings.file_bytes_max);
    log::info!("  Store Directory: {:?}", settings.store_dir);
    let options = assemble::store_options(config);
    if let Some(encryption) = &options.encryption {
        log::info!("  Encryption:      {}", encryption.cipher);
    }
    log::info!("  API Level:       {API_LEVEL}");
    log::info!("-------------------------------------------");
    let limits = match server.operator() {
        Some(operator) => assemble::jetstream_limits_of_tokens(operator),
        None => assemble::jetstream_limits(config),
    };
    let jetstream = JetStream::claim(settings, options, server.clock().clone(), limits)
        .map_err(BrokerError::JetStream)?;
    server.add_hook(jetstream.clone());
    let _: Arc<Account> = server.account(crate::account::GLOBAL_ACCOUNT);
    Ok(jetstream)
}

/// Reads what the store holds, beside everything else.
fn begin_recovery(jetstream: Arc<JetStream>, operator: Option<Arc<Operator>>) -> Recovery {
    let began = Instant::now();
    tokio::spawn(async move {
        let recovering = jetstream.clone();
        let recovered = tokio::task::spawn_blocking(move || recovering.recover()).await;
        recovered.unwrap_or_else(|error| Err(error.to_string())).map_err(BrokerError::JetStream)?;
        log::info!("Took {:?} to start JetStream", began.elapsed());
        if let Some(operator) = operator {
            operator.hold(jetstream.accounts_to_come()).await;
        }
        Ok(())
    })
}

/// Gives a quick recovery the time to finish, so that the first clients find their streams; returns a slow one, which goes on.
async fn hold_the_door(recovery: Option<Recovery>) -> Result<Option<Recovery>, BrokerError> {
    let Some(mut recovery) = recovery else { return Ok(None) };
    match timeout(DOOR_HELD_MAX, &mut recovery).await {
        Ok(Ok(done)) => done.map(|()| None),
        Ok(Err(error)) => Err(BrokerError::JetStream(error.to_string())),
        Err(_) => {
            log::info!("JetStream is still recovering, clients are served meanwhile");
            Ok(Some(recovery))
        }
    }
}

/// Returns when a recovery that is under way has failed; otherwise never.
async fn failed_recovery(recovery: &mut Option<Recovery>) -> BrokerError {
    let done = match recovery {
        Some(running) => running.await,
        None => std::future::pending().await,
    };
    *recovery = None;
    match done {
        Ok(Ok(())) => std::future::pending().await,
        Ok(Err(error)) => error,
        Err(error) => BrokerError::JetStream(error.to_string()),
    }
}
