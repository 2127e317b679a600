//! Promise: a page in a browser publishes to a stream and consumes it over an encrypted WebSocket, with `@nats-io/nats-core`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::broker::Broker;
use crate::broker::ports::free_port;
use crate::provision;
use crate::websocket::Certificate;

const MESSAGES: u64 = 500;
/// A browser takes some seconds to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_page_in_chromium_streams_over_an_encrypted_websocket() {
    let chromium = provision::chromium();
    let page = Page::serve();
    let certificate = Certificate::make();
    let port = free_port();
    let config = format!(
        "websocket {{ listen: \"127.0.0.1:{port}\", compression: true, allowed_origins: [\"http://{}\"], {} }}",
        page.addr,
        certificate.tls()
    );
    let _broker = Broker::under_test_with(&config);
    let url = format!("http://{}/page.html?url=wss://localhost:{port}&count={MESSAGES}", page.addr);
    let _browser = Browser::open(&chromium, &url, &certificate.key_hash());
    let said = page.said.recv_timeout(PATIENCE).expect("the page says what came of it");
    assert_eq!(said, format!("consumed {MESSAGES} over wss"));
}

/// A browser without a window; killed when dropped.
struct Browser {
    child: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Trusts, besides what it always does, a certificate for the key with this hash.
    fn open(chromium: &Path, url: &str, key_hash: &str) -> Self {
        let profile = tempfile::tempdir().expect("a folder for the profile");
        let child = Command::new(chromium)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("--ignore-certificate-errors-spki-list={key_hash}"))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium starts");
        Self { child, _profile: profile }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves the page and the packages it uses, and takes what the page says in the end.
struct Page {
    addr: SocketAddr,
    said: Receiver<String>,
}

impl Page {
    fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("its address");
        let (say, said) = channel();
        let packages = provision::installed("node/node_modules");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (packages, say) = (packages.clone(), say.clone());
                std::thread::spawn(move || answer(&stream, &packages, &say));
            }
        });
        Self { addr, said }
    }
}

fn answer(mut stream: &TcpStream, packages: &Path, say: &Sender<String>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut request, mut length) = (String::new(), 0);
    reader.read_line(&mut request).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1)?.split('?').next()?;
    if path == "/result" {
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        say.send(String::from_utf8_lossy(&body).into_owned()).ok()?;
    }
    let content = if path == "/result" { Ok(Vec::new()) } else { fs::read(located(path, packages)?) };
    let status = if content.is_ok() { "200 OK" } else { "404 Not Found" };
    let kind = if path.ends_with(".html") { "text/html" } else { "text/plain" };
    let content = content.unwrap_or_default();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    )
    .and_then(|()| stream.write_all(&content))
    .ok()
}

/// The page lies in the source tree, packages where they were installed.
fn located(path: &str, packages: &Path) -> Option<PathBuf> {
    let path = path.trim_start_matches('/');
    if path.split('/').any(|part| part == "..") {
        return None;
    }
    Some(if path == "page.html" { provision::source("browser/page.html") } else { packages.join(path) })
}
