//! One HTTP connection.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Answer, Monitor};
use crate::net::tls::ServerTls;
use crate::net::transport::ByteStream;

/// A request's head must be complete within this time.
const HEAD_TIME_MAX: Duration = Duration::from_secs(5);

/// Answers the requests of a connection until either side ends it or a limit is reached.
pub(super) async fn run(stream: TcpStream, monitor: Arc<Monitor>, tls: Option<Arc<ServerTls>>) {
    let Some(tls) = tls else { return answer_all(Box::new(stream), monitor).await };
    match tls.current().accept(stream).await {
        Ok(accepted) => answer_all(Box::new(accepted.stream), monitor).await,
        Err(error) => log::debug!("monitoring: {error}"),
    }
}

async fn answer_all(stream: Box<dyn ByteStream>, monitor: Arc<Monitor>) {
    let limits = monitor.limits;
    let requests = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&requests);
    let service = service_fn(move |request| {
        let last = counted.fetch_add(1, Ordering::Relaxed) + 1 >= limits.requests_per_connection_max;
        answer_one(Arc::clone(&monitor), request, last)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(limits.head_bytes_max)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    loop {
        let before = requests.load(Ordering::Relaxed);
        let ended = timeout(limits.request_time_max, &mut connection).await.is_ok();
        // A whole period without a new request: the peer is idle, or does not take its answer.
        if ended || requests.load(Ordering::Relaxed) == before {
            return;
        }
    }
}

async fn answer_one(
    monitor: Arc<Monitor>,
    request: Request<Incoming>,
    last: bool,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let uri = request.uri().clone();
    let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let authorization = authorization.unwrap_or_default().to_owned();
    // Snapshots take locks and may be large, so they stay off the threads that serve clients.
    let answered = tokio::task::spawn_blocking(move || match monitor.allows(&authorization) {
        true => monitor.answer(uri.path(), uri.query().unwrap_or_default()),
        false => Answer::unauthorized(),
    })
    .await;
    let mut response = answered.unwrap_or_else(|_| Answer::internal_error()).into_response();
    if last {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
