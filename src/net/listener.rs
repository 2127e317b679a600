//! Accepting client connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::bind::bind;
use super::{handshake, websocket};
use crate::router::ConnectionKind;
use crate::server::{Server, StartError};

/// First and last pause after a failed accept, for instance when there are no more file descriptors.
const RETRY_AFTER_MIN: Duration = Duration::from_millis(10);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(1);

/// Where clients connect.
pub struct ClientListener {
    listener: TcpListener,
    addr: SocketAddr,
    kind: ConnectionKind,
}

impl ClientListener {
    /// Listens on a name or address; port 0 is any free one.
    pub async fn bind(host: &str, port: u16, kind: ConnectionKind) -> Result<Self, StartError> {
        let failed = |error| StartError::Listen { address: joined(host, port), error };
        let (listener, addr) = bind(host, port).await.map_err(failed)?;
        Ok(Self { listener, addr, kind })
    }

    /// What it listens on; `0.0.0.0` and `::` are the addresses of both kinds.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Accepts connections until the server wants no more. A failed accept is survived.
    pub async fn run(self, server: Arc<Server>) {
        let mut retry_after = RETRY_AFTER_MIN;
        loop {
            let accepted = tokio::select! {
                () = server.no_more_clients().cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, addr)) => {
                    retry_after = RETRY_AFTER_MIN;
                    // One who comes over IPv4 to a listener for both is known by the address it has there.
                    let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
                    self.spawn_client(server.clone(), stream, addr);
                }
                Err(error) => {
                    log::error!(
                        "Temporary Client Accept Error ({error}), sleeping {}ms",
                        retry_after.as_millis()
                    );
                    sleep(retry_after).await;
                    retry_after = (retry_after * 2).min(RETRY_AFTER_MAX);
                }
            }
        }
    }

    fn spawn_client(&self, server: Arc<Server>, stream: TcpStream, addr: SocketAddr) {
        // Messages are written in batches already.
        if let Err(error) = stream.set_nodelay(true) {
            log::debug!("{addr} - TCP_NODELAY: {error}");
        }
        match self.kind {
            ConnectionKind::WebSocket => tokio::spawn(websocket::serve(server, stream, addr)),
            _ => tokio::spawn(handshake::serve(server, stream, addr)),
        };
    }
}

/// `host:port`, with brackets around an IPv6 address.
pub fn joined(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn an_ipv6_address_gets_brackets() {
        assert_eq!(joined("::1", 4222), "[::1]:4222");
        assert_eq!(joined("localhost", 4222), "localhost:4222");
    }
}
