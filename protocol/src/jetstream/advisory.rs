//! What JetStream tells of on its own: advisories and metrics, published on `$JS.EVENT.>` of the account.

pub use super::advisory_events::*;
use super::object_writer::ObjectWriter;
use super::timestamp::Timestamp;

/// What the subjects of advisories begin with.
pub const ADVISORY_PREFIX: &str = "$JS.EVENT.ADVISORY.";
/// What the subjects of metrics begin with.
pub const METRIC_PREFIX: &str = "$JS.EVENT.METRIC.";
const ADVISORY_TYPE_PREFIX: &str = "io.nats.jetstream.advisory.v1.";
const METRIC_TYPE_PREFIX: &str = "io.nats.jetstream.metric.v1.";

/// One event. Times are nanoseconds where they are not [`Timestamp`]s.
#[derive(Debug, Clone, Copy)]
pub enum Advisory<'a> {
    /// An API request was answered.
    ApiAudit(ApiAudit<'a>),
    /// API requests were dropped.
    ApiLimitReached(ApiLimitReached<'a>),
    /// A stream was made, changed or deleted.
    StreamAction(StreamAction<'a>),
    /// A consumer was made or deleted.
    ConsumerAction(ConsumerAction<'a>),
    /// A consumer was paused or goes on.
    ConsumerPause(ConsumerPause<'a>),
    /// A client was pinned.
    ConsumerPinned(ConsumerPinned<'a>),
    /// A pin was lost.
    ConsumerUnpinned(ConsumerUnpinned<'a>),
    /// A message was delivered as often as allowed.
    MaxDeliver(MaxDeliver<'a>),
    /// A message was refused for now.
    Nak(Nak<'a>),
    /// A message was refused for good.
    Terminated(Terminated<'a>),
    /// A snapshot begins.
    SnapshotCreate(SnapshotCreate<'a>),
    /// A snapshot ended.
    SnapshotComplete(SnapshotComplete<'a>),
    /// A restore begins.
    RestoreCreate(RestoreCreate<'a>),
    /// A restore ended.
    RestoreComplete(RestoreComplete<'a>),
    /// A batch was given up.
    BatchAbandoned(BatchAbandoned<'a>),
    /// There is no room left on disk.
    OutOfStorage(OutOfStorage<'a>),
    /// How long an acknowledgement took; a metric.
    ConsumerAck(ConsumerAck<'a>),
}

impl Advisory<'_> {
    /// The subject it is published on.
    pub fn subject(&self) -> String {
        let (family, stream, consumer) = self.address();
        let prefix = match self {
            Advisory::ConsumerAck(_) => METRIC_PREFIX,
            _ => ADVISORY_PREFIX,
        };
        let mut subject =
            String::with_capacity(prefix.len() + family.len() + stream.len() + consumer.len() + 2);
        subject.push_str(prefix);
        subject.push_str(family);
        for name in [stream, consumer].into_iter().filter(|name| !name.is_empty()) {
            subject.push('.');
            subject.push_str(name);
        }
        subject
    }

    /// What the subject is made of: the kind of event, the stream and the consumer.
    fn address(&self) -> (&'static str, &str, &str) {
        match self {
            Advisory::ApiAudit(_) => ("API", "", ""),
            Advisory::ApiLimitReached(_) => ("API.LIMIT_REACHED", "", ""),
            Advisory::StreamAction(event) => (event.action.stream_family(), event.stream, ""),
            Advisory::ConsumerAction(event) => (event.action.consumer_family(), event.stream, event.consumer),
            Advisory::ConsumerPause(event) => ("CONSUMER.PAUSE", event.stream, event.consumer),
            Advisory::ConsumerPinned(event) => ("CONSUMER.PINNED", event.stream, event.consumer),
            Advisory::ConsumerUnpinned(event) => ("CONSUMER.UNPINNED", event.stream, event.consumer),
            Advisory::MaxDeliver(event) => ("CONSUMER.MAX_DELIVERIES", event.stream, event.consumer),
            Advisory::Nak(event) => ("CONSUMER.MSG_NAKED", event.stream, event.consumer),
            Advisory::Terminated(event) => ("CONSUMER.MSG_TERMINATED", event.stream, event.consumer),
            Advisory::SnapshotCreate(event) => ("STREAM.SNAPSHOT_CREATE", event.stream, ""),
            Advisory::SnapshotComplete(event) => ("STREAM.SNAPSHOT_COMPLETE", event.stream, ""),
            Advisory::RestoreCreate(event) => ("STREAM.RESTORE_CREATE", event.stream, ""),
            Advisory::RestoreComplete(event) => ("STREAM.RESTORE_COMPLETE", event.stream, ""),
            Advisory::BatchAbandoned(event) => ("STREAM.BATCH_ABANDONED", event.stream, ""),
            Advisory::OutOfStorage(_) => ("SERVER.OUT_OF_STORAGE", "", ""),
            Advisory::ConsumerAck(event) => ("CONSUMER.ACK", event.stream, event.consumer),
        }
    }

    /// The JSON. `id` is a NUID, `timestamp` is when it happened.
    pub fn encode(&self, id: &str, timestamp: Timestamp) -> Vec<u8> {
        let begin = |type_name| advisory(ADVISORY_TYPE_PREFIX, type_name, id, timestamp);
        let out = match self {
            Advisory::ApiAudit(event) => begin("api_audit").entries(event),
            Advisory::ApiLimitReached(event) => begin("api_limit_reached").entries(event),
            Advisory::StreamAction(event) => begin("stream_action").entries(event),
            Advisory::ConsumerAction(event) => begin("consumer_action").entries(event),
            Advisory::ConsumerPause(event) => begin("consumer_pause").entries(event),
            Advisory::ConsumerPinned(event) => begin("consumer_group_pinned").entries(event),
            Advisory::ConsumerUnpinned(event) => begin("consumer_group_unpinned").entries(event),
            Advisory::MaxDeliver(event) => begin("max_deliver").entries(event),
            Advisory::Nak(event) => begin("nak").entries(event),
            Advisory::Terminated(event) => begin("terminated").entries(event),
            Advisory::SnapshotCreate(event) => begin("snapshot_create").entries(event),
            Advisory::SnapshotComplete(event) => begin("snapshot_complete").entries(event),
            Advisory::RestoreCreate(event) => begin("restore_create").entries(event),
            Advisory::RestoreComplete(event) => begin("restore_complete").entries(event),
            Advisory::BatchAbandoned(event) => begin("stream_batch_abandoned").entries(event),
            Advisory::OutOfStorage(event) => begin("server_out_of_space").entries(event),
            Advisory::ConsumerAck(event) => {
                advisory(METRIC_TYPE_PREFIX, "consumer_ack", id, timestamp).entries(event)
            }
        };
        out.finish()
    }
}

fn advisory(type_prefix: &str, type_name: &str, id: &str, timestamp: Timestamp) -> ObjectWriter {
    ObjectWriter::typed(type_prefix, type_name).entry("id", &id).entry("timestamp", &timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jetstream::client_info::ClientInfo;
    use crate::jetstream::timestamp::ZonedTime;

    const ID: &str = "eRVINtEeZdEKpiwYPbxJPk";

    fn event(name: &str, rest: &str) -> String {
        format!(
            r#"{{"type":"io.nats.jetstream.{name}","id":"{ID}","timestamp":"1970-01-01T00:00:00.000000001Z",{rest}}}"#
        )
    }

    fn told(advisory: Advisory<'_>) -> (String, String) {
        (advisory.subject(), String::from_utf8(advisory.encode(ID, Timestamp(1))).unwrap())
    }

    #[test]
    fn what_becomes_of_streams_and_consumers_is_told_as_nats_server_tells_it() {
        let (subject, body) =
            told(Advisory::StreamAction(StreamAction { stream: "S", action: Action::Modify, domain: None }));
        assert_eq!(subject, "$JS.EVENT.ADVISORY.STREAM.UPDATED.S");
        assert_eq!(body, event("advisory.v1.stream_action", r#""stream":"S","action":"modify""#));
        let made = ConsumerAction { stream: "S", consumer: "C", action: Action::Create, domain: Some("hub") };
        let (subject, body) = told(Advisory::ConsumerAction(made));
        assert_eq!(subject, "$JS.EVENT.ADVISORY.CONSUMER.CREATED.S.C");
        let rest = r#""stream":"S","consumer":"C","action":"create","domain":"hub""#;
        assert_eq!(body, event("advisory.v1.consumer_action", rest));
    }

    #[test]
    fn what_becomes_of_messages_is_told_as_nats_server_tells_it() {
        let nak =
            Nak { stream: "S", consumer: "C", consumer_seq: 1, stream_seq: 2, deliveries: 3, domain: None };
        let (subject, body) = told(Advisory::Nak(nak));
        assert_eq!(subject, "$JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED.S.C");
        let rest = r#""stream":"S","consumer":"C","consumer_seq":1,"stream_seq":2,"deliveries":3"#;
        assert_eq!(body, event("advisory.v1.nak", rest));
        let ack = ConsumerAck {
            stream: "S",
            consumer: "C",
            consumer_seq: 1,
            stream_seq: 2,
            ack_time: 4,
            deliveries: 3,
            domain: None,
        };
        let (subject, body) = told(Advisory::ConsumerAck(ack));
        assert_eq!(subject, "$JS.EVENT.METRIC.CONSUMER.ACK.S.C");
        let rest =
            r#""stream":"S","consumer":"C","consumer_seq":1,"stream_seq":2,"ack_time":4,"deliveries":3"#;
        assert_eq!(body, event("metric.v1.consumer_ack", rest));
    }

    #[test]
    fn a_pause_is_told_with_its_end_even_if_there_is_none() {
        let pause = ConsumerPause {
            stream: "S",
            consumer: "C",
            paused: false,
            pause_until: ZonedTime::default(),
            domain: None,
        };
        let rest = r#""stream":"S","consumer":"C","paused":false,"pause_until":"0001-01-01T00:00:00Z""#;
        assert_eq!(told(Advisory::ConsumerPause(pause)).1, event("advisory.v1.consumer_pause", rest));
    }

    #[test]
    fn an_audit_carries_request_and_answer_as_text() {
        let client = ClientInfo { host: "127.0.0.1".into(), id: 5, acc: "$G".into(), ..Default::default() };
        let audit = ApiAudit {
            server: "N",
            client: &client,
            subject: "$JS.API.STREAM.INFO.S",
            request: "",
            response: "{\"type\":\"x\"}",
            domain: None,
        };
        let (subject, body) = told(Advisory::ApiAudit(audit));
        assert_eq!(subject, "$JS.EVENT.ADVISORY.API");
        let rest = concat!(
            r#""server":"N","client":{"host":"127.0.0.1","id":5,"acc":"$G"},"subject":"$JS.API.STREAM.INFO.S","#,
            r#""response":"{\"type\":\"x\"}""#
        );
        assert_eq!(body, event("advisory.v1.api_audit", rest));
    }
}
