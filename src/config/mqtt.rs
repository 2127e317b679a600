//! `mqtt { … }`

use std::time::Duration;

use super::defaults;
use super::diff::Changes;
use super::grammar::Node;
use super::keys::{Key, block, field, nested, timed, unknown_field};
use super::report::{Problem, Report};
use super::simple_auth::{self, SimpleAuth};
use super::tls::{self, Tls};

/// MQTT clients.
#[derive(Debug, Clone, PartialEq)]
pub struct Mqtt {
    pub host: String,
    /// 0 stands for any free port; absent: no listener.
    pub port: Option<u16>,
    pub tls: Option<Tls>,
    /// Instead of the rules for clients.
    pub authorization: SimpleAuth,
    pub no_auth_user: Option<String>,
    /// After which an unacknowledged message is sent again; absent: 30 s.
    pub ack_wait: Option<Duration>,
    /// Absent: 5 s.
    pub js_api_timeout: Option<Duration>,
    /// Unacknowledged messages per subscription; absent: 1,024.
    pub ack_pending_max: Option<u16>,
    pub js_domain: Option<String>,
    pub stream_replicas: i64,
    pub consumer_memory_storage: bool,
    pub consumer_inactive_threshold: Option<Duration>,
    pub reject_qos2_publish: bool,
    pub downgrade_qos2_subscribe: bool,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            host: defaults::HOST.to_owned(),
            port: None,
            tls: None,
            authorization: SimpleAuth::default(),
            no_auth_user: None,
            ack_wait: None,
            js_api_timeout: None,
            ack_pending_max: None,
            js_domain: None,
            stream_replicas: 0,
            consumer_memory_storage: false,
            consumer_inactive_threshold: None,
            reject_qos2_publish: false,
            downgrade_qos2_subscribe: false,
        }
    }
}

const KEYS: &[Key<Mqtt>] = &[
    Key::new("listen", &[], |mqtt, node, _| {
        let listen = node.host_port()?;
        if !listen.host.is_empty() {
            mqtt.host = listen.host;
        }
        mqtt.port = listen.port.listen();
        Ok(())
    }),
    Key::watched(
        "port",
        &[],
        |mqtt, node, _| {
            mqtt.port = node.port()?.listen();
            Ok(())
        },
        |old, new, changes| changes.restart(&old.port, &new.port, "MQTT"),
    ),
    field!("host", ["net"], host, Node::string, restart("MQTT")),
    nested!("tls", [], tls, tls::read_for_clients),
    nested!("authorization", ["authentication"], authorization, simple_auth::read),
    field!("no_auth_user", [], no_auth_user, Node::name, restart("MQTT")),
    timed!("ack_wait", ["ackwait"], ack_wait, live("MQTT", "MQTT ack_wait = {}")),
    timed!("js_api_timeout", ["api_timeout"], js_api_timeout, restart("MQTT")),
    field!(
        "max_ack_pending",
        ["max_pending", "max_inflight"],
        ack_pending_max,
        ack_pending_max,
        live("MQTT", "MQTT max_ack_pending = {}")
    ),
    field!("js_domain", [], js_domain, Node::name, restart("MQTT")),
    field!("stream_replicas", [], stream_replicas, Node::integer, live("MQTT", "MQTT stream_replicas = {}")),
    Key::new("consumer_replicas", &[], |_, node, report| {
        let hint = "consumer replicas setting ignored in this server version";
        report.warn(node.problem(format!("invalid use of field \"consumer_replicas\": {hint}")));
        Ok(())
    }),
    field!(
        "consumer_memory_storage",
        [],
        consumer_memory_storage,
        Node::bool,
        live("MQTT", "MQTT consumer_memory_storage = {}")
    ),
    timed!(
        "consumer_inactive_threshold",
        ["consumer_auto_cleanup"],
        consumer_inactive_threshold,
        live("MQTT", "MQTT consumer_inactive_threshold = {}")
    ),
    field!("reject_qos2_publish", [], reject_qos2_publish, Node::bool, restart("MQTT")),
    field!("downgrade_qos2_subscribe", [], downgrade_qos2_subscribe, Node::bool, restart("MQTT")),
];

/// Reads an `mqtt { … }` block.
pub(super) fn read(node: &Node, report: &mut Report) -> Result<Mqtt, Problem> {
    block(KEYS, unknown_field, node, report)
}

/// What a reload can do.
pub(super) fn changes(old: &Mqtt, new: &Mqtt, changes: &mut Changes) {
    KEYS.iter().for_each(|key| (key.changes)(old, new, changes));
    if old.authorization != new.authorization {
        changes.refused("MQTT", "config reload not supported for MQTT".to_owned());
    }
    if old.tls != new.tls {
        changes.applied("MQTT", "MQTT tls".to_owned());
    }
}

fn ack_pending_max(node: &Node) -> Result<Option<u16>, Problem> {
    let number = node.integer()?;
    match u16::try_from(number) {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(node.problem(format!("invalid value {number}, should in [0..65535] range"))),
    }
}
