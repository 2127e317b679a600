//! A client that speaks to streams over a scripted connection.

use std::path::Path;
use std::sync::Arc;

use headwater::assemble;
use headwater::clock::SystemClock;
use headwater::jetstream::{JetStream, Outside};
use headwater::store::disk::Disk;
use serde_json::Value;

use super::{Broker, Peer, configuration};

/// JetStream is not available for now.
pub const UNAVAILABLE: (u64, u64) = (503, 10008);

/// There is no room for it.
pub const NO_ROOM: (u64, u64) = (503, 10023);

/// Gives `broker` streams in `dir`, on a disk of the test's making, that have yet to be read. `lines` go into the block.
pub fn claim_on<D: Disk + 'static>(
    broker: &Broker,
    dir: &Path,
    lines: &str,
    disk: impl FnOnce(&Path) -> Arc<D>,
) -> Arc<JetStream> {
    let config = configuration(&format!("jetstream {{\n store_dir: \"{}\"\n {lines}\n}}\n", dir.display()));
    let settings = assemble::jetstream_settings(&config, "rig");
    let disk = disk(&settings.store_dir);
    let outside =
        Outside { disk, clock: Arc::new(SystemClock), random: Arc::new(headwater::ids::SystemRandom) };
    let (options, limits) = (assemble::store_options(&config), assemble::jetstream_limits(&config));
    let jetstream = {
        let _in_runtime = broker.runtime().enter();
        JetStream::claim_in(outside, settings, options, limits).unwrap()
    };
    jetstream.watch_store();
    broker.server().add_hook(jetstream.clone());
    jetstream
}

/// A client with an inbox, that asks one thing after the other.
pub struct Client {
    pub peer: Peer,
    asked: u32,
}

impl Client {
    /// A client on a connection that is logged in.
    pub fn over(mut peer: Peer) -> Self {
        peer.send("SUB inbox.* 1\r\n");
        peer.fence();
        Self { peer, asked: 0 }
    }

    /// The answer's headers and body.
    pub fn ask(&mut self, subject: &str, body: &str) -> String {
        self.send(subject, body);
        self.answer()
    }

    pub fn send(&mut self, subject: &str, body: &str) {
        self.asked += 1;
        let asked = self.asked;
        self.peer.send(&format!("PUB {subject} inbox.{asked} {}\r\n{body}\r\n", body.len()));
    }

    pub fn answer(&mut self) -> String {
        let head = self.head();
        let len: usize =
            head.rsplit(' ').next().and_then(|len| len.parse().ok()).unwrap_or_else(|| panic!("{head}"));
        let text = String::from_utf8(self.peer.bytes(len)).unwrap();
        self.peer.expect("\r\n");
        text
    }

    /// The line that announces a message.
    fn head(&mut self) -> String {
        match self.peer.line() {
            ping if ping == "PING" => self.head(),
            head => head,
        }
    }

    pub fn json(&mut self, subject: &str, body: &str) -> Value {
        let text = self.ask(subject, body);
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text:?}"))
    }

    /// A request that is granted.
    #[track_caller]
    pub fn api(&mut self, subject: &str, body: &str) -> Value {
        let answer = self.json(&format!("$JS.API.{subject}"), body);
        assert!(answer.get("error").is_none(), "{subject}: {answer}");
        answer
    }

    #[track_caller]
    pub fn stored(&mut self, subject: &str, body: &str) -> u64 {
        let ack = self.json(subject, body);
        ack["seq"].as_u64().filter(|seq| *seq > 0).unwrap_or_else(|| panic!("not stored: {ack}"))
    }

    /// The code and error code of what is refused.
    #[track_caller]
    pub fn error(&mut self, subject: &str, body: &str) -> (u64, u64) {
        let answer = self.json(subject, body);
        let number = |name: &str| answer["error"][name].as_u64();
        let numbers = number("code").zip(number("err_code"));
        numbers.unwrap_or_else(|| panic!("{subject} is not refused: {answer}"))
    }

    pub fn messages(&mut self, stream: &str) -> u64 {
        self.api(&format!("STREAM.INFO.{stream}"), "")["state"]["messages"].as_u64().unwrap()
    }

    /// Reads a message of a stream; returns where its acknowledgement goes.
    #[track_caller]
    pub fn delivery(&mut self, body: &str) -> String {
        let head = self.head();
        let words: Vec<&str> = head.split(' ').collect();
        assert_eq!((words[0], words.len()), ("MSG", 5), "{head}");
        assert_eq!(self.peer.line(), body);
        words[3].to_owned()
    }
}
