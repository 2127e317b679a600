//! A broker in this process and scripted peers that talk to it over real sockets.
//!
//! A test reads as a dialogue:
//!
//! ```ignore
//! let broker = Broker::start(Options::default());
//! let mut peer = broker.client("{}");
//! peer.send("SUB foo 1\r\n");
//! peer.expect("+OK\r\n");
//! ```
#![allow(dead_code)] // Not every test file uses everything.

pub mod edge;
pub mod jetstream;
pub mod ports;
pub mod users;
pub mod websocket;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater::assemble;
use headwater::config::Config;
use headwater::operator::Operator;
use headwater::server::{Options, RunningServer, Server};
use tokio::runtime::Runtime;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A CONNECT of a client that knows everything and wants no `+OK`.
pub const MODERN: &str =
    r#"{"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1,"lang":"test"}"#;

/// A CONNECT of a client that wants no `+OK` and nothing else.
pub const QUIET: &str = r#"{"verbose":false,"pedantic":false}"#;

/// A running broker; stopped when dropped.
pub struct Broker {
    runtime: Runtime,
    running: Option<RunningServer>,
    addr: SocketAddr,
}

impl Broker {
    /// Starts a broker on a free port of the loopback interface.
    pub fn start(options: Options) -> Self {
        Self::start_on("127.0.0.1", options)
    }

    /// Starts a broker on a free port of these addresses.
    pub fn start_on(host: &str, options: Options) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let options = Options { host: host.to_owned(), ..patient(options) };
        let running = runtime.block_on(Server::start(options)).unwrap();
        let addr = running.client_addr();
        Self { runtime, running: Some(running), addr }
    }

    /// Starts the core broker that this configuration describes.
    pub fn configured(text: &str) -> Self {
        Self::configured_on("127.0.0.1", text)
    }

    /// Starts the core broker that this configuration describes on a free port of these addresses.
    pub fn configured_on(host: &str, text: &str) -> Self {
        let config = configuration(text);
        let broker = Self::start_on(host, assemble::server_options(&config));
        assemble::apply_account_limits(&config, broker.server());
        assemble::apply_mappings(&config, broker.server()).unwrap();
        let context = broker.runtime.enter();
        match assemble::operator_settings(&config).unwrap() {
            Some(settings) => drop(Operator::start(broker.server(), settings).unwrap()),
            None => assemble::apply_exchange(&config, broker.server()).unwrap(),
        }
        drop(context);
        broker
    }

    /// Goes on with another configuration.
    pub fn reconfigure(&self, old: &str, new: &str) {
        headwater::reload::reload(self.server(), &configuration(old), &configuration(new)).unwrap();
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn server(&self) -> &Arc<Server> {
        self.running().server()
    }

    pub fn running(&self) -> &RunningServer {
        self.running.as_ref().unwrap()
    }

    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// A peer that has been accepted and has seen nothing yet.
    pub fn dial(&self) -> Peer {
        Peer::dial(self.addr)
    }

    /// A peer that has read INFO.
    pub fn peer(&self) -> Peer {
        let mut peer = self.dial();
        peer.read_info();
        peer
    }

    /// A peer that has read INFO and sent this CONNECT, with its `+OK` read if it is verbose.
    pub fn client(&self, connect: &str) -> Peer {
        let mut peer = self.peer();
        peer.send(&format!("CONNECT {connect}\r\n"));
        if !connect.contains(r#""verbose":false"#) {
            peer.expect("+OK\r\n");
        }
        peer.fence();
        peer
    }

    /// Stops the broker, as a signal would.
    pub fn shutdown(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.shutdown());
        }
    }

    /// Waits until something about the broker is true.
    pub fn wait_until(&self, what: &str, condition: impl Fn(&Server) -> bool) {
        let start = Instant::now();
        while !condition(self.server()) {
            assert!(start.elapsed() < PATIENCE, "not in time: {what}");
            std::thread::yield_now();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// A dialogue on a slow machine takes longer than a broker waits for a login, unless a test says how long, or before it asks
/// whether its client is still there.
fn patient(options: Options) -> Options {
    let by_default = options.auth_timeout == Options::default().auth_timeout;
    let auth_timeout = if by_default { PATIENCE } else { options.auth_timeout };
    Options { auth_timeout, disable_short_first_ping: true, ..options }
}

/// What this text says, with any free port.
pub fn configuration(text: &str) -> Config {
    let text = format!("host: 127.0.0.1\nport: -1\n{text}");
    let config = Config::from_text(&text, "test.conf").unwrap_or_else(|error| panic!("{error}"));
    config.validate().unwrap();
    config
}

/// One end of a connection, on the client's side.
pub struct Peer {
    stream: TcpStream,
    /// Read but not expected yet.
    unread: Vec<u8>,
}

impl Peer {
    pub fn dial(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    pub fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes());
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends what the broker may refuse to read to its end.
    pub fn send_anyway(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Reads exactly this.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        while self.unread.len() < text.len() && self.read_more() {}
        let got: Vec<u8> = self.unread.drain(..text.len().min(self.unread.len())).collect();
        assert_eq!(String::from_utf8_lossy(&got), text);
    }

    /// Reads these pieces in any order.
    #[track_caller]
    pub fn expect_all(&mut self, pieces: &[&str]) {
        let total: usize = pieces.iter().map(|piece| piece.len()).sum();
        while self.unread.len() < total && self.read_more() {}
        let got: Vec<u8> = self.unread.drain(..total.min(self.unread.len())).collect();
        let mut rest = String::from_utf8_lossy(&got).into_owned();
        for piece in pieces {
            let at = rest.find(piece).unwrap_or_else(|| panic!("no {piece:?} in {rest:?}"));
            rest.replace_range(at..at + piece.len(), "");
        }
        assert_eq!(rest, "");
    }

    /// Reads so many bytes.
    #[track_caller]
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        while self.unread.len() < len {
            assert!(self.read_more(), "closed in the middle of {:?}", String::from_utf8_lossy(&self.unread));
        }
        self.unread.drain(..len).collect()
    }

    /// Reads one line, without its end.
    #[track_caller]
    pub fn line(&mut self) -> String {
        loop {
            if let Some(at) = self.unread.windows(2).position(|window| window == b"\r\n") {
                let line = self.unread.drain(..at + 2).take(at).collect();
                return String::from_utf8(line).unwrap();
            }
            assert!(self.read_more(), "closed in the middle of {:?}", String::from_utf8_lossy(&self.unread));
        }
    }

    /// Reads so many bytes of content and the CR LF behind them.
    #[track_caller]
    pub fn take(&mut self, bytes: usize) -> String {
        String::from_utf8(self.take_bytes(bytes)).unwrap()
    }

    /// As [`take`](Self::take), for content that is not text.
    #[track_caller]
    pub fn take_bytes(&mut self, bytes: usize) -> Vec<u8> {
        while self.unread.len() < bytes + 2 && self.read_more() {}
        let mut content: Vec<u8> = self.unread.drain(..(bytes + 2).min(self.unread.len())).collect();
        assert_eq!(content.len(), bytes + 2, "closed in the middle of a message");
        content.truncate(bytes);
        content
    }

    /// Reads an INFO.
    #[track_caller]
    pub fn read_info(&mut self) -> serde_json::Value {
        let line = self.line();
        let json = line.strip_prefix("INFO ").unwrap_or_else(|| panic!("no INFO: {line:?}"));
        assert!(json.ends_with(' '), "INFO ends with a blank: {line:?}");
        serde_json::from_str(json).unwrap()
    }

    /// Reads the end of the connection, and nothing before it.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        while self.read_more() {}
        assert_eq!(String::from_utf8_lossy(&self.unread), "");
    }

    /// Reads the end of the connection, however it comes about, and nothing before it.
    #[track_caller]
    pub fn expect_closed_or_reset(&mut self) {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => assert_eq!(String::from_utf8_lossy(&rest), ""),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }

    /// Makes sure that the broker has handled everything so far and has nothing else to say.
    #[track_caller]
    pub fn fence(&mut self) {
        self.send("PING\r\n");
        let line = self.line();
        assert_eq!(line, "PONG");
        if self.unread.starts_with(b"INFO ") {
            self.read_info();
        }
    }

    /// Hangs up.
    pub fn close(self) {}

    /// Reads what comes; `false` at the end.
    fn read_more(&mut self) -> bool {
        let mut chunk = [0; 64 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(read) => {
                self.unread.extend_from_slice(&chunk[..read]);
                true
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&self.unread)),
        }
    }
}
