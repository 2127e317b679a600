//! The HTTP request that a WebSocket begins with.

use std::io;
use std::str;

use httparse::{EMPTY_HEADER, Status};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest request; a JWT in a cookie has room in it.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Most header lines.
const HEADERS_MAX: usize = 64;

/// A request's head, and what came behind it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    /// With the query.
    pub(super) path: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(super) rest: Vec<u8>,
}

impl Request {
    /// Reads the head of a request.
    pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut bytes = Vec::with_capacity(1024);
        loop {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match Self::parse(&bytes)? {
                Some(request) => return Ok(request),
                None if bytes.len() >= HEAD_BYTES_MAX => return Err(bad("request head too long")),
                None => {}
            }
        }
    }

    /// `None` while the head has not come to its end.
    pub(super) fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let head_bytes = match request.parse(bytes).map_err(|error| bad(&error.to_string()))? {
            Status::Complete(head_bytes) => head_bytes,
            Status::Partial => return Ok(None),
        };
        let text = |header: &httparse::Header<'_>| {
            let value = str::from_utf8(header.value).ok()?;
            Some((header.name.to_ascii_lowercase(), value.to_owned()))
        };
        Ok(Some(Self {
            method: request.method.unwrap_or_default().to_owned(),
            path: request.path.unwrap_or_default().to_owned(),
            headers: request.headers.iter().filter_map(text).collect(),
            rest: bytes.get(head_bytes..).unwrap_or_default().to_vec(),
        }))
    }

    /// The first value of a header, `name` in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers_named(name).next()
    }

    fn headers_named(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The elements of a header that is a list.
    pub(super) fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers_named(name).flat_map(|value| value.split(',')).map(str::trim)
    }

    /// Whether a list has this element, in any case.
    pub(super) fn lists(&self, name: &str, element: &str) -> bool {
        self.list(name).any(|found| found.eq_ignore_ascii_case(element))
    }

    /// The cookies.
    pub(super) fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.headers_named("cookie").flat_map(|value| value.split(';'));
        pairs.filter_map(|pair| pair.trim().split_once('=')).map(|(name, value)| (name, unquoted(value)))
    }
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

fn bad(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_however_it_comes() {
        let text = b"GET /a?b HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\n\
            Cookie: a=1; b=\"2=3\"\r\nX-Bad: \xff\r\n\r\nrest";
        for at in 0..text.len() - 4 {
            assert_eq!(Request::parse(&text[..at]).unwrap(), None);
        }
        let request = Request::parse(text).unwrap().unwrap();
        assert_eq!((&*request.method, &*request.path, &*request.rest), ("GET", "/a?b", &b"rest"[..]));
        assert!(request.lists("connection", "upgrade") && request.header("x-bad").is_none());
        assert_eq!(request.cookies().collect::<Vec<_>>(), [("a", "1"), ("b", "2=3")]);
    }

    #[tokio::test]
    async fn a_request_without_end_is_not_kept() {
        let endless = [b"GET / HTTP/1.1\r\n".to_vec(), b"A: b\r\n".repeat(20_000)].concat();
        let error = Request::read(&mut endless.as_slice()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let cut = Request::read(&mut &b"GET / HTTP/1.1\r\n"[..]).await.unwrap_err();
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
    }
}
