//! `GET <url><account>`: account tokens from a web server.
//!
//! So little of HTTP is needed that it is spoken here: one request, one answer, and the connection ends. There is no TLS: a
//! token's signature says whether it is genuine, and who knows an account's name is told its token by any resolver.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::FetchError;

/// How long an answer may take.
const FETCH_TIMEOUT: Duration = Duration::from_millis(1900);

/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// A web server that knows accounts.
pub struct UrlSource {
    host: String,
    port: u16,
    /// Ends in a slash.
    path: String,
}

impl UrlSource {
    /// Reads a URL of the form `http://host[:port]/path`.
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let wrong = || format!("{url:?} is no URL of an account resolver");
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some(("https", _)) => return Err(format!("{url:?}: https is not served by this version")),
            _ => return Err(wrong()),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && !port.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong())?)
            }
            _ => (authority, 80),
        };
        let path = format!("/{}", path.trim_end_matches('/'));
        let path = if path == "/" { path } else { format!("{path}/") };
        Ok(Self { host: host.trim_matches(['[', ']']).to_owned(), port, path })
    }
}

/// Asks for one account.
pub(super) async fn fetch(source: &UrlSource, id: &str) -> Result<String, FetchError> {
    let failed = |reason: String| FetchError::Failed(format!("could not fetch {id}: {reason}"));
    match timeout(FETCH_TIMEOUT, ask(source, id)).await {
        Ok(answer) => body(&answer.map_err(|error| failed(error.to_string()))?).map_err(failed),
        Err(_) => Err(failed("no response".to_owned())),
    }
}

async fn ask(source: &UrlSource, id: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((source.host.as_str(), source.port)).await?;
    let request = format!(
        "GET {}{id} HTTP/1.0\r\nHost: {}:{}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        source.path, source.host, source.port
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// The body of a 200.
fn body(answer: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(answer).map_err(|_| "not text".to_owned())?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or("no HTTP")?;
    let status = head.lines().next().unwrap_or_default();
    match status.split(' ').nth(1) {
        Some("200") => Ok(body.trim().to_owned()),
        _ => Err(status.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_to_ask() {
        let source = UrlSource::new("http://localhost:9090/jwt/v1/accounts/").unwrap();
        assert_eq!((&*source.host, source.port, &*source.path), ("localhost", 9090, "/jwt/v1/accounts/"));
        let source = UrlSource::new("http://[::1]").unwrap();
        assert_eq!((&*source.host, source.port, &*source.path), ("::1", 80, "/"));
        for url in ["localhost", "ftp://x", "http://x:y/", "https://x/"] {
            assert!(UrlSource::new(url).is_err(), "{url}");
        }
    }

    #[test]
    fn only_a_200_has_a_token() {
        assert_eq!(body(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\neyJ\n"), Ok("eyJ".to_owned()));
        assert_eq!(body(b"HTTP/1.0 404 Not Found\r\n\r\nx"), Err("HTTP/1.0 404 Not Found".to_owned()));
        assert!(body(b"nonsense").is_err());
    }
}
