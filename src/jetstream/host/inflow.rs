//! What a stream takes over from others: its links, under the stream's lock.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_protocol::headers::{self, names};
use headwater_protocol::jetstream::stream_config::StreamConfig;
use headwater_protocol::jetstream::stream_info::StreamSourceInfo;

use super::replies::{Reply, ReplyMessage};
use super::run_consumers::Parcel;
use super::{StreamHost, StreamState};
use crate::clock::UnixNanos;
use crate::ids;
use crate::jetstream::sourcing::kept_log::KeptLog;
use crate::jetstream::sourcing::ledger::{Ledger, Place, Record};
use crate::jetstream::sourcing::{
    Around, Command, Destination, Kind, Link, Offer, Origin, Receipt, positions, source_header,
};
use crate::jetstream::stream::{Foreign, Ingest, Refusal, Taken};
use crate::router::Message;
use crate::store::{MemoryLog, RecoveredConsumer, StorageKind, StoreError};

/// What the store keeps positions of sources under. A consumer cannot have this name.
const LEDGER_NAME: &str = "positions of sources";

/// What was written down of positions, out of what the store keeps under the names of consumers.
pub fn take_positions(consumers: &mut Vec<RecoveredConsumer>) -> Record {
    let found = consumers.iter().position(|consumer| consumer.name == LEDGER_NAME);
    let taken = found.map(|at| consumers.swap_remove(at));
    taken.and_then(|record| Record::read(&record.config)).unwrap_or_default()
}

/// A link of a stream; not given again while the stream lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkKey(u64);

/// The links of a stream.
#[derive(Default)]
pub struct Inflow {
    links: BTreeMap<LinkKey, Link>,
    last_key: u64,
    started: bool,
    ledger: Option<Arc<Ledger>>,
    /// Kept for its memory.
    commands: Vec<Command>,
}

/// A link's command, on its way to the pump.
pub(super) struct LinkCommand {
    pub(super) link: LinkKey,
    pub(super) command: Command,
}

impl Inflow {
    /// When a link has something to do.
    pub(super) fn deadline(&self) -> Option<UnixNanos> {
        self.links.values().filter_map(Link::deadline).min()
    }

    /// How the origin of a mirror is doing.
    pub fn mirror_info(&self, now: UnixNanos) -> Option<StreamSourceInfo> {
        self.of_kind(Kind::Mirror).next().map(|link| link.info(now))
    }

    /// How the sources are doing.
    pub fn sources_info(&self, now: UnixNanos) -> Vec<StreamSourceInfo> {
        self.of_kind(Kind::Source).map(|link| link.info(now)).collect()
    }

    /// Whether a mirror has had nearly all that its origin had.
    pub fn has_caught_up(&self) -> bool {
        self.of_kind(Kind::Mirror).any(Link::has_caught_up)
    }

    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Link> {
        self.links.values().filter(move |link| link.origin().kind() == kind)
    }

    fn add(&mut self, mut link: Link, now: UnixNanos) {
        if self.started {
            link.start(now);
        }
        self.last_key += 1;
        self.links.insert(LinkKey(self.last_key), link);
    }
}

impl StreamState {
    /// Makes the links that the configuration asks for, as far as they are not there, and ends the others. `past` is what
    /// was written down of their positions, `None` if they have none because they are new.
    pub fn configure_inflow(&mut self, host: &StreamHost, past: Option<&Record>) -> Result<(), StoreError> {
        let origins = origins(self.machine.config(), host);
        let ended = self.end_unwanted_links(&origins);
        let new = self.renew_links(origins);
        let changed = ended || !new.is_empty();
        let now = host.env.now();
        match new.first().map(Origin::kind) {
            None => {}
            Some(Kind::Mirror) => {
                let last_seq = self.log.state().last_seq;
                new.into_iter()
                    .for_each(|origin| self.inflow.add(Link::new(origin, last_seq, String::new()), now));
            }
            Some(Kind::Source) => self.add_sources(host, new, past, now)?,
        }
        if let Some(ledger) = self.inflow.ledger.as_ref().filter(|_| changed && past.is_none()) {
            ledger.save_changed(self.log.state().last_seq);
        }
        Ok(())
    }

    /// From now on the links work.
    pub(super) fn start_inflow(&mut self, now: UnixNanos) {
        self.inflow.started = true;
        self.inflow.links.values_mut().for_each(|link| link.start(now));
    }

    /// The stream is taken out of service or deleted.
    pub(super) fn save_positions(&self) {
        if let Some(ledger) = &self.inflow.ledger {
            ledger.save_all(self.log.state().last_seq);
        }
    }

    /// The stream is deleted: what was made for it elsewhere is not needed any more.
    pub fn end_inflow(&mut self) {
        self.end_unwanted_links(&[]);
    }

    /// Does what is due.
    pub(super) fn tick_inflow(&mut self, now: UnixNanos) {
        if self.inflow.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        for key in self.inflow.links.keys().copied().collect::<Vec<_>>() {
            let around = Around { now, log: self.log.state(), new_id: &new_id };
            self.with_link(key, |link, commands| link.tick(&around, commands));
        }
    }

    /// Brings a link the answer to its request; returns what it wants done at once, before anything else comes.
    pub(super) fn take_answer(
        &mut self,
        key: LinkKey,
        number: u64,
        message: &Message<'_>,
        now: UnixNanos,
    ) -> Vec<Command> {
        let around = Around { now, log: self.log.state(), new_id: &new_id };
        let mut commands = Vec::new();
        let Some(link) = self.inflow.links.get_mut(&key) else { return commands };
        if let Some(through) = link.answer(number, message, &around, &mut commands) {
            let passed = self.with_machine(now, b"", |machine, turn| machine.pass_over(turn, through));
            if let Err(refusal) = passed {
                log::error!("stream {}: {refusal}", self.machine.config().name);
            }
        }
        commands
    }

    /// Nobody heard a link's request.
    pub(super) fn note_unheard(&mut self, key: LinkKey, number: u64, now: UnixNanos) {
        self.with_link(key, |link, commands| link.unheard(number, now, commands));
    }

    /// Somebody may hear it now.
    pub(super) fn retry_link(&mut self, key: LinkKey, now: UnixNanos) {
        self.with_link(key, |link, _| link.retry_now(now));
    }

    /// Brings a link what came from its consumer.
    pub(super) fn take_delivery(&mut self, key: LinkKey, message: &Message<'_>, now: UnixNanos) {
        match self.with_link(key, |link, commands| link.receive(message, now, commands)) {
            Some(Receipt::Confirm { to, headers }) => {
                let confirmation = ReplyMessage { headers, payload: bytes::Bytes::new() };
                self.promise(&to, Reply::Message(Box::new(confirmation)));
            }
            Some(Receipt::Take(offer)) => self.take_over(key, &offer, message, now),
            Some(Receipt::Ignore) | None => {}
        }
    }

    fn take_over(&mut self, key: LinkKey, offer: &Offer, message: &Message<'_>, now: UnixNanos) {
        let last_seq = self.log.state().last_seq;
        let Some(link) = self.inflow.links.get_mut(&key) else { return };
        if link.origin().kind() == Kind::Mirror && offer.seq <= last_seq {
            // A purge has moved the mirror beyond what comes.
            return link.move_up(last_seq);
        }
        match self.store_foreign(key, offer, message, now) {
            Ok(Taken::Stored { seq }) => self.note_position(key, seq),
            Ok(Taken::PassedOver) => {}
            Err(refusal) => {
                log_refusal(&self.machine.config().name, offer.seq, &refusal);
                self.with_link(key, |link, commands| link.take_back(offer, now, commands));
            }
        }
    }

    fn store_foreign(
        &mut self,
        key: LinkKey,
        offer: &Offer,
        message: &Message<'_>,
        now: UnixNanos,
    ) -> Result<Taken, Refusal> {
        let Some(link) = self.inflow.links.get(&key) else { return Ok(Taken::PassedOver) };
        let origin = link.origin();
        let source = (origin.kind() == Kind::Source)
            .then(|| source_header::compose(origin, offer.seq, message.subject, link.identity()));
        let block = stored_headers(message.headers, source.as_deref());
        let subject = origin.transform(message.subject);
        let label = origin.label().clone();
        let foreign = Foreign {
            message: Ingest { subject: &subject, headers: &block, payload: message.payload },
            copy_of: source.is_none().then_some((offer.seq, offer.ts)),
            counted_as: (&label, std::str::from_utf8(message.subject).unwrap_or_default()),
        };
        let transformed = self.transformed(foreign.message.subject);
        let ingest = Ingest { subject: transformed.as_deref().unwrap_or(&subject), ..foreign.message };
        let foreign = Foreign { message: ingest, ..foreign };
        self.with_machine(now, b"", |machine, turn| machine.take_over(turn, &foreign))
    }

    fn note_position(&mut self, key: LinkKey, told_by: u64) {
        let Some(ledger) = &self.inflow.ledger else { return };
        if let Some(link) = self.inflow.links.get(&key) {
            ledger.moved(link.origin().index_name(), link.seq(), link.identity(), told_by);
        }
    }

    fn add_sources(
        &mut self,
        host: &StreamHost,
        origins: Vec<Origin>,
        past: Option<&Record>,
        now: UnixNanos,
    ) -> Result<(), StoreError> {
        let nothing = Record::default();
        let record = past.unwrap_or(&nothing);
        let places = positions::find(self.log.as_ref(), record, &origins)?;
        let ledger = self.ledger(host, record);
        for origin in origins {
            let source = origin.index_name().to_string();
            let place = places.iter().find(|place| place.source == source).cloned();
            let place = place.unwrap_or(Place { source, seq: 0, identity: String::new() });
            let mut link = Link::new(origin, place.seq, place.identity.clone());
            if past.is_some_and(|record| !record.knows(&place.source)) {
                link = link.with_unknown_past();
            }
            self.inflow.add(link, now);
            if let Some(ledger) = &ledger {
                ledger.open(place);
            }
        }
        Ok(())
    }

    /// The ledger of a stream on disk; what goes with the process needs none.
    fn ledger(&mut self, host: &StreamHost, record: &Record) -> Option<Arc<Ledger>> {
        if self.log.kind() == StorageKind::Memory {
            return None;
        }
        if self.inflow.ledger.is_none() {
            let (store, id) = (host.env.store.clone(), host.id);
            let save = Box::new(move |bytes: &[u8]| store.put_consumer(id, LEDGER_NAME, bytes));
            let ledger = Arc::new(Ledger::new(save, record.through));
            let log = std::mem::replace(&mut self.log, Box::new(MemoryLog::new()));
            self.log = Box::new(KeptLog::new(log, ledger.clone()));
            self.inflow.ledger = Some(ledger);
        }
        self.inflow.ledger.clone()
    }

    /// Gives the links that stay their configuration anew; returns the origins that have no link yet.
    fn renew_links(&mut self, origins: Vec<Origin>) -> Vec<Origin> {
        let mut links: BTreeMap<Arc<str>, &mut Link> = BTreeMap::new();
        for link in self.inflow.links.values_mut() {
            links.insert(link.origin().index_name().clone(), link);
        }
        let mut new = Vec::new();
        for origin in origins {
            match links.get_mut(origin.index_name()) {
                Some(link) => link.renew(origin),
                None => new.push(origin),
            }
        }
        new
    }

    /// `true` if there was one.
    fn end_unwanted_links(&mut self, wanted: &[Origin]) -> bool {
        let is_wanted = |link: &Link| {
            wanted.iter().any(|origin| {
                origin.kind() == link.origin().kind() && origin.index_name() == link.origin().index_name()
            })
        };
        let unwanted: Vec<LinkKey> =
            self.inflow.links.iter().filter(|(_, link)| !is_wanted(link)).map(|(key, _)| *key).collect();
        let any = !unwanted.is_empty();
        for key in unwanted {
            let uses = |link: &Link, origin: &Origin| {
                origin.label() == link.origin().label()
                    && origin.consumer_name() == link.origin().consumer_name()
            };
            self.with_link(key, |link, commands| {
                let consumer_stays = wanted.iter().any(|origin| uses(link, origin));
                link.end(consumer_stays, commands);
            });
            let Some(link) = self.inflow.links.remove(&key) else { continue };
            if let Some(ledger) = &self.inflow.ledger {
                ledger.close(link.origin().index_name());
            }
        }
        any
    }

    /// Gives one input to a link and keeps what it wants done for the pump.
    fn with_link<T>(
        &mut self,
        key: LinkKey,
        input: impl FnOnce(&mut Link, &mut Vec<Command>) -> T,
    ) -> Option<T> {
        let link = self.inflow.links.get_mut(&key)?;
        let result = input(link, &mut self.inflow.commands);
        for command in self.inflow.commands.drain(..) {
            self.parcels.push(Parcel::Link(Box::new(LinkCommand { link: key, command })));
        }
        Some(result)
    }
}

fn origins(config: &StreamConfig, host: &StreamHost) -> Vec<Origin> {
    let destination =
        Destination { stream: &config.name, account: host.account.name(), domain: &host.env.settings.domain };
    let sources = &config.sources;
    let source = |source| Origin::of_source(source, destination, sources);
    let mirror = config.mirror.iter().cloned().map(|mirror| Origin::of_mirror(mirror, destination));
    mirror.chain(sources.iter().cloned().map(source)).collect()
}

/// What only meant something to the origin goes; a source says where the message came from.
fn stored_headers<'a>(block: &'a [u8], source: Option<&[u8]>) -> Cow<'a, [u8]> {
    let mut stored = Cow::Borrowed(block);
    for prefix in [names::EXPECTED_PREFIX, names::BATCH_PREFIX] {
        if headers::iter(&stored).any(|(name, _)| name.starts_with(prefix)) {
            stored = headers::remove_prefix(&stored, prefix).into();
        }
    }
    if headers::get(&stored, names::REQUEST_INFO).is_some() {
        stored = headers::remove(&stored, names::REQUEST_INFO).into();
    }
    if let Some(source) = source {
        if headers::get(&stored, names::STREAM_SOURCE).is_some() {
            stored = headers::remove(&stored, names::STREAM_SOURCE).into();
        }
        headers::append(stored.to_mut(), names::STREAM_SOURCE, source);
    }
    stored
}

/// A full stream that discards new messages is in order; whatever else stops it is worth a line.
fn log_refusal(stream: &str, seq: u64, refusal: &Refusal) {
    let full = matches!(refusal, Refusal::MaxMsgs | Refusal::MaxBytes | Refusal::MaxMsgsPerSubject);
    let level = if full { log::Level::Debug } else { log::Level::Warn };
    log::log!(level, "stream {stream}: message {seq} of its origin was not taken over: {refusal}");
}

fn new_id() -> String {
    const CHARACTERS: usize = 8;
    ids::token(CHARACTERS)
}
