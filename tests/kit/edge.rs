//! A whole broker in this process, from a configuration text.

use std::net::SocketAddr;
use std::path::Path;

use headwater::broker;
use headwater::config::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A broker with its own store, on free ports of the loopback interface. To be started in an async test.
pub struct Edge {
    pub broker: broker::Broker,
    pub config: Config,
    pub folder: tempfile::TempDir,
}

impl Edge {
    /// `text` says what is special; clients' and monitoring ports are free ones. `@` stands for the broker's folder.
    pub async fn start(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = read(folder.path(), text);
        let broker = broker::Broker::start(&config).await.unwrap();
        Self { broker, config, folder }
    }

    pub fn client_addr(&self) -> SocketAddr {
        self.broker.client_addr()
    }

    pub async fn connect(&self) -> async_nats::Client {
        async_nats::connect(self.client_addr().to_string()).await.unwrap()
    }

    /// Where monitoring listens.
    pub fn monitoring(&self) -> SocketAddr {
        let url = self.broker.ports().monitoring.first().cloned().expect("http is configured");
        url.split_once("://").unwrap().1.parse().unwrap()
    }

    /// Asks monitoring: status and body.
    pub async fn get(&self, path: &str, headers: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.monitoring()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        let status = response[9..12].parse().unwrap();
        let (_, body) = response.split_once("\r\n\r\n").unwrap();
        (status, body.to_owned())
    }
}

/// The configuration that [`Edge::start`] starts with.
pub fn read(folder: &Path, text: &str) -> Config {
    let text = text.replace('@', folder.to_str().unwrap());
    let general = "host: 127.0.0.1\nport: -1\nhttp: \"127.0.0.1:-1\"\nserver_name: edge\n";
    Config::from_text(&format!("{general}{text}"), "edge.conf").unwrap()
}
