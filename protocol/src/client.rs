//! The client protocol: what a client says, what the broker answers, and both ends of each.
//!
//! | file | what it holds |
//! |---|---|
//! | `op` | the operations as data, borrowed from the bytes they came in |
//! | `parse` | [`Parser`]: client bytes to [`ClientOp`], for the broker |
//! | `parse_server` | [`ServerParser`]: broker bytes to [`ServerOp`], for clients and tests |
//! | `line`, `message` | what both parsers share: control lines, and messages with a body |
//! | `encode` | what the broker writes |
//! | `encode_client` | what a client writes |
//! | `connect`, `info` | the JSON of `CONNECT` and `INFO` |

mod connect;
mod encode;
mod encode_client;
mod error;
mod info;
mod line;
mod message;
mod op;
mod parse;
mod parse_server;

pub use connect::{ConnectError, ConnectOptions};
pub use encode::{
    Size, encode_err, encode_hmsg, encode_hmsg_sized, encode_hmsg_stripped, encode_info, encode_msg,
    encode_ok, encode_ping, encode_pong, no_responders,
};
pub use encode_client::{encode_connect, encode_hpub, encode_pub, encode_sub, encode_unsub};
pub use error::ParseError;
pub use info::Info;
pub use line::IGNORED_BYTES_MAX;
pub use op::{ClientOp, Framed, ServerOp};
pub use parse::{Parser, Step};
pub use parse_server::{ServerParser, ServerStep};

/// `max_control_line` when the configuration says nothing.
pub const CONTROL_LINE_BYTES_MAX: usize = 4096;

/// `max_payload` when the configuration says nothing.
pub const PAYLOAD_BYTES_MAX: usize = 1024 * 1024;

#[cfg(test)]
mod tests;
