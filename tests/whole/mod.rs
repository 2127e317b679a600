//! A whole broker in this process, as a configuration file describes it.
#![allow(dead_code)] // Not every test file uses everything.

use std::net::SocketAddr;
use std::sync::Arc;

use headwater::broker::Broker;
use headwater::jetstream::JetStream;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::config_common::config;
use crate::kit::{MODERN, Peer};

/// A running broker with a store of its own; stopped when dropped.
pub struct Whole {
    runtime: Runtime,
    broker: Option<Broker>,
    addr: SocketAddr,
    dir: TempDir,
}

impl Whole {
    /// Starts a broker on a free port. `jetstream` and `top` are lines of the configuration, within the block and outside.
    pub fn start(jetstream: &str, top: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().display();
        let text = format!(
            "listen: \"127.0.0.1:-1\"\n{top}\njetstream {{\n store_dir: \"{store}\"\n {jetstream}\n}}\n"
        );
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let broker = runtime.block_on(Broker::start(&config(&text))).unwrap();
        let addr = broker.client_addr();
        Self { runtime, broker: Some(broker), addr, dir }
    }

    /// The broker's streams.
    pub fn jetstream(&self) -> &Arc<JetStream> {
        self.broker.as_ref().unwrap().jetstream().unwrap()
    }

    /// A client that is logged in.
    pub fn client(&self) -> Peer {
        let mut peer = Peer::dial(self.addr);
        peer.read_info();
        peer.send(&format!("CONNECT {MODERN}\r\n"));
        peer.fence();
        peer
    }

    /// Sends a request and returns the body of the answer.
    pub fn request(&self, subject: &str, body: &str) -> serde_json::Value {
        let mut peer = self.client();
        peer.send("SUB _R 1\r\n");
        peer.send(&format!("PUB {subject} _R {}\r\n{body}\r\n", body.len()));
        peer.line();
        serde_json::from_str(&peer.line()).unwrap()
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        if let Some(broker) = self.broker.take() {
            self.runtime.block_on(broker.shutdown());
        }
    }
}
