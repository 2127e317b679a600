//! From an accepted connection to a session: TLS, the upgrade, INFO.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use headwater_protocol::client::{encode_err, encode_info};
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::request::Request;
use super::stream::WebSocketStream;
use super::upgrade::{Upgrade, upgrade};
use crate::net::handshake::give_up;
use crate::net::tls::{Accepted, LoadedTls};
use crate::net::transport::{ByteStream, Transport};
use crate::router::{CloseReason, ConnectionKind};
use crate::server::{ServedConnection, Server, WebSocketSide};
use crate::session::{Client, Established, Session, TlsFacts};

/// How long one who is turned away may take to read why.
const TURNED_AWAY_TIMEOUT: Duration = Duration::from_millis(500);

/// A connection before it is a WebSocket.
struct Carrier {
    io: Box<dyn ByteStream>,
    tls: Option<TlsFacts>,
    certificates: Box<[CertificateDer<'static>]>,
}

/// Serves one accepted connection to its end.
pub(in crate::net) async fn serve(server: Arc<Server>, stream: TcpStream, addr: SocketAddr) {
    let _served = ServedConnection::new(&server);
    let Some(side) = server.websocket() else { return };
    // Boxed, because an established session should not carry the room of a handshake with it.
    let Some((carrier, request, upgrade)) = Box::pin(open(&server, &side, stream, addr)).await else {
        return;
    };
    if let Some((client, established)) = enter(&server, &side, addr, carrier, request, upgrade).await {
        Session::new(server, client, established).run().await;
    }
}

/// Makes a WebSocket of the connection, within the time there is for it.
async fn open(
    server: &Arc<Server>,
    side: &WebSocketSide,
    stream: TcpStream,
    addr: SocketAddr,
) -> Option<(Carrier, Request, Upgrade)> {
    // Those who have not got further yet are bounded in number and in time.
    let opening = async {
        let _slot = server.upgrades().acquire().await.map_err(io::Error::other)?;
        let mut carrier = encrypted(server, side, stream).await?;
        let request = Request::read(&mut carrier.io).await?;
        let upgrade = answer(side, &mut carrier, &request).await?;
        Ok::<_, io::Error>((carrier, request, upgrade))
    };
    let tls_time = side.tls.as_ref().map_or(Duration::ZERO, |tls| tls.current().timeout);
    match timeout(side.options.handshake_timeout + tls_time, opening).await {
        Ok(Ok(opened)) => Some(opened),
        Ok(Err(error)) => {
            log::debug!("{addr} - websocket handshake error: {error}");
            None
        }
        Err(_) => {
            log::debug!("{addr} - websocket handshake timeout");
            None
        }
    }
}

async fn encrypted(server: &Server, side: &WebSocketSide, stream: TcpStream) -> io::Result<Carrier> {
    let Some(tls) = &side.tls else {
        return Ok(Carrier { io: Box::new(stream), tls: None, certificates: Box::default() });
    };
    if !server.may_start_tls() {
        return Err(io::Error::other("connection throttling is active"));
    }
    let tls: Arc<LoadedTls> = tls.current();
    let Accepted { stream, certificates, facts } = tls.accept(stream).await.map_err(io::Error::other)?;
    Ok(Carrier { io: Box::new(stream), tls: facts, certificates })
}

async fn answer(side: &WebSocketSide, carrier: &mut Carrier, request: &Request) -> io::Result<Upgrade> {
    match upgrade(request, &side.options, side.tls.is_some()) {
        Ok(upgrade) => {
            carrier.io.write_all(&upgrade.response).await?;
            carrier.io.flush().await?;
            Ok(upgrade)
        }
        Err(refusal) => {
            carrier.io.write_all(&refusal.response()).await?;
            carrier.io.shutdown().await?;
            Err(io::Error::other(refusal.to_string()))
        }
    }
}

/// Registers the client and greets it.
async fn enter(
    server: &Arc<Server>,
    side: &WebSocketSide,
    addr: SocketAddr,
    carrier: Carrier,
    request: Request,
    upgrade: Upgrade,
) -> Option<(Arc<Client>, Established)> {
    let options = server.options();
    let cid = server.clients().next_cid();
    let now = server.clock().now();
    let client = Client::new(cid, ConnectionKind::WebSocket, addr, now, options.outbound_bytes_max);
    server.counters().connections_total.fetch_add(1, Ordering::Relaxed);
    if let Some(facts) = carrier.tls {
        client.set_tls(facts);
    }
    let from = upgrade.forwarded_for.map_or(String::new(), |host| format!(", forwarded for {host}"));
    log::debug!("{} - Client connection created{from}", client.log_name());
    let stream = WebSocketStream::new(carrier.io, request.rest, upgrade.is_masked, upgrade.is_compressed);
    if !server.clients().add(&client, options.connections_max) {
        turn_away(server, &client, stream).await;
        return None;
    }
    let nonce = side.nonce();
    let mut line = Vec::new();
    encode_info(&mut line, &server.info_for(&client, &nonce));
    client.send_line(&line);
    let established = Established {
        transport: Transport::stream(stream),
        nonce: nonce.into(),
        certificates: carrier.certificates,
        login_required: side.authenticator.auth_required(),
        cookies: Some(Box::new(upgrade.cookies)),
    };
    Some((client, established))
}

/// Tells a client that there is no room for it.
async fn turn_away(server: &Server, client: &Arc<Client>, mut stream: WebSocketStream) {
    let text = "maximum connections exceeded";
    log::error!("{} - {text}", client.log_name());
    let mut line = Vec::new();
    encode_err(&mut line, text);
    let goodbye = async {
        stream.write_all(&line).await?;
        stream.say_goodbye(CloseReason::MaxConnectionsExceeded);
        stream.shutdown().await?;
        // The client has to hang up first, or it might never see why.
        stream.read(&mut [0; 1024]).await
    };
    // One that does not listen misses it.
    let _ = timeout(TURNED_AWAY_TIMEOUT, goodbye).await;
    give_up(server, client, CloseReason::MaxConnectionsExceeded);
}
