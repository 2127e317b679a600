//! How the server says good-bye.

mod kit;

use std::net::TcpStream;
use std::time::{Duration, Instant};

use headwater::server::{Options, Phase};
use kit::{Broker, MODERN, QUIET};

#[test]
fn a_shutdown_closes_connections_without_a_word() {
    let mut broker = Broker::start(Options::default());
    let mut peer = broker.client(QUIET);
    broker.shutdown();
    peer.expect_closed();
    assert!(TcpStream::connect(broker.addr()).is_err());
}

#[test]
fn what_was_sent_before_a_shutdown_arrives() {
    let mut broker = Broker::start(Options::default());
    let mut receiver = broker.client(QUIET);
    receiver.send("SUB a 1\r\n");
    receiver.fence();
    let mut sender = broker.client(QUIET);
    let payload = "x".repeat(500_000);
    sender.send(&format!("PUB a 500000\r\n{payload}\r\n"));
    sender.fence();
    let reading = std::thread::spawn(move || {
        receiver.expect(&format!("MSG a 1 500000\r\n{payload}\r\n"));
        receiver.expect_closed();
    });
    broker.shutdown();
    reading.join().unwrap();
}

#[test]
fn lame_duck_tells_clients_and_closes_them_one_by_one() {
    let options = Options {
        lame_duck_duration: Duration::from_millis(300),
        lame_duck_grace: Duration::from_millis(100),
        ..Options::default()
    };
    let broker = Broker::start(options);
    let mut modern = broker.client(MODERN);
    let mut old = broker.client(QUIET);
    let start = Instant::now();
    broker.runtime().block_on(broker.running().lame_duck());
    assert!(start.elapsed() >= Duration::from_millis(100));
    assert_eq!(broker.server().phase(), Phase::LameDuck);
    assert_eq!(modern.read_info()["ldm"], true);
    modern.expect_closed();
    old.expect_closed();
    assert!(TcpStream::connect(broker.addr()).is_err());
}

#[test]
fn lame_duck_ends_early_when_everyone_has_left() {
    let broker = Broker::start(Options::default());
    let start = Instant::now();
    let mut peer = broker.client(MODERN);
    std::thread::scope(|scope| {
        scope.spawn(|| broker.runtime().block_on(broker.running().lame_duck()));
        assert_eq!(peer.read_info()["ldm"], true);
        peer.close();
    });
    assert!(start.elapsed() < Duration::from_secs(5));
}
