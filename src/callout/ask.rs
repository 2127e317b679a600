//! Asking, and waiting for the answer.

use std::sync::Arc;

use headwater_protocol::headers::HeaderBuilder;
use nkeys::{KeyPair, KeyPairType, XKey};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::response::{Expected, read};
use super::terms::Terms;
use super::{Asker, SUBJECT, request};
use crate::auth::{AuthError, Login};
use crate::ids;
use crate::router::{Dispatch, Message, Service};
use crate::server::Server;

/// Tells the service which key to encrypt its answer for.
const XKEY_HEADER: &[u8] = b"Nats-Server-Xkey";

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Takes the first answer.
struct Answer(Mutex<Option<oneshot::Sender<Vec<u8>>>>);

impl Service for Answer {
    fn deliver(&self, _: &mut Dispatch, message: &Message<'_>) -> bool {
        if message.payload.len() <= ANSWER_BYTES_MAX {
            if let Some(waiting) = self.0.lock().take() {
                // Nobody waits any more if the time is over.
                let _ = waiting.send(message.payload.to_vec());
            }
        }
        true
    }
}

/// Has the service decide.
pub(super) async fn ask(server: &Arc<Server>, terms: &Terms, asker: &Asker<'_>) -> Result<Login, AuthError> {
    let failed = |reason| AuthError::Refused(reason);
    let user = new_user().ok_or(failed("auth callout: no key for the user"))?;
    let seal = terms.xkey.as_deref().map(Seal::new).transpose().map_err(failed)?;
    let server_xkey = seal.as_ref().map(|seal| seal.own.public_key());
    let token = request::token(server, terms, asker, &user, server_xkey.as_deref());
    let token = token.ok_or(failed("auth callout: request cannot be signed"))?;
    let answer = exchange(server, terms, &token, seal.as_ref()).await?;
    let answer = match &seal {
        Some(seal) => seal.open(answer)?,
        None => answer,
    };
    let expected = Expected { user: &user, encrypted: answer.was_sealed };
    let read = read(server, terms, &expected, &answer.text).await;
    read.inspect_err(|error| log::warn!("{error}"))
}

async fn exchange(
    server: &Arc<Server>,
    terms: &Terms,
    token: &str,
    seal: Option<&Seal>,
) -> Result<Opened, AuthError> {
    let (answered, answer) = oneshot::channel();
    let reply = format!("$SYS._INBOX.{}", ids::nuid());
    let service = Arc::new(Answer(Mutex::new(Some(answered))));
    let listening = terms
        .account
        .subscribe_service(&reply, None, service)
        .map_err(|_| AuthError::Refused("auth callout: no reply subject"))?;
    let (headers, payload) = match seal {
        Some(seal) => seal.seal(token)?,
        None => (Vec::new(), token.as_bytes().to_vec()),
    };
    let request = Message {
        subject: SUBJECT.as_bytes(),
        reply: reply.as_bytes(),
        headers: &headers,
        payload: &payload,
    };
    let somebody = terms.account.publish(&mut Dispatch::internal(), &request);
    if !somebody {
        return Err(AuthError::Refused("auth callout: no service"));
    }
    let waited = timeout(server.options().auth_timeout, answer).await;
    drop(listening);
    match waited {
        Ok(Ok(text)) => Ok(Opened { text, was_sealed: false }),
        _ => Err(AuthError::Refused("auth callout: no answer in time")),
    }
}

/// The key of nobody else, so that an answer to another request does not do.
fn new_user() -> Option<String> {
    KeyPair::new_from_raw(KeyPairType::User, ids::random_bytes()).ok().map(|key| key.public_key())
}

/// An answer, out of its seal.
struct Opened {
    text: Vec<u8>,
    was_sealed: bool,
}

/// Encryption between this server and the service; the server's key lives as long as the request.
struct Seal {
    own: XKey,
    service: XKey,
}

impl Seal {
    fn new(service: &str) -> Result<Self, &'static str> {
        let service = XKey::from_public_key(service).map_err(|_| "auth callout: xkey cannot be used")?;
        Ok(Self { own: XKey::new_from_raw(ids::random_bytes()), service })
    }

    fn seal(&self, token: &str) -> Result<(Vec<u8>, Vec<u8>), AuthError> {
        let nonce = ids::random_bytes::<24>().into();
        let sealed = self.own.seal_with_nonce(token.as_bytes(), &self.service, nonce);
        let sealed = sealed.map_err(|_| AuthError::Refused("auth callout: request cannot be encrypted"))?;
        let headers = HeaderBuilder::new().add(XKEY_HEADER, self.own.public_key().as_bytes()).finish();
        Ok((headers, sealed))
    }

    /// The service may answer in the open, with a token as it is.
    fn open(&self, answer: Opened) -> Result<Opened, AuthError> {
        if answer.text.starts_with(b"eyJ") || answer.text.is_empty() {
            return Ok(answer);
        }
        let opened = self.own.open(&answer.text, &self.service);
        let text = opened.map_err(|_| AuthError::Refused("error decrypting auth callout response"))?;
        Ok(Opened { text, was_sealed: true })
    }
}
