//! Limits, timers and slow consumers.

mod kit;

use std::io::Read;
use std::time::Duration;

use headwater::router::CloseReason;
use headwater::server::Options;
use kit::{Broker, QUIET};

fn quick_pings() -> Options {
    Options { ping_interval: Duration::from_millis(40), pings_out_max: 2, ..Options::default() }
}

#[test]
fn no_more_connections_than_allowed() {
    let broker = Broker::start(Options { connections_max: Some(1), ..Options::default() });
    let first = broker.client(QUIET);
    let mut second = broker.peer();
    second.expect("-ERR 'maximum connections exceeded'\r\n");
    second.expect_closed();
    broker.wait_until("the refusal is remembered", |server| server.clients().closed().len() == 1);
    first.close();
    broker.wait_until("there is room", |server| server.clients().is_empty());
    broker.client(QUIET).fence();
}

#[test]
fn a_server_may_allow_no_connections_at_all() {
    let broker = Broker::start(Options { connections_max: None, ..Options::default() });
    let mut peer = broker.peer();
    peer.expect("-ERR 'maximum connections exceeded'\r\n");
}

#[test]
fn no_more_subscriptions_than_allowed() {
    let broker = Broker::start(Options { subscriptions_max: 2, ..Options::default() });
    let mut peer = broker.client("{}");
    peer.send("SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nUNSUB 1\r\nSUB c 3\r\n");
    peer.expect("+OK\r\n+OK\r\n-ERR 'maximum subscriptions exceeded'\r\n+OK\r\n+OK\r\n");
}

#[test]
fn a_smaller_payload_limit_is_told_and_kept() {
    let broker = Broker::start(Options { payload_bytes_max: 10, ..Options::default() });
    let mut peer = broker.dial();
    assert_eq!(peer.read_info()["max_payload"], 10);
    peer.send("PUB a 10\r\n0123456789\r\n");
    peer.expect("+OK\r\n");
    peer.send("PUB a 11\r\n");
    peer.expect("-ERR 'Maximum Payload Violation'\r\n");
}

#[test]
fn a_silent_client_is_pinged_and_then_stale() {
    let broker = Broker::start(quick_pings());
    let mut peer = broker.client(QUIET);
    peer.expect("PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
    peer.expect_closed();
    assert_eq!(broker.server().clients().closed()[0].reason, CloseReason::StaleConnection);
}

#[test]
fn a_client_that_answers_pings_stays() {
    let broker = Broker::start(quick_pings());
    let mut peer = broker.client(QUIET);
    for _ in 0..6 {
        peer.expect("PING\r\n");
        peer.send("PONG\r\n");
    }
    peer.fence();
    let client = &broker.server().clients().all()[0];
    assert!(client.snapshot().rtt_nanos > 0);
}

#[test]
fn a_receiver_that_reads_nothing_is_a_slow_consumer() {
    let broker = Broker::start(Options { outbound_bytes_max: 256 * 1024, ..Options::default() });
    let mut slow = broker.client(QUIET);
    slow.send("SUB flood 1\r\n");
    slow.fence();
    let mut sender = broker.client(QUIET);
    let message = format!("PUB flood 1000\r\n{}\r\n", "x".repeat(1000)).repeat(100);
    for _ in 0..1000 {
        sender.send(&message);
        sender.fence();
        if broker.server().clients().len() == 1 {
            break;
        }
    }
    broker.wait_until("the slow one is gone", |server| server.clients().len() == 1);
    assert_eq!(broker.server().clients().closed()[0].reason, CloseReason::SlowConsumerPendingBytes);
    assert_eq!(broker.server().counters().slow_consumers.load(std::sync::atomic::Ordering::Relaxed), 1);
    let mut rest = Vec::new();
    let read_to_the_end = slow.into_stream().read_to_end(&mut rest);
    assert!(read_to_the_end.is_err() || !String::from_utf8_lossy(&rest).contains("-ERR"));
    sender.fence();
}

#[test]
fn a_receiver_that_takes_nothing_runs_into_the_write_deadline() {
    let options = Options { write_deadline: Duration::from_millis(100), ..Options::default() };
    let broker = Broker::start(options);
    let mut slow = broker.client(QUIET);
    slow.send("SUB flood 1\r\n");
    slow.fence();
    let mut sender = broker.client(QUIET);
    sender.send(&format!("PUB flood 100000\r\n{}\r\n", "x".repeat(100_000)).repeat(200));
    sender.fence();
    broker.wait_until("the slow one is gone", |server| server.clients().len() == 1);
    assert_eq!(broker.server().clients().closed()[0].reason, CloseReason::SlowConsumerWriteDeadline);
}

#[test]
fn a_fast_producer_is_held_back_for_a_crowded_receiver() {
    let broker = Broker::start(Options { outbound_bytes_max: 4 * 1024 * 1024, ..Options::default() });
    let mut slow = broker.client(QUIET);
    slow.send("SUB flood 1\r\n");
    slow.fence();
    let mut sender = broker.client(QUIET);
    let message = format!("PUB flood 1000\r\n{}\r\n", "x".repeat(1000)).repeat(50);
    let stalls = || broker.server().counters().stalls.load(std::sync::atomic::Ordering::Relaxed);
    for _ in 0..1000 {
        sender.send(&message);
        sender.fence();
        if stalls() > 0 {
            break;
        }
    }
    assert!(stalls() > 0);
    assert_eq!(broker.server().clients().len(), 2, "held back before the receiver is given up");
}

#[test]
fn without_stalls_a_crowded_receiver_misses_messages_and_stays() {
    let options =
        Options { outbound_bytes_max: 1024 * 1024, no_fast_producer_stall: true, ..Options::default() };
    let broker = Broker::start(options);
    let mut slow = broker.client(QUIET);
    slow.send("SUB flood 1\r\n");
    slow.fence();
    let mut sender = broker.client(QUIET);
    let messages = format!("PUB flood 1000\r\n{}\r\n", "x".repeat(1000)).repeat(20_000);
    sender.send(&messages);
    sender.fence();
    let traffic = broker.server().clients().traffic();
    assert_eq!(traffic.in_msgs, 20_000);
    assert!(traffic.out_msgs < 20_000, "{}", traffic.out_msgs);
    assert_eq!(broker.server().clients().len(), 2);
    assert_eq!(broker.server().counters().stalls.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[test]
fn a_slow_receiver_gets_everything_once_it_reads() {
    let broker = Broker::start(Options::default());
    let mut slow = broker.client(QUIET);
    slow.send("SUB flood 1\r\n");
    slow.fence();
    let mut sender = broker.client(QUIET);
    let payload = "x".repeat(100_000);
    for _ in 0..100 {
        sender.send(&format!("PUB flood 100000\r\n{payload}\r\n"));
    }
    sender.fence();
    for _ in 0..100 {
        slow.expect(&format!("MSG flood 1 100000\r\n{payload}\r\n"));
    }
    slow.fence();
}

#[test]
fn traffic_is_counted_both_ways() {
    let broker = Broker::start(Options::default());
    let mut peer = broker.client(QUIET);
    peer.send("SUB a 1\r\nPUB a 5\r\nhello\r\nPUB b 3\r\nabc\r\n");
    peer.expect("MSG a 1 5\r\nhello\r\n");
    peer.fence();
    let totals = broker.server().clients().traffic();
    assert_eq!((totals.in_msgs, totals.in_bytes, totals.out_msgs, totals.out_bytes), (2, 8, 1, 5));
    peer.close();
    broker.wait_until("the client is gone", |server| server.clients().is_empty());
    assert_eq!(broker.server().clients().traffic(), totals);
}
