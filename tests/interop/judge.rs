//! The verdicts of the crash test, from nothing but what the client was told.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::Report;
use crate::crash::{Load, Testimony};
use crate::message;

const EXAMPLES_SHOWN: usize = 5;
/// What a client fetches at a time.
const FETCH_MESSAGES_MAX: u64 = 200;

/// Which message the broker said it stored under which sequence.
pub type Ledger = BTreeMap<u64, u64>;

/// Every message was acked once, under a sequence of its own, and in the order of publishing.
///
/// Messages of the one window that the kill tore may change places among themselves: some wait in the client's
/// reconnect buffer while others are published again.
pub fn published(testimony: &Testimony, load: Load) -> Ledger {
    let mut ledger = Ledger::new();
    for report in testimony.all() {
        if let Report::Ack { index, sequence } = report {
            let earlier = ledger.insert(*sequence, *index);
            assert_eq!(earlier, None, "sequence {sequence} was acked twice");
        }
    }
    assert_each_index_once(&ledger, load.messages);
    assert_order_but_for_one_window(&ledger, load.window);
    ledger
}

/// Every acked message came, byte for byte and in order, and none came again after its ack was confirmed.
pub fn consumed(testimony: &Testimony, ledger: &Ledger) {
    let mut faults = Vec::new();
    let (mut seen, mut confirmed) = (BTreeSet::new(), BTreeSet::new());
    for report in testimony.all() {
        match report {
            Report::Got { sequence, subject, index, digest, .. } => {
                if confirmed.contains(sequence) && !acks_may_be_forgotten() {
                    faults.push(format!("sequence {sequence} came again after its ack was confirmed"));
                }
                faults.extend(difference(ledger, *sequence, *index, subject, digest));
                seen.insert(*sequence);
            }
            Report::Acked { sequence } => drop(confirmed.insert(*sequence)),
            Report::Ack { .. } | Report::Done => {}
        }
    }
    faults.extend(
        ledger.keys().filter(|sequence| !seen.contains(sequence)).map(|lost| format!("{lost} was lost")),
    );
    let reached = testimony.before.iter().filter_map(first_delivery).max().unwrap_or(0);
    faults.extend(disorder(&testimony.before, 0));
    faults.extend(disorder(&testimony.after, reached + FETCH_MESSAGES_MAX));
    let examples = &faults[..faults.len().min(EXAMPLES_SHOWN)];
    assert!(faults.is_empty(), "{} broken promises, such as {examples:#?}", faults.len());
}

/// nats-server keeps acks in memory for a moment: it cannot pass without this.
fn acks_may_be_forgotten() -> bool {
    std::env::var_os("HEADWATER_INTEROP_ACKS_MAY_BE_FORGOTTEN").is_some()
}

fn assert_each_index_once(ledger: &Ledger, messages: u64) {
    let indexes: BTreeSet<u64> = ledger.values().copied().collect();
    assert_eq!(indexes.len(), ledger.len(), "a message was stored twice in spite of its Nats-Msg-Id");
    assert!(indexes.iter().copied().eq(0..messages), "{} of {messages} messages were acked", indexes.len());
    assert!(ledger.keys().copied().eq(1..=messages), "the sequences have gaps");
}

fn assert_order_but_for_one_window(ledger: &Ledger, window: u64) {
    let misplaced = || ledger.iter().filter(|(sequence, index)| **sequence != **index + 1);
    let windows: BTreeSet<u64> = misplaced().map(|(_, index)| index / window).collect();
    assert!(windows.len() <= 1, "messages of several windows are out of order: {windows:?}");
}

fn difference(ledger: &Ledger, sequence: u64, index: u64, subject: &str, digest: &str) -> Option<String> {
    if ledger.get(&sequence) != Some(&index) {
        return Some(format!(
            "sequence {sequence} holds message {index}, acked was {:?}",
            ledger.get(&sequence)
        ));
    }
    let exact = subject == message::subject(index) && digest == message::digest(&message::payload(index));
    (!exact).then(|| format!("message {index} came changed, on {subject}"))
}

/// First deliveries above `beyond` must ascend; a redelivery may come at any time. What was on its way when the broker
/// was killed counts as a redelivery, though a broker may have forgotten that it had sent it.
fn disorder(reports: &[Report], beyond: u64) -> Option<String> {
    let first = reports.iter().filter_map(first_delivery).filter(|sequence| *sequence > beyond);
    let first: Vec<u64> = first.collect();
    let step = first.windows(2).find(|pair| pair[0] >= pair[1])?;
    Some(format!("sequence {} was first delivered after {}", step[1], step[0]))
}

fn first_delivery(report: &Report) -> Option<u64> {
    match report {
        Report::Got { sequence, deliveries: 1, .. } => Some(*sequence),
        _ => None,
    }
}
