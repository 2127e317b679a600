//! What holds for any bytes. Run by the fuzz targets on what they make up, and by `tests/fuzz_corpus.rs` on the kept corpus and
//! on what becomes of it when it is damaged.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use headwater::config::Config;
use headwater::jwt::{
    AccountClaims, ActivationClaims, Claims, JwtError, OperatorClaims, ResponseClaims, UserClaims, sign,
};
use headwater::monitor::{Monitor, MonitorLimits};
use headwater::net::transport::ByteStream;
use headwater::net::websocket::{WebSocketOptions, WebSocketStream, answer};
use nkeys::{KeyPair, KeyPairType};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::monitor_support::FakeSource;

/// One byte of a compressed message cannot become more than this.
const INFLATED_BYTES_MAX: usize = 1040;

/// Reading any text as a configuration ends, and what is taken over is checked or refused with a reason.
pub fn config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // What a file says about files on this machine is not for a fuzzer.
    if text.contains("include") {
        return;
    }
    match Config::from_text(&text, "fuzz.conf") {
        Ok(config) => drop(config.validate()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A token that nobody signed is refused, and one that somebody did may say anything: it is read or refused.
pub fn jwt(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    decode_all(&text);
    for kind in [KeyPairType::Operator, KeyPairType::Account] {
        if let Some(token) = signed(data, kind) {
            decode_all(&token);
        }
    }
}

fn decode_all(token: &str) {
    let unreadable: Vec<JwtError> = [
        OperatorClaims::decode(token).map(drop),
        UserClaims::decode(token).map(drop),
        ActivationClaims::decode(token).map(drop),
        ResponseClaims::decode(token).map(drop),
        Claims::decode_generic(token).map(drop),
    ]
    .into_iter()
    .filter_map(Result::err)
    .collect();
    unreadable.iter().for_each(|error| assert!(!error.to_string().is_empty()));
    if let Ok(account) = AccountClaims::decode(token) {
        let _ = (account.problems(), account.limits.jetstream(), account.is_revoked("U", 0));
        if let Ok(user) = UserClaims::decode(token) {
            let _ = account.rights_of(&user);
        }
    }
}

/// A token that says this, issued and signed by the same key every time.
fn signed(claims: &[u8], kind: KeyPairType) -> Option<String> {
    let mut claims: serde_json::Value = serde_json::from_slice(claims).ok()?;
    let key = KeyPair::new_from_raw(kind, [7; 32]).ok()?;
    claims.as_object_mut()?.insert("iss".to_owned(), key.public_key().into());
    sign(claims.to_string().as_bytes(), &key)
}

/// Whatever is asked of monitoring, the answer is of a known kind, and JSON if it says so.
pub fn http(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (path, query) = text.split_once('?').unwrap_or((&text, ""));
    let monitor = Monitor::new(Arc::new(FakeSource::default()), "", MonitorLimits::default());
    let answer = monitor.answer(path, query);
    assert!([200, 400, 404, 500, 503].contains(&answer.status), "{} to {text:?}", answer.status);
    if answer.content_type == "application/json" {
        serde_json::from_slice::<serde_json::Value>(&answer.body).expect("JSON");
    }
}

/// Any upgrade request is answered with HTTP, or not at all.
pub fn websocket_request(data: &[u8]) {
    let options = WebSocketOptions { compression: true, ..WebSocketOptions::default() };
    if let Ok(Some(answer)) = answer(data, &options) {
        assert!(answer.starts_with(b"HTTP/1.1 ") && answer.windows(4).any(|end| end == b"\r\n\r\n"));
    }
}

/// Reading frames ends, compressed ones too, and what they become is bounded by what they are.
pub fn websocket_stream(data: &[u8]) {
    let (options, frames) = data.split_first().unwrap_or((&0, &[]));
    let stream = WebSocketStream::new(Box::new(Nowhere), frames.to_vec(), options & 1 == 1, options & 2 == 2);
    let (mut stream, mut room, mut total) = (pin!(stream), [0; 4096], 0);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        let mut buffer = ReadBuf::new(&mut room);
        match stream.as_mut().poll_read(&mut cx, &mut buffer) {
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => total += buffer.filled().len(),
            _ => break,
        }
        assert!(total <= data.len() * INFLATED_BYTES_MAX);
    }
}

/// The other end of a connection that has said everything and takes anything.
struct Nowhere;

impl ByteStream for Nowhere {}

impl AsyncRead for Nowhere {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Nowhere {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
