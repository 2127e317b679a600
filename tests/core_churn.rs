//! Clients that come, go and hang up at any moment leave nothing behind.

mod kit;

use headwater::server::Options;
use kit::{Broker, MODERN, QUIET};

const THREADS: usize = 12;
const ROUNDS: usize = 40;

#[test]
fn nothing_is_left_of_clients_that_have_gone() {
    let broker = Broker::start(Options::default());
    let own = broker.server().accounts().global().subscription_count();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let broker = &broker;
            scope.spawn(move || (0..ROUNDS).for_each(|round| visit(broker, thread, round)));
        }
    });
    broker.wait_until("everyone is gone", |server| server.clients().is_empty());
    assert_eq!(broker.server().accounts().global().subscription_count(), own);
    assert_eq!(broker.server().accounts().global().connection_count(), 0);
    broker.client(QUIET).fence();
}

/// One client's stay: it shares subjects with the others, and half of the time leaves without reading what it got.
fn visit(broker: &Broker, thread: usize, round: usize) {
    let mut peer = broker.client(MODERN);
    let subject = |n: usize| format!("churn.{}", (thread + n) % 5);
    peer.send(&format!(
        "SUB {} 1\r\nSUB churn.* crew 2\r\nSUB {} 3\r\nUNSUB 3 2\r\n",
        subject(0),
        subject(1)
    ));
    for n in 0..20 {
        peer.send(&format!("PUB {} reply.{thread} {}\r\n{}\r\n", subject(n), n, "x".repeat(n)));
    }
    match (thread + round) % 4 {
        0 => peer.send("PUB churn.0 100\r\nonly the start"),
        1 => peer.send("UNSUB 1\r\nUNSUB 2\r\nPING\r\n"),
        2 => peer.send_anyway(b"nonsense\r\n"),
        _ => {}
    }
}

#[test]
fn requests_find_their_way_back_while_others_come_and_go() {
    let broker = Broker::start(Options::default());
    let mut service = broker.client(QUIET);
    service.send("SUB svc workers 1\r\n");
    service.fence();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..4 * ROUNDS {
                let request = service.line();
                assert_eq!(service.line(), "question");
                let reply = request.split(' ').nth(3).unwrap().to_owned();
                service.send(&format!("PUB {reply} 6\r\nanswer\r\n"));
            }
        });
        for asker in 0..4 {
            let broker = &broker;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let mut peer = broker.client(MODERN);
                    let inbox = format!("inbox.{asker}.{round}");
                    peer.send(&format!("SUB {inbox} 7\r\nUNSUB 7 1\r\nPUB svc {inbox} 8\r\nquestion\r\n"));
                    peer.expect(&format!("MSG {inbox} 7 6\r\nanswer\r\n"));
                }
            });
        }
    });
}
