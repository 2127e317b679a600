//! Monitoring on the wire: requests and responses byte by byte, and the limits that keep it small.

mod monitor_support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use headwater::monitor::{Monitor, MonitorLimits, serve};
use headwater::net::tls::{CertificatePair, ServerTls, TlsSettings};
use monitor_support::FakeSource;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Serves the endpoints until it is dropped.
struct Server {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    done: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(limits: MonitorLimits, tls: Option<Arc<ServerTls>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let monitor = Arc::new(Monitor::new(Arc::new(FakeSource::default()), "", limits));
        let (stop, stopped) = oneshot::channel::<()>();
        let done = tokio::spawn(serve(listener, monitor, tls, async {
            let _ = stopped.await;
        }));
        Self { addr, stop: Some(stop), done }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }
}

/// What comes until the server closes.
async fn rest_of(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await.unwrap();
    String::from_utf8(text).unwrap()
}

async fn exchange(server: &Server, request: &str) -> String {
    let mut stream = server.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    rest_of(&mut stream).await
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn json_comes_with_the_headers_of_nats_server() {
    let server = Server::start(MonitorLimits::default(), None).await;
    let response = exchange(&server, &get("/healthz")).await.to_lowercase();
    assert!(
        response.starts_with("http/1.1 200 ok\r\n") && response.ends_with("\r\n\r\n{\"status\":\"ok\"}"),
        "{response}"
    );
    for header in
        ["content-type: application/json\r\n", "access-control-allow-origin: *\r\n", "content-length: 15\r\n"]
    {
        assert!(response.contains(header), "{header} in {response}");
    }
}

#[tokio::test]
async fn errors_come_as_text_with_their_status() {
    let server = Server::start(MonitorLimits::default(), None).await;
    let response = exchange(&server, &get("/connz?state=foo")).await;
    assert!(
        response.starts_with("HTTP/1.1 400 ") && response.ends_with("\r\n\r\nError decoding state for foo"),
        "{response}"
    );
    let response = exchange(&server, &get("/nope")).await.to_lowercase();
    assert!(
        response.starts_with("http/1.1 404 ") && response.ends_with("\r\n\r\n404 page not found\n"),
        "{response}"
    );
    assert!(response.contains("content-type: text/plain; charset=utf-8\r\n"), "{response}");
    assert!(response.contains("x-content-type-options: nosniff\r\n"), "{response}");
    let response = exchange(&server, &get("/healthz?account=NOPE")).await;
    assert!(response.starts_with("HTTP/1.1 404 ") && response.contains("JetStream account"), "{response}");
}

#[tokio::test]
async fn any_method_is_answered_and_head_without_a_body() {
    let server = Server::start(MonitorLimits::default(), None).await;
    let request = "POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx";
    assert!(exchange(&server, request).await.ends_with("{\"status\":\"ok\"}"));
    let response = exchange(&server, &get("/healthz").replace("GET", "HEAD")).await;
    assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with("\r\n\r\n"), "{response}");
}

#[tokio::test]
async fn a_connection_serves_a_limited_number_of_requests() {
    let limits = MonitorLimits { requests_per_connection_max: 2, ..MonitorLimits::default() };
    let server = Server::start(limits, None).await;
    let request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let response = exchange(&server, &request.repeat(3)).await;
    assert_eq!(response.matches("HTTP/1.1 200 OK").count(), 2);
}

#[tokio::test]
async fn an_oversized_head_is_refused() {
    let server =
        Server::start(MonitorLimits { head_bytes_max: 8 * 1024, ..MonitorLimits::default() }, None).await;
    let mut stream = server.connect().await;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
    // The server may hang up before it has read all of it.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response).await;
    assert!(!String::from_utf8_lossy(&response).contains("200 OK"));
}

#[tokio::test]
async fn a_peer_that_asks_nothing_is_hung_up_on() {
    let server = Server::start(
        MonitorLimits { request_time_max: Duration::from_millis(20), ..MonitorLimits::default() },
        None,
    )
    .await;
    let mut stream = server.connect().await;
    assert_eq!(rest_of(&mut stream).await, "");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let server = Server::start(MonitorLimits { connections_max: 1, ..MonitorLimits::default() }, None).await;
    let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut first = server.connect().await;
    let mut response = [0; 512];
    first.write_all(request).await.unwrap();
    assert!(first.read(&mut response).await.unwrap() > 0);
    let mut second = server.connect().await;
    second.write_all(get("/healthz").as_bytes()).await.unwrap();
    // Enough turns for the second connection to be served, if it were.
    for _ in 0..50 {
        first.write_all(request).await.unwrap();
        assert!(first.read(&mut response).await.unwrap() > 0);
    }
    assert_eq!(second.try_read(&mut response).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    drop(first);
    assert!(rest_of(&mut second).await.ends_with("{\"status\":\"ok\"}"));
}

#[tokio::test]
async fn stopping_ends_the_service_and_its_connections() {
    let mut server = Server::start(MonitorLimits::default(), None).await;
    let mut open = server.connect().await;
    open.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut byte = [0];
    open.read_exact(&mut byte).await.unwrap();
    server.stop.take().unwrap().send(()).unwrap();
    server.done.await.unwrap();
    rest_of(&mut open).await;
}

#[tokio::test]
async fn https_uses_the_servers_certificate_and_asks_for_none() {
    let dir = tempfile::TempDir::new().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let pair =
        CertificatePair { cert_file: dir.path().join("crt.pem"), key_file: dir.path().join("key.pem") };
    std::fs::write(&pair.cert_file, certificate.pem()).unwrap();
    std::fs::write(&pair.key_file, key.serialize_pem()).unwrap();
    let ca_file = Some(pair.cert_file.clone());
    let settings = TlsSettings { certificates: vec![pair], verify: true, ca_file, ..TlsSettings::default() };
    let tls = ServerTls::load(&settings.without_client_certificates()).unwrap();
    let server = Server::start(MonitorLimits::default(), Some(Arc::new(tls))).await;

    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let mut stream =
        connector.connect("localhost".try_into().unwrap(), server.connect().await).await.unwrap();
    stream.write_all(get("/healthz").as_bytes()).await.unwrap();
    let mut response = Vec::new();
    let _ = stream.read_to_end(&mut response).await;
    assert!(String::from_utf8(response).unwrap().ends_with("{\"status\":\"ok\"}"));
}
