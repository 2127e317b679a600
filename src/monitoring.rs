//! The monitoring listeners: HTTP, HTTPS, or both.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::{CancellationToken, DropGuard};

use crate::assemble::tls_settings;
use crate::broker::BrokerError;
use crate::config::Config;
use crate::config::files::url;
use crate::monitor::{Access, Monitor, MonitorLimits, Source, serve};
use crate::net::bind::bind;
use crate::net::listener::joined;
use crate::net::tls::{ServerTls, TlsSettings};

/// Monitoring as it runs; dropping it ends it.
pub struct Monitoring {
    urls: Vec<String>,
    _stop: DropGuard,
}

impl Monitoring {
    /// Starts the listeners that the configuration names; `None` if it names none.
    pub async fn start(config: &Config, source: Arc<dyn Source>) -> Result<Option<Self>, BrokerError> {
        let monitor = &config.monitor;
        if monitor.http_port.is_none() && monitor.https_port.is_none() {
            return Ok(None);
        }
        let endpoints = Monitor::new(source, &monitor.base_path, MonitorLimits::default());
        let endpoints = Arc::new(endpoints.guarded(access(config)));
        let stop = CancellationToken::new();
        let host = monitor.host.clone().unwrap_or_else(|| config.client.host.clone());
        let mut urls = Vec::new();
        if let Some(port) = monitor.http_port {
            let address = listen(&host, port, endpoints.clone(), None, &stop).await?;
            log::info!("Starting http monitor on {}", joined(&host, address.port()));
            urls.push(url("http", address));
        }
        if let Some(port) = monitor.https_port {
            let tls = Arc::new(encryption(config)?);
            let address = listen(&host, port, endpoints, Some(tls), &stop).await?;
            log::info!("Starting https monitor on {}", joined(&host, address.port()));
            urls.push(url("https", address));
        }
        Ok(Some(Self { urls, _stop: stop.drop_guard() }))
    }

    /// Where it listens.
    pub fn urls(&self) -> Vec<String> {
        self.urls.clone()
    }
}

fn access(config: &Config) -> Option<Access> {
    let auth = config.monitor.auth.as_ref()?;
    auth.user
        .as_ref()
        .zip(auth.password.as_ref())
        .map(|(user, password)| Access::new(user, password.expose()))
}

async fn listen(
    host: &str,
    port: u16,
    endpoints: Arc<Monitor>,
    tls: Option<Arc<ServerTls>>,
    stop: &CancellationToken,
) -> Result<SocketAddr, BrokerError> {
    let failed =
        |error: std::io::Error| BrokerError::Monitoring(format!("listen on {}: {error}", joined(host, port)));
    let (listener, address) = bind(host, port).await.map_err(failed)?;
    let stop = stop.clone().cancelled_owned();
    tokio::spawn(serve(listener, endpoints, tls, stop));
    Ok(address)
}

fn encryption(config: &Config) -> Result<ServerTls, BrokerError> {
    let tls = config.client.tls.as_ref();
    let tls = tls.ok_or_else(|| BrokerError::Monitoring("https needs a tls block".to_owned()))?;
    let asks_for_certificates = config.monitor.auth.as_ref().is_some_and(|auth| auth.client_certificate);
    let settings = match asks_for_certificates {
        true => TlsSettings { verify: true, ..tls_settings(tls) },
        false => tls_settings(tls).without_client_certificates(),
    };
    ServerTls::load(&settings).map_err(|error| BrokerError::Monitoring(error.to_string()))
}
