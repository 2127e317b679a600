//! What happens between accepting a connection and the first operation: registration, INFO, TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use headwater_protocol::client::{Info, encode_err, encode_info};
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::proxy;
use super::tls::{Accepted, HandshakeError, HandshakeFirst, LoadedTls, looks_like_tls};
use super::transport::Transport;
use crate::ids;
use crate::router::{CloseReason, ConnectionKind, Receiver};
use crate::server::{ClosedClient, ServedConnection, Server};
use crate::session::{Client, Established, Session, TlsFacts};

/// How long a client that is turned away may take to read why.
const TURNED_AWAY_TIMEOUT: Duration = Duration::from_millis(500);

/// Serves one accepted connection to its end.
pub(super) async fn serve(server: Arc<Server>, stream: TcpStream, addr: SocketAddr) {
    let _served = ServedConnection::new(&server);
    let options = server.options();
    let cid = server.clients().next_cid();
    let now = server.clock().now();
    let client = Client::new(cid, ConnectionKind::Nats, addr, now, options.outbound_bytes_max);
    server.counters().connections_total.fetch_add(1, Ordering::Relaxed);
    log::debug!("{} - Client connection created", client.log_name());
    // Boxed, because an established session should not carry the room of a handshake with it.
    let Some(established) = Box::pin(establish(&server, &client, stream)).await else { return };
    Session::new(server, client, established).run().await;
}

async fn establish(server: &Arc<Server>, client: &Arc<Client>, stream: TcpStream) -> Option<Established> {
    let authenticator = server.authenticator();
    let nonce = if authenticator.nonce_needed() { ids::nonce() } else { String::new() };
    let mut info = server.info_for(client, &nonce);
    if server.options().proxy_protocol {
        // The proxy's address is nobody's business.
        info.client_ip.clear();
    }
    let mut opening = Opening { server, client, stream, info };
    let tls = server.tls().map(|tls| tls.current());
    let first = tls.as_ref().map_or(HandshakeFirst::Never, |tls| tls.handshake_first);
    let (proxied, waits) = (server.options().proxy_protocol, first != HandshakeFirst::Never);
    if proxied && waits {
        opening.read_proxy_header().await?;
    }
    let tls_first = opening.client_speaks_first(first).await;
    if !tls_first {
        opening.send_info().await?;
    }
    if !server.clients().add(client, server.options().connections_max) {
        log::error!("{} - maximum connections exceeded", client.log_name());
        opening.turn_away("maximum connections exceeded").await;
        return None;
    }
    if proxied && !waits {
        // A client that comes without a proxy waits for INFO.
        opening.read_proxy_header().await?;
    }
    match tls {
        Some(tls) => opening.encrypt(&tls, tls_first, nonce).await,
        None => Some(opening.plain(nonce)),
    }
}

/// A connection that is being opened.
struct Opening<'a> {
    server: &'a Arc<Server>,
    client: &'a Arc<Client>,
    stream: TcpStream,
    info: Info,
}

impl Opening<'_> {
    /// Whether the client starts with TLS before it has seen INFO.
    async fn client_speaks_first(&self, first: HandshakeFirst) -> bool {
        match first {
            HandshakeFirst::Never => false,
            HandshakeFirst::Always => true,
            HandshakeFirst::Fallback(wait) => {
                matches!(timeout(wait, self.stream.peek(&mut [0])).await, Ok(Ok(1..)))
            }
        }
    }

    /// Learns whom a proxy speaks for. `None` if that went wrong.
    async fn read_proxy_header(&mut self) -> Option<()> {
        match proxy::read_header(&mut self.stream).await {
            Ok(Some(addr)) => {
                self.client.set_proxied(addr);
                self.info.client_ip = addr.ip().to_string();
            }
            Ok(None) => {}
            Err(error) => {
                let from = self.client.addr();
                log::warn!("Error reading PROXY protocol header from {from}: {error}");
                give_up(self.server, self.client, CloseReason::ProtocolViolation);
                return None;
            }
        }
        Some(())
    }

    async fn send_info(&mut self) -> Option<()> {
        let line = info_line(&self.info);
        let written = timeout(self.server.options().write_deadline, self.stream.write_all(&line)).await;
        matches!(written, Ok(Ok(()))).then_some(())
    }

    async fn encrypt(self, tls: &LoadedTls, tls_first: bool, nonce: String) -> Option<Established> {
        let optional = self.server.options().allow_non_tls && !tls_first;
        if optional && !looks_like_tls(&self.stream, tls.timeout).await {
            return Some(self.plain(nonce));
        }
        if !self.server.may_start_tls() {
            self.turn_away("Connection throttling is active. Please try again later.").await;
            return None;
        }
        log::debug!("{} - Starting TLS client connection handshake", self.client.log_name());
        let Accepted { stream, certificates, facts } = match tls.accept(self.stream).await {
            Ok(accepted) => accepted,
            Err(error) => {
                handshake_failed(self.server, self.client, &error);
                return None;
            }
        };
        if let Some(facts) = facts {
            let TlsFacts { version, cipher } = facts;
            log::debug!("{} - TLS handshake complete, version {version}, {cipher}", self.client.log_name());
            self.client.set_tls(facts);
        }
        if tls_first {
            self.client.send_line(&info_line(&self.info));
        }
        Some(established(self.server, Transport::stream(stream), nonce, certificates))
    }

    fn plain(self, nonce: String) -> Established {
        let (transport, writer) = Transport::plain(self.stream);
        self.client.subscriber().outbound().attach(writer);
        established(self.server, transport, nonce, Box::default())
    }

    /// Tells a client that there is no room for it.
    async fn turn_away(mut self, text: &str) {
        let mut line = Vec::new();
        encode_err(&mut line, text);
        let goodbye = async {
            self.stream.write_all(&line).await?;
            self.stream.shutdown().await?;
            // The client has to hang up first, or it might never see why.
            self.stream.read(&mut [0; 1024]).await
        };
        // One that does not listen misses it.
        let _ = timeout(TURNED_AWAY_TIMEOUT, goodbye).await;
        give_up(self.server, self.client, CloseReason::MaxConnectionsExceeded);
    }
}

fn established(
    server: &Server,
    transport: Transport,
    nonce: String,
    certificates: Box<[CertificateDer<'static>]>,
) -> Established {
    let login_required = server.authenticator().auth_required();
    Established { transport, nonce: nonce.into(), certificates, login_required, cookies: None }
}

fn handshake_failed(server: &Server, client: &Arc<Client>, error: &HandshakeError) {
    log::debug!("{} - {error}", client.log_name());
    give_up(server, client, CloseReason::TlsHandshakeError);
}

/// Forgets a client that never got as far as a session.
pub(super) fn give_up(server: &Server, client: &Arc<Client>, reason: CloseReason) {
    let stop = server.clock().now();
    let gone = ClosedClient { client: client.snapshot(), stop, reason, subjects: Vec::new() };
    server.clients().remove_or_remember(client, gone);
    log::debug!("{} - Client connection closed: {reason}", client.log_name());
}

fn info_line(info: &Info) -> Vec<u8> {
    let mut line = Vec::new();
    encode_info(&mut line, info);
    line
}
