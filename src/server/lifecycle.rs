//! Start, lame duck mode and shutdown.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use headwater_protocol::client::encode_info;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{Options, Phase, Server, answers};
use crate::auth::SettingsError;
use crate::net::listener::{self, ClientListener};
use crate::net::tls::TlsError;
use crate::router::{CloseReason, ConnectionKind, Receiver};
use crate::session::Client;

/// How long clients may take to be gone after a shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest pause between two clients that are sent away.
const LAME_DUCK_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Why the server did not start.
#[derive(Debug)]
pub enum StartError {
    /// The users or permissions are wrong.
    Auth(SettingsError),
    /// The TLS settings are wrong.
    Tls(TlsError),
    /// The address cannot be listened on.
    Listen {
        /// What was to be listened on.
        address: String,
        /// Why that failed.
        error: io::Error,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Listen { address, error } => {
                write!(f, "Error listening on port: {address}, {:?}", error.to_string())
            }
        }
    }
}

impl std::error::Error for StartError {}

/// A server that accepts clients. Dropping the handle does not stop it.
pub struct RunningServer {
    server: Arc<Server>,
    client_addr: SocketAddr,
    websocket_addr: Option<SocketAddr>,
    listening: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts a server with the machine's clock and accepts clients.
    pub async fn start(options: Options) -> Result<RunningServer, StartError> {
        Self::with_system_clock(options)?.listen().await
    }

    /// Accepts clients.
    pub async fn listen(self: Arc<Self>) -> Result<RunningServer, StartError> {
        let options = self.options();
        // Whoever waits for the clients' port finds the others open, too.
        let websocket = self.bind_websocket(&options).await?;
        let listener = ClientListener::bind(&options.host, options.port, ConnectionKind::Nats).await?;
        let client_addr = listener.addr();
        *self.advertised.write() =
            options.client_advertise.clone().unwrap_or_else(|| (options.host.clone(), client_addr.port()));
        log::info!(
            "Listening for client connections on {}",
            listener::joined(&options.host, client_addr.port())
        );
        let mut listening = vec![tokio::spawn(listener.run(self.clone()))];
        let mut websocket_addr = None;
        if let Some(listener) = websocket {
            websocket_addr = Some(listener.addr());
            listening.push(tokio::spawn(listener.run(self.clone())));
        }
        let realm = self.accounts.realm().clone();
        tokio::spawn(answers::look_after(Arc::downgrade(&self), realm));
        Ok(RunningServer { server: self, client_addr, websocket_addr, listening })
    }

    async fn bind_websocket(&self, options: &Options) -> Result<Option<ClientListener>, StartError> {
        let Some(websocket) = &options.websocket else { return Ok(None) };
        let listener =
            ClientListener::bind(&websocket.host, websocket.port, ConnectionKind::WebSocket).await?;
        let port = listener.addr().port();
        self.websocket_port.store(port, Ordering::Relaxed);
        let scheme = if websocket.tls.is_some() { "wss" } else { "ws" };
        let address = listener::joined(&websocket.host, port);
        log::info!("Listening for websocket clients on {scheme}://{address}");
        if websocket.tls.is_none() {
            log::warn!("Websocket not configured with TLS. DO NOT USE IN PRODUCTION!");
        }
        Ok(Some(listener))
    }
}

impl RunningServer {
    /// The server.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Where clients connect.
    pub fn client_addr(&self) -> SocketAddr {
        self.client_addr
    }

    /// Where WebSocket clients connect, if they may.
    pub fn websocket_addr(&self) -> Option<SocketAddr> {
        self.websocket_addr
    }

    /// Stops: tells the hooks, then closes all connections.
    pub async fn shutdown(self) {
        if self.server.enter(Phase::ShuttingDown) {
            log::info!("Initiating Shutdown...");
            self.server.no_more_clients.cancel();
            for hook in self.server.hooks() {
                hook.shutdown().await;
            }
            self.server.clients.all().iter().for_each(send_away);
        }
        let _ = timeout(SHUTDOWN_TIMEOUT, self.server.clients.wait_until_idle()).await;
        for listening in self.listening {
            let _ = listening.await;
        }
        log::info!("Server Exiting..");
    }

    /// Lets clients go elsewhere: accepts no more, tells those there are, and closes their connections one by one. Returns when
    /// that is done, or at once when a shutdown is under way; then it is time for [`shutdown`](Self::shutdown).
    pub async fn lame_duck(&self) {
        let server = &self.server;
        if !server.enter(Phase::LameDuck) {
            return;
        }
        log::info!("Entering lame duck mode, stop accepting new clients");
        server.no_more_clients.cancel();
        for hook in server.hooks() {
            hook.lame_duck().await;
        }
        if server.clients.is_empty() {
            return;
        }
        server.announce_lame_duck();
        let options = server.options();
        let alone = server.clients.wait_until_idle();
        if timeout(options.lame_duck_grace, alone).await.is_err() {
            log::info!("Closing existing clients");
            server.close_one_by_one(&options).await;
        }
    }
}

impl Server {
    fn announce_lame_duck(&self) {
        for client in self.clients.all().iter().filter(|client| client.wants_async_info()) {
            let mut line = Vec::new();
            encode_info(&mut line, &self.info_for(client, ""));
            client.send_line(&line);
        }
    }

    async fn close_one_by_one(&self, options: &Options) {
        let clients = self.clients.all();
        let spread = options.lame_duck_duration.saturating_sub(options.lame_duck_grace);
        let pause =
            (spread / u32::try_from(clients.len()).unwrap_or(u32::MAX).max(1)).min(LAME_DUCK_PAUSE_MAX);
        for (at, client) in clients.iter().enumerate() {
            if self.phase() == Phase::ShuttingDown {
                return;
            }
            if at > 0 {
                sleep(pause).await;
            }
            send_away(client);
        }
    }
}

fn send_away(client: &Arc<Client>) {
    client.subscriber().outbound().close_after_flush(CloseReason::ServerShutdown);
}
