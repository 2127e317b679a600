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
