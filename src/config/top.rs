//! The directives at the top of a configuration file.

use std::collections::BTreeSet;
use std::time::Duration;

use super::accounts::{self, claim_logins};
use super::authorization;
use super::cluster;
use super::defaults;
use super::duration;
use super::grammar::Node;
use super::http_auth;
use super::jetstream;
use super::keys::{Key, field, nested, timed};
use super::leafnodes;
use super::log_format;
use super::mappings;
use super::model::Config;
use super::mqtt;
use super::ocsp;
use super::operator;
use super::proxies;
use super::reload;
use super::report::{Problem, Report};
use super::tls;
use super::websocket;
use super::write_timeout;

/// All of them, in the groups an operator thinks in.
pub const KEYS: &[Key<Config>] = &[
    // Where to listen, and under which name.
    Key::new("listen", &[], |config, node, _| {
        let listen = node.host_port()?;
        config.client.host = if listen.host.is_empty() { defaults::HOST.to_owned() } else { listen.host };
        config.client.port = listen.port.listen().unwrap_or(defaults::CLIENT_PORT);
        Ok(())
    }),
    field!("host", ["net"], client.host, host, restart("Host")),
    Key::watched(
        "port",
        &[],
        |config, node, _| {
            config.client.port = node.port()?.listen().unwrap_or(defaults::CLIENT_PORT);
            Ok(())
        },
        reload::port_changes,
    ),
    field!(
        "client_advertise",
        [],
        client.advertise,
        Node::name,
        live("ClientAdvertise", "client_advertise = {}")
    ),
    Key::watched("server_name", &[], read_server_name, |old, new, changes| {
        changes.restart(&old.server.name, &new.server.name, "ServerName")
    }),
    Key::watched("server_tags", &[], read_tags, |old, new, changes| {
        changes.live(&old.server.tags, &new.server.tags, "Tags", "tags")
    }),
    field!("server_metadata", [], server.metadata, Node::string_map, live("Metadata", "metadata")),
    field!("feature_flags", [], server.feature_flags, Node::bool_map, restart("FeatureFlags")),
    field!("allow_non_tls", [], client.allow_non_tls, Node::bool, restart("AllowNonTLS")),
    field!("proxy_protocol", [], client.proxy_protocol, Node::bool, restart("ProxyProtocol")),
    field!("no_header_support", [], client.no_header_support, Node::bool, restart("NoHeaderSupport")),
    nested!("tls", [], client.tls, tls::read_for_clients, live("TLSConfig", "tls = {}")),
    // Operators.
    Key::watched(
        "http",
        &[],
        |config, node, _| {
            let listen = node.host_port()?;
            config.monitor.host = (!listen.host.is_empty()).then_some(listen.host);
            config.monitor.http_port = listen.port.listen();
            Ok(())
        },
        |old, new, changes| changes.restart(&old.monitor.host, &new.monitor.host, "HTTPHost"),
    ),
    Key::new("https", &[], |config, node, _| {
        let listen = node.host_port()?;
        config.monitor.host = (!listen.host.is_empty()).then_some(listen.host);
        config.monitor.https_port = listen.port.listen();
        Ok(())
    }),
    field!("http_port", ["monitor_port"], monitor.http_port, optional_port, restart("HTTPPort")),
    field!("https_port", [], monitor.https_port, optional_port, restart("HTTPSPort")),
    field!("http_base_path", [], monitor.base_path, Node::string, restart("HTTPBasePath")),
    nested!("http_auth", [], monitor.auth, http_auth::read, restart("HTTPAuth")),
    field!("prof_port", [], profiling.port, optional_port, restart("ProfPort")),
    field!(
        "prof_block_rate",
        [],
        profiling.block_rate,
        Node::integer,
        live("ProfBlockRate", "prof_block_rate = {}")
    ),
    // Logs and files.
    field!("debug", [], logging.debug, Node::bool, live("Debug", "debug = {}")),
    field!("trace", [], logging.trace, Node::bool, live("Trace", "trace = {}")),
    Key::watched(
        "trace_verbose",
        &[],
        |config, node, _| {
            config.logging.trace_verbose = node.bool()?;
            config.logging.trace = node.bool()?;
            Ok(())
        },
        |old, new, changes| {
            let (old, new) = (&old.logging.trace_verbose, &new.logging.trace_verbose);
            changes.live(old, new, "TraceVerbose", "trace_verbose = {}");
        },
    ),
    Key::watched(
        "trace_headers",
        &[],
        |config, node, _| {
            config.logging.trace_headers = node.bool()?;
            config.logging.trace = node.bool()?;
            Ok(())
        },
        |old, new, changes| {
            let (old, new) = (&old.logging.trace_headers, &new.logging.trace_headers);
            changes.live(old, new, "TraceHeaders", "trace_headers = {}");
        },
    ),
    field!("logtime", [], logging.time, Node::bool, live("Logtime", "logtime = {}")),
    field!("logtime_utc", [], logging.time_utc, Node::bool, live("LogtimeUTC", "logtime_utc = {}")),
    field!("log_file", ["logfile"], logging.file, Node::path, live("LogFile", "log_file = {}")),
    field!(
        "log_size_limit",
        ["logfile_size_limit"],
        logging.file_bytes_max,
        Node::limit,
        restart("LogSizeLimit")
    ),
    field!("log_max_num", ["logfile_max_num"], logging.files_max, Node::limit, restart("LogMaxFiles")),
    field!("log_format", [], logging.format, log_format::read, live("LogFormat", "log_format = {}")),
    field!("syslog", [], logging.syslog, Node::bool, live("Syslog", "syslog = {}")),
    field!(
        "remote_syslog",
        [],
        logging.remote_syslog,
        Node::name,
        live("RemoteSyslog", "remote_syslog = {}")
    ),
    field!(
        "max_traced_msg_len",
        [],
        logging.traced_message_bytes_max,
        Node::limit,
        live("MaxTracedMsgLen", "max_traced_msg_len = {}")
    ),
    field!("pid_file", ["pidfile"], files.pid_file, Node::path, live("PidFile", "pid_file = {}")),
    field!(
        "ports_file_dir",
        [],
        files.ports_file_dir,
        Node::path,
        live("PortsFileDir", "ports_file_dir = {}")
    ),
    // Limits.
    field!("memory_ceiling", [], memory_ceiling_bytes, Node::limit, restart("MemoryCeiling")),
    field!(
        "max_connections",
        ["max_conn"],
        limits.connections_max,
        Node::limit,
        live("MaxConn", "max_connections = {}")
    ),
    field!("max_subscriptions", ["max_subs"], limits.subscriptions_max, Node::limit, restart("MaxSubs")),
    field!(
        "max_subscription_tokens",
        ["max_sub_tokens"],
        limits.subject_tokens_max,
        subject_tokens,
        restart("MaxSubTokens")
    ),
    field!(
        "max_control_line",
        [],
        limits.control_line_bytes_max,
        |node| bytes(node, "max_control_line", defaults::CONTROL_LINE_BYTES_MAX),
        live("MaxControlLine", "max_control_line = {}")
    ),
    field!(
        "max_payload",
        [],
        limits.payload_bytes_max,
        |node| bytes(node, "max_payload", defaults::PAYLOAD_BYTES_MAX),
        live("MaxPayload", "max_payload = {}")
    ),
    Key::watched(
        "max_pending",
        &[],
        |config, node, _| {
            config.limits.pending_bytes_max = node.limit()?.unwrap_or(defaults::PENDING_BYTES_MAX);
            Ok(())
        },
        |old, new, changes| {
            changes.restart(&old.limits.pending_bytes_max, &new.limits.pending_bytes_max, "MaxPending");
        },
    ),
    Key::watched(
        "max_closed_clients",
        &[],
        |config, node, _| {
            config.limits.closed_connections_kept_max =
                node.limit()?.unwrap_or(defaults::CLOSED_CONNECTIONS_KEPT_MAX);
            Ok(())
        },
        |old, new, changes| {
            let kept = |config: &Config| config.limits.closed_connections_kept_max;
            changes.restart(&kept(old), &kept(new), "MaxClosedClients");
        },
    ),
    timed!("ping_interval", [], limits.ping_interval, live("PingInterval", "ping_interval = {}")),
    Key::watched(
        "ping_max",
        &[],
        |config, node, _| {
            let pings = node.limit()?.and_then(|pings| u32::try_from(pings).ok());
            config.limits.pings_outstanding_max = pings.unwrap_or(defaults::PINGS_OUTSTANDING_MAX);
            Ok(())
        },
        |old, new, changes| {
            let (old, new) = (&old.limits.pings_outstanding_max, &new.limits.pings_outstanding_max);
            changes.live(old, new, "MaxPingsOut", "ping_max = {}");
        },
    ),
    timed!("write_deadline", [], limits.write_deadline, live("WriteDeadline", "write_deadline = {}")),
    field!("write_timeout", [], limits.write_timeout, write_timeout::read, restart("WriteTimeout")),
    field!(
        "no_fast_producer_stall",
        [],
        limits.no_fast_producer_stall,
        Node::bool,
        live("NoFastProducerStall", "no_fast_producer_stall = {}")
    ),
    field!(
        "no_sublist_cache",
        ["disable_sublist_cache"],
        limits.no_sublist_cache,
        Node::bool,
        restart("NoSublistCache")
    ),
    field!(
        "connect_error_reports",
        [],
        limits.connect_error_reports,
        Node::unsigned,
        live("ConnectErrorReports", "connect_error_reports = {}")
    ),
    field!(
        "reconnect_error_reports",
        [],
        limits.reconnect_error_reports,
        Node::unsigned,
        live("ReconnectErrorReports", "reconnect_error_reports = {}")
    ),
    Key::watched("lame_duck_duration", &[], read_lame_duck_duration, |old, new, changes| {
        changes.restart(&old.lame_duck.duration, &new.lame_duck.duration, "LameDuckDuration");
    }),
    Key::watched("lame_duck_grace_period", &[], read_lame_duck_grace_period, |old, new, changes| {
        changes.restart(&old.lame_duck.grace_period, &new.lame_duck.grace_period, "LameDuckGracePeriod");
    }),
    // Who may connect.
    Key::watched("authorization", &[], read_authorization, reload::authorization_changes),
    field!("no_auth_user", [], no_auth_user, Node::name, reload::no_auth_user_changes),
    Key::watched("accounts", &[], read_accounts, |old, new, changes| {
        if old.accounts != new.accounts {
            changes.applied("Accounts", "accounts".to_owned());
        }
    }),
    nested!("mappings", ["maps"], mappings, mappings::read, |old, new, changes| {
        if old.mappings != new.mappings {
            changes.applied("Accounts", "accounts".to_owned());
        }
    }),
    field!("system_account", ["system"], system_account, Node::name, reload::system_account_changes),
    field!(
        "no_system_account",
        ["no_system", "no_sys_acc"],
        no_system_account,
        Node::bool,
        restart("NoSystemAccount")
    ),
    nested!("proxies", [], trusted_proxies, proxies::read, live("Proxies", "proxies trusted keys = {}")),
    // JWT mode.
    field!(
        "operator",
        ["operators", "roots", "root", "root_operators", "root_operator"],
        operator.jwts,
        operator::read_operators,
        restart("TrustedOperators")
    ),
    field!(
        "trusted_keys",
        ["trusted"],
        operator.trusted_keys,
        operator::read_trusted,
        restart("TrustedKeys")
    ),
    field!(
        "resolver",
        ["account_resolver", "accounts_resolver"],
        operator.resolver,
        operator::read_resolver,
        reload::resolver_changes
    ),
    nested!(
        "resolver_tls",
        [],
        operator.resolver_tls,
        tls::read_for_clients,
        live("AccountResolverTLSConfig", "accounts")
    ),
    field!(
        "resolver_preload",
        [],
        operator.preload,
        operator::read_preload,
        live("ResolverPreload", "accounts")
    ),
    Key::new("resolver_pinned_accounts", &[], |config, node, _| {
        config.operator.pinned_accounts = node.strings()?.into_iter().collect();
        Ok(())
    }),
    field!(
        "default_sentinel",
        [],
        operator.default_sentinel,
        Node::name,
        live("DefaultSentinel", "default_sentinel = {}")
    ),
    // The wings.
    Key::watched(
        "jetstream",
        &[],
        |config, node, report| jetstream::read(&mut config.jetstream, node, report),
        |old, new, changes| jetstream::changes(&old.jetstream, &new.jetstream, changes),
    ),
    Key::new("store_dir", &["storedir"], |config, node, _| {
        jetstream::set_store_dir(&mut config.jetstream, node)
    }),
    field!(
        "default_js_domain",
        [],
        server.default_js_domains,
        Node::string_map,
        restart("JsAccDefaultDomain")
    ),
    nested!("leafnodes", ["leaf"], leafnodes, leafnodes::read, |old, new, changes| leafnodes::changes(
        &old.leafnodes,
        &new.leafnodes,
        changes
    )),
    nested!("websocket", ["ws"], websocket, websocket::read, |old, new, changes| websocket::changes(
        &old.websocket,
        &new.websocket,
        changes
    )),
    nested!("mqtt", [], mqtt, mqtt::read, |old, new, changes| {
        mqtt::changes(&old.mqtt, &new.mqtt, changes)
    }),
    nested!("cluster", [], cluster, cluster::read, reload::cluster_changes),
    Key::new("gateway", &[], |_, node, _| {
        Err(node.problem("gateways are not served: this server runs alone; use leafnodes"))
    }),
    nested!("ocsp", [], ocsp, ocsp::read, live("OCSPConfig", "OCSP")),
    nested!("ocsp_cache", [], ocsp_cache, ocsp::read_cache, live("OCSPCacheConfig", "OCSP peer cache")),
];

/// Reads a `host`; an empty one is all addresses.
pub(super) fn host(node: &Node) -> Result<String, Problem> {
    let host = node.text()?;
    Ok(if host.is_empty() { defaults::HOST } else { host }.to_owned())
}

fn optional_port(node: &Node) -> Result<Option<u16>, Problem> {
    node.port().map(super::read::Port::listen)
}

fn read_server_name(config: &mut Config, node: &Node, _: &mut Report) -> Result<(), Problem> {
    config.server.name = node.name()?;
    match &config.server.name {
        Some(name) if name.contains(' ') => Err(node.problem("server name cannot contain spaces")),
        _ => Ok(()),
    }
}

/// Tags are compared in lower case, and each is kept once.
fn read_tags(config: &mut Config, node: &Node, _: &mut Report) -> Result<(), Problem> {
    for tag in node.strings()? {
        let tag = tag.trim().to_lowercase();
        if !tag.is_empty() && !config.server.tags.contains(&tag) {
            config.server.tags.push(tag);
        }
    }
    Ok(())
}

fn subject_tokens(node: &Node) -> Result<Option<u8>, Problem> {
    match node.integer()? {
        number if number <= 0 => Err(node.problem("max_subscription_tokens value can not be negative")),
        number => match u8::try_from(number) {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(node.problem("max_subscription_tokens value is too big")),
        },
    }
}

/// A size that nats-server keeps in 31 bits; zero or less stands for the default.
fn bytes(node: &Node, name: &str, default: u32) -> Result<u32, Problem> {
    match node.integer()? {
        number if number <= 0 => Ok(default),
        number => match i32::try_from(number) {
            Ok(number) => Ok(number.unsigned_abs()),
            Err(_) => Err(node.problem(format!("{name} value is too big"))),
        },
    }
}

fn read_lame_duck_duration(config: &mut Config, node: &Node, _: &mut Report) -> Result<(), Problem> {
    let given = lame_duck_time(node, "lame_duck_duration")?;
    match given {
        Some(given) if given >= defaults::LAME_DUCK_DURATION_MIN => {
            config.lame_duck.duration = given;
            Ok(())
        }
        _ => {
            let given = given.map_or_else(|| node.text().unwrap_or_default().to_owned(), duration::show);
            Err(node.problem(format!("invalid lame_duck_duration of {given}, minimum is 30 seconds")))
        }
    }
}

fn read_lame_duck_grace_period(config: &mut Config, node: &Node, _: &mut Report) -> Result<(), Problem> {
    match lame_duck_time(node, "lame_duck_grace_period")? {
        Some(given) => {
            let default = defaults::LAME_DUCK_GRACE_PERIOD;
            config.lame_duck.grace_period = if given.is_zero() { default } else { given };
            Ok(())
        }
        None => Err(node.problem("invalid lame_duck_grace_period, needs to be positive")),
    }
}

/// Nothing if it is negative.
fn lame_duck_time(node: &Node, name: &str) -> Result<Option<Duration>, Problem> {
    let wrong = |problem: Problem| node.problem(format!("error parsing {name}: {}", problem.reason));
    let nanos = node.nanos().map_err(wrong)?;
    Ok(u64::try_from(nanos).ok().map(Duration::from_nanos))
}

fn read_authorization(config: &mut Config, node: &Node, report: &mut Report) -> Result<(), Problem> {
    let mut taken: BTreeSet<String> = logins(config);
    config.authorization = authorization::read(node, report)?;
    config.authorization.is_written = true;
    let auth = &config.authorization;
    if let Some(users) = &auth.users {
        claim_logins(users, &mut taken, node, report);
    }
    if auth.users.is_none() && taken.is_empty() {
        return Ok(());
    }
    if auth.user.is_some() {
        return Err(node.problem("Can not have a single user/pass and a users array"));
    }
    if auth.token.is_some() {
        return Err(node.problem("Can not have a token and a users array"));
    }
    Ok(())
}

fn read_accounts(config: &mut Config, node: &Node, report: &mut Report) -> Result<(), Problem> {
    let mut taken = logins(config);
    config.accounts = accounts::read(node, report)?;
    let users: Vec<_> = config.accounts.iter().flat_map(|account| account.users.clone()).collect();
    let already_known = !taken.is_empty();
    if already_known {
        claim_logins(&users, &mut taken, node, report);
    }
    if !users.is_empty() && config.authorization.user.is_some() {
        return Err(node.problem("Can not have a single user/pass and accounts"));
    }
    if !users.is_empty() && config.authorization.token.is_some() {
        return Err(node.problem("Can not have a token and accounts"));
    }
    Ok(())
}

fn logins(config: &Config) -> BTreeSet<String> {
    config.users().map(|(_, user)| user.login.name().to_owned()).collect()
}
