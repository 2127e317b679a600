//! A broker on all addresses is reached over IPv4 and IPv6, and knows each client by the address it has there. Where there is no
//! IPv6 the same promises are kept for IPv4 alone.

mod kit;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};

use headwater::broker::Broker;
use headwater::config::Config;
use kit::websocket::WsPeer;
use kit::{Peer, QUIET};
use serde_json::{Value, json};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// The addresses of this machine that a broker on all of them has to be reached at.
fn addresses() -> Vec<IpAddr> {
    [V4, V6].into_iter().filter(|address| TcpListener::bind((*address, 0)).is_ok()).collect()
}

/// A broker whose every listener is on all addresses, written like this.
struct Everywhere {
    broker: Broker,
}

impl Everywhere {
    async fn start(host: &str) -> Self {
        let websocket = format!("websocket {{ host: \"{host}\", port: -1, no_tls: true }}");
        let text = format!("host: \"{host}\"\nport: -1\nhttp_port: -1\n{websocket}\n");
        let config = Config::from_text(&text, "everywhere.conf").unwrap();
        Self { broker: Broker::start(&config).await.unwrap() }
    }

    /// Port of the first of these URLs.
    fn port(urls: &[String]) -> u16 {
        urls[0].rsplit_once(':').unwrap().1.parse().unwrap()
    }

    fn client(&self, address: IpAddr) -> SocketAddr {
        SocketAddr::new(address, self.broker.client_addr().port())
    }

    fn websocket(&self, address: IpAddr) -> SocketAddr {
        SocketAddr::new(address, Self::port(&self.broker.ports().websocket))
    }

    /// What monitoring, reached at `address`, shows of a client.
    fn connz(&self, address: IpAddr, cid: &Value) -> Value {
        let at = SocketAddr::new(address, Self::port(&self.broker.ports().monitoring));
        let mut stream = TcpStream::connect(at).unwrap();
        write!(stream, "GET /connz?cid={cid} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let (_, body) = response.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap()["connections"][0].clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_known_by_its_plain_address() {
    let everywhere = Everywhere::start("0.0.0.0").await;
    for address in addresses() {
        let mut peer = Peer::dial(everywhere.client(address));
        let port = peer.stream().local_addr().unwrap().port();
        let info = peer.read_info();
        assert_eq!((&info["host"], &info["client_ip"]), (&json!("0.0.0.0"), &json!(address)));
        peer.send(&format!("CONNECT {QUIET}\r\n"));
        peer.fence();
        let shown = everywhere.connz(address, &info["client_id"]);
        assert_eq!((&shown["ip"], &shown["port"]), (&json!(address), &json!(port)));
    }
    everywhere.broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_client_is_known_by_its_plain_address() {
    let everywhere = Everywhere::start("").await;
    for address in addresses() {
        let mut peer = WsPeer::connect(everywhere.websocket(address), "");
        let info = peer.read_info();
        assert_eq!((&info["host"], &info["client_ip"]), (&json!("0.0.0.0"), &json!(address)));
        peer.send(&format!("CONNECT {QUIET}\r\n"));
        peer.fence();
        assert_eq!(everywhere.connz(address, &info["client_id"])["ip"], json!(address));
    }
    everywhere.broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_addresses_of_ipv6_are_all_addresses() {
    if !addresses().contains(&V6) {
        let config = Config::from_text("listen: \"[::]:-1\"", "v6.conf").unwrap();
        let broker = Broker::start(&config).await;
        assert!(broker.is_err(), "addresses that are not there cannot be listened on");
        return;
    }
    let everywhere = Everywhere::start("::").await;
    for address in addresses() {
        let info = Peer::dial(everywhere.client(address)).read_info();
        assert_eq!((&info["host"], &info["client_ip"]), (&json!("::"), &json!(address)));
    }
    everywhere.broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ports_file_names_addresses_that_can_be_reached() {
    let everywhere = Everywhere::start("0.0.0.0").await;
    let ports = everywhere.broker.ports();
    for url in ports.nats.iter().chain(&ports.monitoring).chain(&ports.websocket) {
        let (_, address) = url.split_once("://127.0.0.1:").expect(url);
        TcpStream::connect((V4, address.parse().unwrap())).expect(url);
    }
    everywhere.broker.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_on_one_address_is_not_reached_at_the_other() {
    let config = Config::from_text("listen: \"127.0.0.1:-1\"", "one.conf").unwrap();
    let broker = Broker::start(&config).await.unwrap();
    assert!(TcpStream::connect((V6, broker.client_addr().port())).is_err());
    broker.shutdown().await;
}
