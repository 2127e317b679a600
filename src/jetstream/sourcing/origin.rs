//! One origin as configured, taken apart once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_protocol::jetstream::stream_source::{StreamSource, SubjectTransform};
use headwater_protocol::subject::transform::Transform;

use crate::jetstream::identity::short_hash;

/// What API subjects begin with where the origin is not elsewhere.
const API_PREFIX: &str = "$JS.API";
const EVERYTHING: &str = ">";

/// What the destination is to the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Its copy, sequences and times included.
    Mirror,
    /// A stream of its own that takes its messages in.
    Source,
}

/// The stream that takes over.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// Its name.
    pub stream: &'a str,
    /// Its account.
    pub account: &'a str,
    /// Its JetStream domain, empty for none.
    pub domain: &'a str,
}

/// Where a link takes messages from.
#[derive(Debug)]
pub struct Origin {
    kind: Kind,
    config: StreamSource,
    /// The name, with the hash of what makes it another origin than the local stream of that name.
    label: Arc<str>,
    index_name: Arc<str>,
    filters: String,
    destinations: String,
    transforms: Vec<Transform>,
    consumer_name: String,
    metadata: BTreeMap<String, String>,
}

impl Origin {
    /// The origin of a mirror.
    pub fn of_mirror(config: StreamSource, destination: Destination<'_>) -> Self {
        let consumer_name = format!("JS_MIRROR_{}", short_hash(&destination.identification()));
        Self::new(Kind::Mirror, config, consumer_name, destination)
    }

    /// One of the sources of a stream; `all` are its sources.
    pub fn of_source(config: StreamSource, destination: Destination<'_>, all: &[StreamSource]) -> Self {
        let mut id = short_hash(&destination.identification());
        if all.iter().filter(|other| other.name == config.name).count() > 1 {
            id = format!("{id} {}", index_name(&config));
        }
        let consumer_name = format!("JS_SRC_{}", short_hash(&id));
        Self::new(Kind::Source, config, consumer_name, destination)
    }

    fn new(kind: Kind, config: StreamSource, consumer_name: String, destination: Destination<'_>) -> Self {
        let has_destination = |transform: &&SubjectTransform| !transform.dest.is_empty();
        // They have been checked with the configuration.
        let compile = |transform: &SubjectTransform| Transform::new(&transform.src, &transform.dest).ok();
        let transforms = config.subject_transforms.iter().filter(has_destination).filter_map(compile);
        Self {
            kind,
            label: label(&config).into(),
            index_name: index_name(&config).into(),
            filters: filters(&config),
            destinations: destinations(&config),
            transforms: transforms.collect(),
            consumer_name,
            metadata: destination.metadata(kind),
            config,
        }
    }

    /// What the destination is to it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its configuration.
    pub fn config(&self) -> &StreamSource {
        &self.config
    }

    /// How stored messages name it.
    pub fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// The subjects wanted, as stored messages name them.
    pub fn filters(&self) -> &str {
        &self.filters
    }

    /// What becomes of those subjects, as stored messages name it.
    pub fn destinations(&self) -> &str {
        &self.destinations
    }

    /// What tells it from the other sources of the stream.
    pub fn index_name(&self) -> &Arc<str> {
        &self.index_name
    }

    /// The name its consumer is asked for under.
    pub fn consumer_name(&self) -> &str {
        &self.consumer_name
    }

    /// What its consumer tells of us.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Whether it has to be reached by another way than our own API.
    pub fn is_elsewhere(&self) -> bool {
        self.config.external.is_some()
    }

    /// The subject of an API call to its server; `call` is what follows `$JS.API.`.
    pub fn api_subject(&self, call: &str) -> String {
        let prefix = self.config.external.as_ref().map(|external| external.api.as_str());
        let prefix = prefix.filter(|prefix| !prefix.is_empty()).unwrap_or(API_PREFIX);
        without_empty_tokens(&format!("{prefix}.{call}"))
    }

    /// A deliver subject of its own; `id` has to be new.
    pub fn deliver_subject(&self, id: &str) -> String {
        let letter = match self.kind {
            Kind::Mirror => "M",
            Kind::Source => "S",
        };
        let prefix = self.config.external.as_ref().map(|external| external.deliver.as_str());
        let prefix = prefix.filter(|prefix| !prefix.is_empty()).unwrap_or("$JS");
        without_empty_tokens(&format!("{prefix}.{letter}.{id}"))
    }

    /// The subject a message is stored under; the first transform that fits counts.
    pub fn transform<'a>(&self, subject: &'a [u8]) -> Cow<'a, [u8]> {
        let transformed = self.transforms.iter().find_map(|transform| transform.apply(subject));
        transformed.map_or(Cow::Borrowed(subject), Cow::Owned)
    }
}

impl Destination<'_> {
    fn identification(&self) -> String {
        let Self { stream, account, domain } = self;
        if domain.is_empty() { format!("{stream} {account}") } else { format!("{stream} {account} {domain}") }
    }

    fn metadata(&self, kind: Kind) -> BTreeMap<String, String> {
        let what = match kind {
            Kind::Mirror => "mirror",
            Kind::Source => "src",
        };
        let entries = [("stream", self.stream), ("acc", self.account), ("domain", self.domain)];
        let told = entries.into_iter().filter(|(_, value)| !value.is_empty());
        told.map(|(key, value)| (format!("_nats.{what}.{key}"), value.to_owned())).collect()
    }
}

/// What tells a source from the others of its stream.
pub fn index_name(source: &StreamSource) -> String {
    format!("{} {} {}", label(source), filters(source), destinations(source))
}

fn label(source: &StreamSource) -> String {
    let mut label = source.name.clone();
    if let Some(external) = &source.external {
        label = format!("{label}:{}", short_hash(&external.api));
    }
    if let Some(consumer) = &source.consumer {
        label = format!("{label}:C={}", short_hash(&consumer.name));
    }
    label
}

fn filters(source: &StreamSource) -> String {
    match source.subject_transforms.as_slice() {
        [] => or_everything(&source.filter_subject).to_owned(),
        transforms => joined(transforms, |transform| &transform.src),
    }
}

fn destinations(source: &StreamSource) -> String {
    match source.subject_transforms.as_slice() {
        [] => EVERYTHING.to_owned(),
        transforms => joined(transforms, |transform| &transform.dest),
    }
}

fn joined(transforms: &[SubjectTransform], part: impl Fn(&SubjectTransform) -> &String) -> String {
    transforms.iter().map(|transform| or_everything(part(transform))).collect::<Vec<_>>().join("\x0c")
}

fn or_everything(subject: &str) -> &str {
    if subject.is_empty() { EVERYTHING } else { subject }
}

fn without_empty_tokens(subject: &str) -> String {
    subject.replace("..", ".")
}
