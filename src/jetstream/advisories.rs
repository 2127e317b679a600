//! What JetStream tells of on its own, on `$JS.EVENT.>` of the account. Nothing is made up for nobody: an event is only
//! written where somebody listens.

use std::sync::Arc;

use headwater_protocol::jetstream::advisory::{
    AbandonReason, Action, Advisory, ApiAudit, BatchAbandoned, ConsumerAck, ConsumerAction, ConsumerPause,
    ConsumerPinned, ConsumerUnpinned, MaxDeliver, Nak, StreamAction, Terminated,
};
use headwater_protocol::jetstream::client_info::ClientInfo;
use headwater_protocol::jetstream::timestamp::{Timestamp, ZonedTime};

use super::consumer::Advisory as Event;
use super::env::Env;
use super::host::StreamHost;
use crate::account::Account;
use crate::ids;
use crate::router::{ClientInfo as Origin, Dispatch, Message};

/// A stream was made, changed or deleted.
pub fn stream(host: &StreamHost, cx: &mut Dispatch, action: Action) {
    let event = StreamAction { stream: &host.name, action, domain: host.env.settings.domain() };
    publish(&host.account, &host.env, cx, &Advisory::StreamAction(event));
}

/// A consumer was made.
pub fn consumer_created(host: &StreamHost, cx: &mut Dispatch, consumer: &str) {
    consumer_action(host, cx, consumer, Action::Create);
}

/// A consumer was deleted.
pub fn consumer_deleted(host: &StreamHost, cx: &mut Dispatch, consumer: &str) {
    consumer_action(host, cx, consumer, Action::Delete);
}

/// A batch was given up. Operators hear of it too.
pub fn batch_abandoned(host: &StreamHost, cx: &mut Dispatch, id: &[u8], reason: AbandonReason) {
    let batch = String::from_utf8_lossy(id);
    let domain = host.env.settings.domain();
    let event = BatchAbandoned { account: "", stream: &host.name, domain, batch: &batch, reason };
    publish(&host.account, &host.env, cx, &Advisory::BatchAbandoned(event));
    if let Some(system) = host.env.system.get() {
        let event = BatchAbandoned { account: host.account.name(), ..event };
        publish(system, &host.env, cx, &Advisory::BatchAbandoned(event));
    }
}

/// An API request was answered.
pub fn api_audit(account: &Account, env: &Env, cx: &mut Dispatch, request: &Message<'_>, response: &[u8]) {
    let client = client_of(cx.origin(), account, env);
    let event = ApiAudit {
        server: &env.settings.server_name,
        client: &client,
        subject: &String::from_utf8_lossy(request.subject),
        request: &String::from_utf8_lossy(request.payload),
        response: &String::from_utf8_lossy(response),
        domain: env.settings.domain(),
    };
    publish(account, env, cx, &Advisory::ApiAudit(event));
}

/// Something happened at a consumer.
pub fn consumer_event(host: &StreamHost, cx: &mut Dispatch, consumer: &str, event: &Event) {
    let (stream, domain, account) = (&*host.name, host.env.settings.domain(), &**host.account.name());
    let pin_id;
    let advisory = match *event {
        Event::MaxDeliveries { stream_seq, deliveries } => {
            Advisory::MaxDeliver(MaxDeliver { stream, consumer, stream_seq, deliveries, domain })
        }
        Event::Naked { stream_seq, consumer_seq, deliveries } => {
            Advisory::Nak(Nak { stream, consumer, consumer_seq, stream_seq, deliveries, domain })
        }
        Event::Terminated { stream_seq, consumer_seq, deliveries, ref reason } => {
            let terminated =
                Terminated { stream, consumer, consumer_seq, stream_seq, deliveries, reason, domain };
            Advisory::Terminated(terminated)
        }
        Event::AckSample { stream_seq, consumer_seq, deliveries, ack_time_nanos } => {
            let ack_time = ack_time_nanos;
            let ack =
                ConsumerAck { stream, consumer, consumer_seq, stream_seq, ack_time, deliveries, domain };
            Advisory::ConsumerAck(ack)
        }
        Event::Pause { paused, until } => {
            let pause_until = until.map_or_else(ZonedTime::default, |until| Timestamp(until).into());
            Advisory::ConsumerPause(ConsumerPause { stream, consumer, paused, pause_until, domain })
        }
        Event::Pinned { ref group, pin_id: ref id } => {
            pin_id = String::from_utf8_lossy(id);
            let pinned = ConsumerPinned { account, stream, consumer, domain, group, pinned_id: &pin_id };
            Advisory::ConsumerPinned(pinned)
        }
        Event::Unpinned { ref group, reason } => {
            Advisory::ConsumerUnpinned(ConsumerUnpinned { account, stream, consumer, domain, group, reason })
        }
    };
    publish(&host.account, &host.env, cx, &advisory);
}

fn consumer_action(host: &StreamHost, cx: &mut Dispatch, consumer: &str, action: Action) {
    let domain = host.env.settings.domain();
    let event = ConsumerAction { stream: &host.name, consumer, action, domain };
    publish(&host.account, &host.env, cx, &Advisory::ConsumerAction(event));
}

/// Publishes an event if anybody listens.
pub fn publish(account: &Account, env: &Env, cx: &mut Dispatch, advisory: &Advisory<'_>) {
    let subject = advisory.subject();
    if !account.has_interest(subject.as_bytes()) {
        return;
    }
    let body = advisory.encode(&ids::nuid(), Timestamp(env.now()));
    account.publish(cx, &Message { subject: subject.as_bytes(), payload: &body, ..Message::default() });
}

/// Who brought the request, as events describe it.
pub fn client_of(origin: Option<&Arc<Origin>>, account: &Account, env: &Env) -> ClientInfo {
    let Some(client) = origin else {
        let (acc, server) = (account.name().to_string(), env.settings.server_name.clone());
        return ClientInfo { acc, server, kind: "JetStream".into(), ..ClientInfo::default() };
    };
    ClientInfo {
        start: Some(Timestamp(client.start)),
        host: client.host.to_string(),
        id: client.cid,
        acc: client.account.to_string(),
        user: client.user.to_string(),
        name: client.name.to_string(),
        lang: client.lang.to_string(),
        ver: client.version.to_string(),
        rtt: i64::try_from(client.rtt_nanos()).unwrap_or(i64::MAX),
        server: env.settings.server_name.clone(),
        kind: "Client".into(),
        client_type: "nats".into(),
        ..ClientInfo::default()
    }
}
