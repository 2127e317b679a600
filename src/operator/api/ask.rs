//! Asking other servers for an account that is not here.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::ids;
use crate::operator::{FetchError, Operator};
use crate::router::{Dispatch, Message, Service};

/// Subscriptions to look-ups that are this server's.
const OUR_OWN: usize = 1;

/// Takes the first answer.
struct FirstAnswer(Mutex<Option<oneshot::Sender<Vec<u8>>>>);

impl Service for FirstAnswer {
    fn deliver(&self, _: &mut Dispatch, message: &Message<'_>) -> bool {
        // An empty answer is one server's "not here"; another one may know more.
        if !message.payload.is_empty() {
            if let Some(waiting) = self.0.lock().take() {
                // Nobody waits any more if the time is over.
                let _ = waiting.send(message.payload.to_vec());
            }
        }
        true
    }
}

/// The token of an account, from whoever answers on the system account first.
pub(in crate::operator) async fn ask_others(
    operator: &Operator,
    id: &str,
    patience: Duration,
) -> Result<String, FetchError> {
    let server = operator.server.upgrade().ok_or(FetchError::Missing)?;
    let account = server.accounts().system().clone();
    let (answered, answer) = oneshot::channel();
    let reply = format!("_INBOX.{}", ids::nuid());
    let service = Arc::new(FirstAnswer(Mutex::new(Some(answered))));
    let listening = account
        .subscribe_service(&reply, None, service)
        .map_err(|error| FetchError::Failed(error.to_string()))?;
    let subject = format!("$SYS.REQ.ACCOUNT.{id}.CLAIMS.LOOKUP");
    let request = Message { subject: subject.as_bytes(), reply: reply.as_bytes(), ..Message::default() };
    if account.listeners(subject.as_bytes()) <= OUR_OWN {
        return Err(FetchError::Missing);
    }
    account.publish(&mut Dispatch::internal(), &request);
    let waited = timeout(patience, answer).await;
    drop(listening);
    match waited {
        Ok(Ok(token)) => String::from_utf8(token).map_err(|_| FetchError::Missing),
        Ok(Err(_)) => Err(FetchError::Missing),
        Err(_) => Err(FetchError::Failed("fetching jwt timed out".to_owned())),
    }
}
