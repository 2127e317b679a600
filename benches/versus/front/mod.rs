//! The ways into a server: plain TCP, TLS, WebSocket.

mod tls;
mod websocket;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::ClientConfig;

/// Longest a read may wait before the load counts as failed.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// How the clients of a load come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Front {
    /// TCP.
    #[default]
    Plain,
    /// TLS over TCP.
    Tls,
    /// WebSocket over TCP, without compression.
    WebSocket,
}

/// Where a server lets clients in, and what they have to know for it.
#[derive(Debug, Clone)]
pub struct Door {
    /// Where clients connect.
    pub addr: SocketAddr,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    Plain,
    Tls(Arc<ClientConfig>),
    WebSocket,
}

/// The sending half of a connection; what is sent at once stays together.
#[derive(Clone)]
pub struct Outgoing(Arc<Mutex<dyn Write + Send>>);

/// The receiving half of a connection.
pub type Incoming = Box<dyn Read + Send>;

impl Front {
    /// The lines of the configuration for a server that lets clients in at `addr`, and how they come in. Files that the
    /// configuration names are put into `dir`.
    pub fn open(self, addr: SocketAddr, dir: &Path) -> io::Result<(String, Door)> {
        let (lines, way) = match self {
            Self::Plain => (format!("listen: \"{addr}\"\n"), Way::Plain),
            Self::WebSocket => {
                let lines =
                    format!("listen: \"127.0.0.1:-1\"\nwebsocket {{ listen: \"{addr}\", no_tls: true }}\n");
                (lines, Way::WebSocket)
            }
            Self::Tls => {
                let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
                let identity = tls::Identity::new()?;
                fs::write(&cert, &identity.certificate_pem)?;
                fs::write(&key, &identity.key_pem)?;
                let lines = format!("listen: \"{addr}\"\ntls {{ cert_file: {cert:?}, key_file: {key:?} }}\n");
                (lines, Way::Tls(identity.trusted()?))
            }
        };
        Ok((lines, Door { addr, way }))
    }
}

impl Outgoing {
    fn new(half: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(half)))
    }

    /// Sends all of it.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.lock().write_all(bytes)
    }
}

impl Door {
    /// Connects, up to where the client speaks.
    pub fn enter(&self) -> io::Result<(Outgoing, Incoming)> {
        let socket = TcpStream::connect(self.addr)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(READ_TIMEOUT))?;
        match &self.way {
            Way::Plain => Ok((Outgoing::new(socket.try_clone()?), Box::new(socket))),
            Way::Tls(config) => tls::enter(socket, config),
            Way::WebSocket => websocket::enter(socket),
        }
    }
}

/// Reads up to and including `end`, byte by byte: what follows is not for who asks here.
fn read_until(socket: &mut TcpStream, end: &[u8]) -> io::Result<()> {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(end) {
        socket.read_exact(&mut byte)?;
        seen.push(byte[0]);
    }
    Ok(())
}
