//! On a machine with one processor everything runs on one thread: nothing waits for a thread that is not there.

mod config_common;
mod kit;

use std::net::SocketAddr;
use std::path::Path;
use std::thread::JoinHandle;

use config_common::config;
use headwater::broker::Broker;
use headwater::threads;
use kit::jetstream::Client;
use kit::{MODERN, Peer};
use tokio::sync::oneshot;

const MESSAGES: u64 = 2_000;

/// A broker on the runtime of one processor.
struct Single {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Single {
    fn start(dir: &Path) -> Self {
        let config =
            config(&format!("listen: \"127.0.0.1:-1\"\njetstream {{ store_dir: \"{}\" }}\n", dir.display()));
        let (started, starting) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            threads::runtime_for(1).unwrap().block_on(async {
                let broker = Broker::start(&config).await.unwrap();
                started.send(broker.client_addr()).unwrap();
                let _ = stopped.await;
                broker.shutdown().await;
            });
        });
        Self { addr: starting.recv().unwrap(), stop, thread }
    }

    fn client(&self) -> Client {
        let mut peer = Peer::dial(self.addr);
        peer.read_info();
        peer.send(&format!("CONNECT {MODERN}\r\n"));
        peer.fence();
        Client::over(peer)
    }

    fn shutdown(self) {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap();
    }
}

#[test]
fn one_thread_stores_delivers_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Single::start(dir.path());
    let mut client = broker.client();
    client.api("STREAM.CREATE.S", r#"{"name":"S","subjects":["s.*"]}"#);
    client.peer.send(&(1..=MESSAGES).map(|n| format!("PUB s.{n} inbox.ack 2\r\nhi\r\n")).collect::<String>());
    (1..=MESSAGES).for_each(|seq| assert_eq!(client.answer(), format!("{{\"stream\":\"S\",\"seq\":{seq}}}")));
    broker.shutdown();

    let broker = Single::start(dir.path());
    let mut client = broker.client();
    assert_eq!(client.messages("S"), MESSAGES);
    client.api(
        "CONSUMER.CREATE.S.C",
        r#"{"stream_name":"S","config":{"durable_name":"C","ack_policy":"none"}}"#,
    );
    client.send("$JS.API.CONSUMER.MSG.NEXT.S.C", &format!(r#"{{"batch":{MESSAGES}}}"#));
    (0..MESSAGES).for_each(|_| assert_eq!(client.answer(), "hi"));
    broker.shutdown();
}
