//! Flags laid over a configuration: what is written on the command line wins.

use std::path::PathBuf;

use super::flags::Flags;
use crate::config::cluster::Cluster;
use crate::config::defaults;
use crate::config::tls::{self, Tls};
use crate::config::{Config, ConfigError, Port, Secret, host_port, size_from_text};

type Step = fn(&mut Config, &Flags) -> Result<(), String>;

impl Config {
    /// Takes what `flags` say; doing it twice changes nothing.
    pub fn apply_flags(&mut self, flags: &Flags) -> Result<(), ConfigError> {
        let steps: [Step; 6] = [listeners, logging, login, jetstream, cluster, client_tls];
        steps.iter().try_for_each(|step| step(self, flags)).map_err(ConfigError::Invalid)?;
        self.note_not_served();
        Ok(())
    }
}

fn set<T: Clone, U: From<T>>(slot: &mut U, flag: &Option<T>) {
    if let Some(value) = flag {
        *slot = value.clone().into();
    }
}

/// An empty string on the command line takes a name away.
fn set_name<U: From<String>>(slot: &mut Option<U>, flag: &Option<String>) {
    if let Some(value) = flag {
        *slot = (!value.is_empty()).then(|| value.clone().into());
    }
}

fn listeners(config: &mut Config, flags: &Flags) -> Result<(), String> {
    if let Some(host) = flags.host.as_ref().filter(|host| !host.is_empty()) {
        config.client.host.clone_from(host);
    }
    if let Some(port) = port(flags.port)? {
        config.client.port = port.unwrap_or(defaults::CLIENT_PORT);
    }
    set_name(&mut config.client.advertise, &flags.client_advertise);
    set_name(&mut config.server.name, &flags.server_name);
    if config.server.name.as_ref().is_some_and(|name| name.contains(' ')) {
        return Err("server name cannot contain spaces".to_owned());
    }
    set(&mut config.monitor.http_port, &port(flags.http_port)?.flatten());
    set(&mut config.monitor.https_port, &port(flags.https_port)?.flatten());
    set(&mut config.profiling.port, &port(flags.profile)?.flatten());
    if let Some(size) = &flags.memory_ceiling {
        let bytes = size_from_text(size).map_err(|reason| format!("memory_ceiling: {reason}"))?;
        config.memory_ceiling_bytes = u64::try_from(bytes).ok().filter(|&bytes| bytes > 0);
    }
    set_name(&mut config.files.pid_file, &flags.pid_file);
    set_name(&mut config.files.ports_file_dir, &flags.ports_file_dir);
    Ok(())
}

/// Outer: whether the flag is there. Inner: the port, unless it is 0, which stands for the default.
fn port(flag: Option<i64>) -> Result<Option<Option<u16>>, String> {
    flag.map(|number| Port::new(number).map(Port::listen)).transpose()
}

fn logging(config: &mut Config, flags: &Flags) -> Result<(), String> {
    let logging = &mut config.logging;
    set_name(&mut logging.file, &flags.log_file);
    set(&mut logging.time, &flags.logtime);
    set(&mut logging.time_utc, &flags.logtime_utc);
    set(&mut logging.syslog, &flags.syslog);
    set_name(&mut logging.remote_syslog, &flags.remote_syslog);
    set(&mut logging.debug, &flags.debug);
    set(&mut logging.trace, &flags.trace);
    for verbose in [flags.trace_verbose, flags.debug_and_trace_verbose] {
        set(&mut logging.trace, &verbose);
        set(&mut logging.trace_verbose, &verbose);
    }
    for both in [flags.debug_and_trace, flags.debug_and_trace_verbose] {
        set(&mut logging.debug, &both);
    }
    set(&mut logging.trace, &flags.debug_and_trace);
    let limit = |flag: Option<i64>| flag.map(|limit| u64::try_from(limit).ok().filter(|&limit| limit > 0));
    set(&mut logging.file_bytes_max, &limit(flags.log_size_limit));
    set(&mut logging.traced_message_bytes_max, &limit(flags.max_traced_msg_len));
    Ok(())
}

fn login(config: &mut Config, flags: &Flags) -> Result<(), String> {
    let secret = |flag: &Option<String>| flag.as_ref().filter(|text| !text.is_empty()).map(Secret::new);
    set_name(&mut config.authorization.user, &flags.user);
    set(&mut config.authorization.password, &secret(&flags.pass));
    set(&mut config.authorization.token, &secret(&flags.auth));
    Ok(())
}

fn jetstream(config: &mut Config, flags: &Flags) -> Result<(), String> {
    set(&mut config.jetstream.enabled, &flags.jetstream);
    if let Some(dir) = flags.store_dir.as_ref().filter(|dir| !dir.is_empty()) {
        config.jetstream.store_dir = Some(PathBuf::from(dir));
    }
    Ok(())
}

fn cluster(config: &mut Config, flags: &Flags) -> Result<(), String> {
    let cluster = &mut config.cluster;
    if let Some(url) = &flags.cluster {
        cluster_listen(cluster, url)?;
    }
    set_name(&mut cluster.name, &flags.cluster_name);
    set(&mut cluster.no_advertise, &flags.no_advertise);
    set_name(&mut cluster.advertise, &flags.cluster_advertise);
    set(&mut cluster.connect_retries, &flags.connect_retries);
    if let Some(routes) = &flags.routes {
        let urls = routes.split(',').map(str::trim).filter(|url| !url.is_empty());
        cluster.routes = urls.map(str::to_owned).collect();
    }
    let routes_by_flag = flags.routes.as_ref().is_some_and(|routes| !routes.is_empty());
    if routes_by_flag && cluster.port.is_none() && cluster.host.is_empty() {
        return Err("solicited routes require cluster capabilities, e.g. --cluster".to_owned());
    }
    Ok(())
}

/// `nats://user:password@host:port`; an empty URL switches the cluster off.
fn cluster_listen(cluster: &mut Cluster, url: &str) -> Result<(), String> {
    if url.is_empty() {
        cluster.port = None;
        return Ok(());
    }
    let address = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
    let (login, address) = match address.rsplit_once('@') {
        Some((login, address)) => (Some(login), address),
        None => (None, address),
    };
    let listen = host_port(address).map_err(|_| "missing port in address".to_owned())?;
    cluster.host = listen.host;
    cluster.port = listen.port.listen();
    (cluster.user, cluster.password) = match login.map(|login| login.split_once(':')) {
        None => (None, None),
        Some(Some((user, password))) => (Some(user.to_owned()), Some(Secret::new(password))),
        Some(None) => return Err("expected cluster password to be set".to_owned()),
    };
    Ok(())
}

fn client_tls(config: &mut Config, flags: &Flags) -> Result<(), String> {
    if flags.tls == Some(false) {
        config.client.tls = None;
        return Ok(());
    }
    let files = [&flags.tls_cert, &flags.tls_key, &flags.tls_ca_cert];
    if flags.tls.is_none() && flags.tls_verify.is_none() && files.iter().all(|file| file.is_none()) {
        return Ok(());
    }
    let path = |flag: &Option<String>| flag.as_ref().filter(|path| !path.is_empty()).map(PathBuf::from);
    let tls = Tls {
        cert_file: path(&flags.tls_cert),
        key_file: path(&flags.tls_key),
        ca_file: path(&flags.tls_ca_cert),
        verify: flags.tls_verify.unwrap_or_default(),
        ..Tls::default()
    };
    if tls.cert_file.is_none() {
        return Err("TLS Server certificate must be present and valid".to_owned());
    }
    if tls.key_file.is_none() {
        return Err("TLS Server private key must be present and valid".to_owned());
    }
    tls::check(&tls)?;
    config.client.tls = Some(tls);
    Ok(())
}
