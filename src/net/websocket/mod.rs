//! NATS over WebSocket: the upgrade of an HTTP request, then a stream of bytes like any other.
//!
//! [`upgrade`] reads the request and decides; [`WebSocketStream`] turns frames into the bytes a
//! [`Session`](crate::session::Session) reads, and what it writes into frames. The frames themselves are
//! [`headwater_protocol::websocket`].

mod deflate;
mod goodbye;
mod origin;
mod request;
mod serve;
mod settings;
mod stream;
mod upgrade;

pub(super) use self::serve::serve;
pub use self::settings::{Cookies, OriginError, Origins, WebSocketOptions};
pub use self::stream::WebSocketStream;
pub use self::upgrade::LoginCookies;

/// What the bytes of a request are answered; `None` while its head is not complete.
pub fn answer(bytes: &[u8], options: &WebSocketOptions) -> std::io::Result<Option<Vec<u8>>> {
    let Some(request) = request::Request::parse(bytes)? else { return Ok(None) };
    let answer = upgrade::upgrade(&request, options, options.tls.is_some());
    Ok(Some(answer.map_or_else(|refusal| refusal.response(), |upgrade| upgrade.response)))
}
