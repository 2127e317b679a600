//! Acknowledgements on `$JS.ACK.>` and answers to flow control on `$JS.FC.>`.
//!
//! One subscriber serves all consumers of an account. What is about nobody it reports as undelivered, so that a client
//! that waits for an answer learns at once that there is no such consumer.

use std::sync::Arc;

use headwater_protocol::jetstream::ack_token::AckToken;
use headwater_protocol::jetstream::flow_control::FlowControlToken;

use super::account::JsAccount;
use crate::router::{Dispatch, Message, Service};

/// The subscriber on `$JS.ACK.>`.
pub struct Acks(pub Arc<JsAccount>);

/// The subscriber on `$JS.FC.>`.
pub struct FlowControl(pub Arc<JsAccount>);

impl Service for Acks {
    fn deliver(&self, cx: &mut Dispatch, message: &Message<'_>) -> bool {
        let Some(token) = AckToken::parse(message.subject) else { return false };
        let (Some(stream), Some(consumer)) = (text(token.stream), text(token.consumer)) else { return false };
        let Some(host) = self.0.stream(stream) else { return false };
        host.ack(cx, consumer, token.delivery, message)
    }
}

impl Service for FlowControl {
    fn deliver(&self, cx: &mut Dispatch, message: &Message<'_>) -> bool {
        let Some(token) = FlowControlToken::parse(message.subject) else { return false };
        let (Some(stream), Some(consumer)) = (text(token.stream), text(token.consumer)) else { return false };
        let Some(host) = self.0.stream(stream) else { return false };
        host.flow_control(cx, consumer, message)
    }
}

fn text(token: &[u8]) -> Option<&str> {
    std::str::from_utf8(token).ok()
}
