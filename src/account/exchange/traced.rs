//! Traced messages on their way through a service import.

use super::super::Account;
use crate::router::{Dispatch, ImportStep, Message};
use crate::trace::{disabled, redirected};

/// What a trace is told of a service import.
pub(super) struct Hop<'a> {
    /// The subject in the importing account.
    pub from: &'a [u8],
    /// The subject in the exporting account.
    pub to: &'a [u8],
    /// Whether the exporting account lets traces go on in it.
    pub goes_on: bool,
}

impl Account {
    /// As [`take_in`](Self::take_in), for a message that is traced. The service sees no subject of the account that traces: where
    /// traces go on, it sees one of its own, as it does with replies.
    #[cold]
    pub(super) fn take_in_traced(
        &self,
        cx: &mut Dispatch,
        hop: &Hop<'_>,
        message: &Message<'_>,
        step: &ImportStep<'_>,
    ) -> bool {
        if let Some(trace) = cx.trace_mut() {
            trace.imported(self.name(), hop.from, hop.to);
        }
        if hop.goes_on {
            let headers = redirected(message.headers, &self.new_reply(cx));
            return self.take_in(cx, hop.to, &Message { headers: &headers, ..*message }, step);
        }
        let headers = disabled(message.headers);
        let message = Message { headers: &headers, ..*message };
        !cx.is_trace_only() && cx.untraced(|cx| self.take_in(cx, hop.to, &message, step))
    }
}
