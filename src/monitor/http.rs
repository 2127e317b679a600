//! The monitoring endpoints over HTTP.

mod access;
mod answer;
mod connection;
mod jsonp;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use access::Access;
pub use answer::Answer;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::query::{BadRequest, Query};
use super::source::Source;
use super::{
    accountz, accstatz, connz, expvarz, gatewayz, healthz, jsz, leafz, metrics, root, routez, subsz, varz,
};
use crate::net::tls::ServerTls;

/// How much of the server monitoring may occupy.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time; more wait in the listener's backlog.
    pub connections_max: usize,
    /// Requests on one connection, which is then closed.
    pub requests_per_connection_max: u32,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
    /// From the start of a connection or request until its answer has been taken and the next request has come.
    pub request_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 64,
            requests_per_connection_max: 1000,
            head_bytes_max: 16 * 1024,
            request_time_max: Duration::from_secs(30),
        }
    }
}

/// The endpoints of one server, shared by its HTTP and HTTPS listeners.
pub struct Monitor {
    source: Arc<dyn Source>,
    base_path: String,
    limits: Limits,
    access: Option<Access>,
    requests: [AtomicU64; Endpoint::PATHS.len()],
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Root,
    Varz,
    Connz,
    Routez,
    Gatewayz,
    Leafz,
    Subsz,
    Accountz,
    Accstatz,
    Jsz,
    Healthz,
    Raftz,
    Ipqueuesz,
    Metrics,
    Expvarz,
}

impl Endpoint {
    /// Every path; `/subsz` has two.
    const PATHS: [(&'static str, Endpoint); 16] = [
        ("/", Endpoint::Root),
        ("/varz", Endpoint::Varz),
        ("/connz", Endpoint::Connz),
        ("/routez", Endpoint::Routez),
        ("/gatewayz", Endpoint::Gatewayz),
        ("/leafz", Endpoint::Leafz),
        ("/subsz", Endpoint::Subsz),
        ("/accountz", Endpoint::Accountz),
        ("/accstatz", Endpoint::Accstatz),
        ("/jsz", Endpoint::Jsz),
        ("/healthz", Endpoint::Healthz),
        ("/raftz", Endpoint::Raftz),
        ("/ipqueuesz", Endpoint::Ipqueuesz),
        ("/subscriptionsz", Endpoint::Subsz),
        ("/metrics", Endpoint::Metrics),
        ("/debug/vars", Endpoint::Expvarz),
    ];

    fn at(path: &str) -> Option<Self> {
        Self::PATHS.iter().find(|(known, _)| *known == path).map(|(_, endpoint)| *endpoint)
    }
}

impl Monitor {
    /// Endpoints below `base_path` (`http_base_path`, may be empty).
    pub fn new(source: Arc<dyn Source>, base_path: &str, limits: Limits) -> Self {
        let trimmed = base_path.trim_matches('/');
        let base_path = if trimmed.is_empty() { String::new() } else { format!("/{trimmed}") };
        Self { source, base_path, limits, access: None, requests: Default::default() }
    }

    /// Answers only those who show these credentials.
    pub fn guarded(self, access: Option<Access>) -> Self {
        Self { access, ..self }
    }

    /// Whether a request with this `Authorization` header is answered. Takes long if the password is a hash.
    fn allows(&self, authorization: &str) -> bool {
        self.access.as_ref().is_none_or(|access| access.allows(authorization))
    }

    /// Answers a request for `path`, with what stands behind the `?` in `query`.
    pub fn answer(&self, path: &str, query: &str) -> Answer {
        let Some(endpoint) = self.endpoint(path) else { return Answer::not_found() };
        self.count(endpoint);
        let query = Query::parse(query);
        let answer = self.ask(endpoint, &query).unwrap_or_else(|BadRequest(text)| Answer::text(400, text));
        jsonp::wrapped(answer, query.text("callback"))
    }

    /// Requests so far, by path; paths never asked for are left out.
    pub fn request_counts(&self) -> BTreeMap<&'static str, u64> {
        let counted = |((path, _), count): (&(&'static str, Endpoint), &AtomicU64)| {
            (*path, count.load(Ordering::Relaxed))
        };
        let counts = Endpoint::PATHS.iter().zip(&self.requests).map(counted);
        counts.filter(|(_, count)| *count > 0).collect()
    }

    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        match path.strip_prefix(self.base_path.as_str())? {
            "" if !self.base_path.is_empty() => Some(Endpoint::Root),
            "/" if !self.base_path.is_empty() => None,
            rest => Endpoint::at(rest),
        }
    }

    fn count(&self, endpoint: Endpoint) {
        let at = Endpoint::PATHS.iter().position(|(_, known)| *known == endpoint);
        if let Some(count) = at.and_then(|at| self.requests.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn ask(&self, endpoint: Endpoint, query: &Query<'_>) -> Result<Answer, BadRequest> {
        let source = &*self.source;
        Ok(match endpoint {
            Endpoint::Root => Answer::html(root::page(&self.base_path)),
            Endpoint::Varz => Answer::json(&varz::varz(source, self.request_counts())),
            Endpoint::Connz => Answer::json(&connz::connz(source, &connz::ConnzOptions::from_query(query)?)?),
            Endpoint::Routez => Answer::json(&routez::routez(source)),
            Endpoint::Gatewayz => Answer::json(&gatewayz::gatewayz(source)),
            Endpoint::Leafz => Answer::json(&leafz::leafz(source, &leafz::LeafzOptions::from_query(query)?)),
            Endpoint::Subsz => Answer::json(&subsz::subsz(source, &subsz::SubszOptions::from_query(query)?)?),
            Endpoint::Accountz => {
                Answer::json(&accountz::accountz(source, &accountz::AccountzOptions::from_query(query))?)
            }
            Endpoint::Accstatz => {
                Answer::json(&accstatz::accstatz(source, &accstatz::AccstatzOptions::from_query(query)?))
            }
            Endpoint::Jsz => Answer::json(&jsz::jsz_with_store(source, &jsz::JszOptions::from_query(query)?)),
            Endpoint::Healthz => health(source, &healthz::HealthzOptions::from_query(query)?),
            Endpoint::Raftz => Answer::text(404, "No Raft nodes registered".to_owned()),
            Endpoint::Ipqueuesz => Answer::json(&varz::Absent {}),
            Endpoint::Expvarz => Answer::json(&expvarz::expvarz(source)),
            Endpoint::Metrics => Answer::metrics(metrics::metrics(source, self.request_counts())),
        })
    }
}

/// The HTTP status says what `status_code` says in `$SYS` answers.
fn health(source: &dyn Source, options: &healthz::HealthzOptions) -> Answer {
    let health = healthz::healthz(source, options);
    let status = health.status_code;
    if status != 200 {
        let first = health.errors.first().map_or(&health.error, |error| &error.error);
        log::warn!("Healthcheck failed: {first:?}");
    }
    Answer::compact_json(status, &healthz::Healthz { status_code: 0, ..health })
}

/// Serves a listener until `stop` completes, encrypted if there is `tls`. Connections that are open then are cut off.
pub async fn serve(
    listener: TcpListener,
    monitor: Arc<Monitor>,
    tls: Option<Arc<ServerTls>>,
    stop: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(monitor.limits.connections_max));
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = accept(&listener, &slots) => accepted,
            () = &mut stop => return,
        };
        let Some((stream, slot)) = accepted else { continue };
        let (monitor, tls) = (Arc::clone(&monitor), tls.clone());
        connections.spawn(async move {
            connection::run(stream, monitor, tls).await;
            drop(slot);
        });
    }
}

/// The next connection, once there is room for one.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, slot)),
        Err(error) => {
            log::error!("Error accepting a monitoring connection: {error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}
