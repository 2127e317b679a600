//! The JetStream API of one account: requests on `$JS.API.>`, one file per subject.
//!
//! Requests run on the task that brings them. An answer about a stream leaves through that stream's pump, once everything
//! the stream wrote up to then is settled on disk: what an answer tells is never taken back by a power cut.

mod account_info;
mod account_purge;
mod consumer;
mod message;
mod stream;

use std::sync::{Arc, Weak};

use headwater_protocol::headers;
use headwater_protocol::jetstream::advisory::Action;
use headwater_protocol::jetstream::api_subject::{API_PREFIX, ApiSubject};
use headwater_protocol::jetstream::error::{ApiError, ErrorCode};
use headwater_protocol::jetstream::from_json::{JsonObject, decode_request};
use headwater_protocol::jetstream::request::{is_empty_request, optional_body};
use headwater_protocol::jetstream::response::{Response, encode_refusal};
use headwater_protocol::jetstream::response_type::ResponseType;

use tokio::runtime::{Handle, RuntimeFlavor};

use super::account::JsAccount;
use super::env::Phase;
use super::host::StreamHost;
use super::host::replies::{Reply, ReplyMessage, Signal};
use super::{JetStream, advisories, api_level};
use crate::account::Account;
use crate::router::{ClientInfo, Dispatch, InTrace, Message, Service};
pub use stream::{answered as answered_stream, listed as listed_stream, state as stream_state};

/// A walk over so many subjects takes about a millisecond.
const SUBJECTS_WALKED_AT_ONCE_MAX: u64 = 16_384;

const ACCOUNT_INFO: &[u8] = b"$JS.API.INFO";

/// The subscriber on `$JS.API.>` of an account that has JetStream.
pub struct Api {
    /// The account.
    pub account: Arc<JsAccount>,
    /// What the subjects begin with: [`API_PREFIX`], or that of the domain.
    pub prefix: Box<[u8]>,
}

/// The subscriber on `$JS.API.>` of an account that has none.
pub struct NoApi {
    /// The account.
    pub account: Arc<Account>,
    /// JetStream of all accounts, if this is the system account.
    pub operators: Option<Weak<JetStream>>,
}

/// One request.
struct Call<'a> {
    account: &'a Arc<JsAccount>,
    headers: &'a [u8],
    body: &'a [u8],
    /// Who asks.
    origin: Option<&'a Arc<ClientInfo>>,
}

/// What is answered, and the stream whose writes the answer must not overtake.
struct Answer {
    body: Vec<u8>,
    /// A header block, or empty.
    headers: Vec<u8>,
    host: Option<Arc<StreamHost>>,
    event: Option<Event>,
    /// Who waits for the answer to have left.
    then: Option<Signal>,
}

/// What a request did, for those who listen to advisories.
enum Event {
    Stream(Action),
    ConsumerCreated(Box<str>),
    ConsumerDeleted(Box<str>),
}

impl Service for Api {
    fn deliver(&self, cx: &mut Dispatch, request: &Message<'_>) -> bool {
        let call = request.subject.strip_prefix(&*self.prefix).unwrap_or_default();
        if is_of_a_bucket(call) && &*self.prefix != API_PREFIX {
            return self.account.account.publish(cx, &Message { subject: call, ..*request });
        }
        let subject = ApiSubject::parse(call);
        match subject {
            ApiSubject::MsgNext(at) => consumer::next::deliver(&self.account, cx, at, request),
            ApiSubject::DirectGet { stream, subject } => {
                message::direct_get::deliver(&self.account, cx, stream, subject, request)
            }
            _ => {
                self.answer(cx, subject, request);
                true
            }
        }
    }

    /// As nats-server has it: the API is a service of the system account that traces do not go on in, but for the two subjects
    /// that each account serves itself.
    fn in_trace(&self, request: &Message<'_>) -> InTrace {
        let call = request.subject.strip_prefix(&*self.prefix).unwrap_or_default();
        let account = &self.account.account;
        let serves_itself = match ApiSubject::parse(call) {
            ApiSubject::MsgNext(_) | ApiSubject::DirectGet { .. } => true,
            _ => account.name() == account.system_account(),
        };
        match serves_itself {
            true => InTrace::Unseen,
            false => {
                let to = [API_PREFIX, call].concat();
                InTrace::Import { account: account.system_account().clone(), to }
            }
        }
    }
}

impl Api {
    /// Subjects that are nobody's are met with silence, as nats-server does.
    fn answer(&self, cx: &mut Dispatch, subject: ApiSubject<'_>, request: &Message<'_>) {
        let Some(response_type) = ResponseType::of(&subject) else { return };
        let failures = self.account.env.failures();
        let origin = cx.origin().cloned();
        let call = Call {
            account: &self.account,
            headers: request.headers,
            body: request.payload,
            origin: origin.as_ref(),
        };
        let checked = call.check_phase().and_then(|()| call.check_api_level());
        let answer = checked.and_then(|()| match call.may_take_long(&subject) {
            true => at_length(|| call.run(subject)),
            false => call.run(subject),
        });
        if let (ApiSubject::ConsumerReset(_), Err(error)) = (&subject, &answer) {
            // nats-server does not subscribe for consumers that are not there.
            if error.is(ErrorCode::StreamNotFound) || error.is(ErrorCode::ConsumerNotFound) {
                return;
            }
        }
        // nats-server sends messages that were found past the part of its API that counts and audits.
        let counts = !matches!((&subject, &answer), (ApiSubject::MsgGet(_), Ok(_)));
        if counts {
            self.account.count_request(answer.is_err());
        }
        let refuse = |error| Answer::of(None, encode_refusal(response_type, &error));
        let answer = answer.unwrap_or_else(refuse);
        if counts {
            advisories::api_audit(&self.account.account, &self.account.env, cx, request, &answer.body);
        }
        self.send(cx, request.reply, answer, failures);
    }

    /// `failures`: how often the store had failed when the request came.
    fn send(&self, cx: &mut Dispatch, to: &[u8], mut answer: Answer, failures: u32) {
        let Some(host) = answer.host.take() else {
            send(&self.account.account, cx, to, &answer.body);
            return;
        };
        if let Some(event) = answer.event.take() {
            announce(&host, cx, event);
        }
        host.apply(cx, |state| {
            let holds = !state.is_on_disk() || self.account.env.failures() == failures;
            if !to.is_empty() {
                let reply = answer.reply();
                state.promise(to, if holds { reply } else { reply.refused() });
            }
            if let Some(signal) = answer.then.take() {
                state.promise(b"", Reply::Signal(signal));
            }
        });
    }
}

impl Service for NoApi {
    fn deliver(&self, cx: &mut Dispatch, request: &Message<'_>) -> bool {
        // Whoever imports the account's information imports what else there is to be had.
        if self.account.imports_service(request.subject) || self.account.imports_service(ACCOUNT_INFO) {
            return false;
        }
        let subject = ApiSubject::parse(request.subject.strip_prefix(API_PREFIX).unwrap_or_default());
        if self.operators.is_none()
            && matches!(subject, ApiSubject::MsgNext(_) | ApiSubject::DirectGet { .. })
        {
            return false;
        }
        if let (ApiSubject::AccountPurge(name), Some(operators)) = (subject, &self.operators) {
            account_purge::deliver(&self.account, operators, cx, name, request);
        } else if let Some(response_type) = ResponseType::of(&subject) {
            let of_system = self.operators.is_some() && subject != ApiSubject::AccountInfo;
            let response_type = if of_system { ResponseType::System } else { response_type };
            let refusal = encode_refusal(response_type, &ErrorCode::NotEnabledForAccount.error());
            send(&self.account, cx, request.reply, &refusal);
        }
        true
    }
}

fn send(account: &Account, cx: &mut Dispatch, to: &[u8], body: &[u8]) {
    if !to.is_empty() {
        account.publish(cx, &Message { subject: to, payload: body, ..Message::default() });
    }
}

fn announce(host: &StreamHost, cx: &mut Dispatch, event: Event) {
    match event {
        Event::Stream(action) => advisories::stream(host, cx, action),
        Event::ConsumerCreated(name) => advisories::consumer_created(host, cx, &name),
        Event::ConsumerDeleted(name) => advisories::consumer_deleted(host, cx, &name),
    }
}

/// Runs what may take long. Where several threads serve the connections, another takes over from this one meanwhile: the others
/// may all be asleep, and nobody would see what comes in.
fn at_length<T>(run: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(run),
        _ => run(),
    }
}

impl Call<'_> {
    /// Whether a request may lead to a walk over many subjects.
    fn may_take_long(&self, subject: &ApiSubject<'_>) -> bool {
        let looks_at_one_message = matches!(subject, ApiSubject::MsgGet(_) | ApiSubject::MsgDelete(_));
        let stream = subject.stream().filter(|_| !looks_at_one_message);
        let host = stream.and_then(|stream| self.account.stream(stream));
        host.is_some_and(|host| host.lock().log.state().subjects > SUBJECTS_WALKED_AT_ONCE_MAX)
    }

    fn run(&self, subject: ApiSubject<'_>) -> Result<Answer, ApiError> {
        match subject {
            ApiSubject::AccountInfo => account_info::answer(self),
            ApiSubject::StreamCreate(name) => stream::create::answer(self, name),
            ApiSubject::StreamUpdate(name) => stream::update::answer(self, name),
            ApiSubject::StreamInfo(name) => stream::info::answer(self, name),
            ApiSubject::StreamNames => stream::names::answer(self),
            ApiSubject::StreamList => stream::list::answer(self),
            ApiSubject::StreamDelete(name) => stream::delete::answer(self, name),
            ApiSubject::StreamPurge(name) => stream::purge::answer(self, name),
            ApiSubject::MsgGet(name) => message::get::answer(self, name),
            ApiSubject::MsgDelete(name) => message::delete::answer(self, name),
            ApiSubject::ConsumerCreate { stream, name, filter } => {
                consumer::create::answer(self, stream, name, filter)
            }
            ApiSubject::ConsumerDurableCreate(at) => consumer::create::answer_durable(self, at),
            ApiSubject::ConsumerInfo(at) => consumer::info::answer(self, at),
            ApiSubject::ConsumerNames(stream) => consumer::names::answer(self, stream),
            ApiSubject::ConsumerList(stream) => consumer::list::answer(self, stream),
            ApiSubject::ConsumerDelete(at) => consumer::delete::answer(self, at),
            ApiSubject::ConsumerPause(at) => consumer::pause::answer(self, at),
            ApiSubject::ConsumerUnpin(at) => consumer::unpin::answer(self, at),
            ApiSubject::ConsumerReset(at) => consumer::reset::answer(self, at),
            ApiSubject::StreamSnapshot(name) => stream::snapshot::answer(self, name),
            ApiSubject::StreamRestore(name) => stream::restore::answer(self, name),
            ApiSubject::StreamPeerRemove(_)
            | ApiSubject::StreamPeerEvacuate(_)
            | ApiSubject::StreamCancelMove(_)
            | ApiSubject::StreamStepDown(_)
            | ApiSubject::ConsumerStepDown(_) => Err(ErrorCode::ClusterRequired.error()),
            ApiSubject::AccountPurge(_)
            | ApiSubject::MsgNext(_)
            | ApiSubject::DirectGet { .. }
            | ApiSubject::Unknown => Err(ErrorCode::BadRequest.error()),
        }
    }

    /// Before the store is read, nothing can be said of any stream.
    fn check_phase(&self) -> Result<(), ApiError> {
        match self.account.env.phase() {
            Phase::Recovering => Err(ErrorCode::ClusterNotAvail.error()),
            Phase::Ready | Phase::Failed => Ok(()),
        }
    }

    /// `Nats-Required-Api-Level` (ADR-44).
    fn check_api_level(&self) -> Result<(), ApiError> {
        if level_is_served(self.headers) { Ok(()) } else { Err(ErrorCode::RequiredApiLevel.error()) }
    }

    /// The body, where one has to be there; an empty one reads as all defaults.
    fn read<T: JsonObject + Default>(&self) -> Result<T, ApiError> {
        Ok(decode_request(self.body, self.account.env.settings.strict)?)
    }

    /// The body, where it may be left out; what is not JSON counts as left out.
    fn read_optional<T: JsonObject + Default>(&self) -> Result<T, ApiError> {
        Ok(decode_request(optional_body(self.body), self.account.env.settings.strict)?)
    }

    fn expect_no_body(&self) -> Result<(), ApiError> {
        if is_empty_request(self.body) { Ok(()) } else { Err(ErrorCode::NotEmptyRequest.error()) }
    }
}

impl Answer {
    /// An answer that tells nothing of what is on disk.
    fn at_once(response: Response<'_>) -> Self {
        Self::of(None, response.encode())
    }

    /// An answer that waits for what `host` has written.
    fn after(host: Arc<StreamHost>, response: Response<'_>) -> Self {
        Self::of(Some(host), response.encode())
    }

    fn of(host: Option<Arc<StreamHost>>, body: Vec<u8>) -> Self {
        Self { body, headers: Vec::new(), host, event: None, then: None }
    }

    fn announcing(self, event: Event) -> Self {
        Self { event: Some(event), ..self }
    }

    /// Has somebody told when the answer has left.
    fn then(self, signal: Signal) -> Self {
        Self { then: Some(signal), ..self }
    }

    /// Tells of the stream's identity in a header.
    fn with_identity(mut self, identity: &str) -> Self {
        headers::append(&mut self.headers, headers::names::STREAM_IDENTITY, identity.as_bytes());
        self
    }

    fn reply(&mut self) -> Reply {
        let body = std::mem::take(&mut self.body);
        if self.headers.is_empty() {
            return Reply::Body(body.into());
        }
        let headers = std::mem::take(&mut self.headers);
        Reply::Headed(Box::new(ReplyMessage { headers, payload: body.into() }))
    }
}

/// What clients of another domain put into a bucket of this one comes with the domain's prefix before its subject.
fn is_of_a_bucket(call: &[u8]) -> bool {
    call.starts_with(b"$KV.") || call.starts_with(b"$OBJ.")
}

/// Whether we serve the API level a request asks for, if it asks for one.
fn level_is_served(block: &[u8]) -> bool {
    headers::get(block, headers::names::REQUIRED_API_LEVEL).is_none_or(api_level::is_served)
}

/// Stream names with a path separator are told apart from names that do not exist.
fn check_stream_name(name: &str) -> Result<(), ApiError> {
    match name.contains(['/', '\\']) {
        true => Err(ErrorCode::StreamNameContainsPathSeparators.error()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::at_length;

    #[test]
    fn while_a_long_request_runs_others_are_served() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (tell, told) = mpsc::channel();
        let long = runtime.spawn(async move {
            tokio::spawn(async move { tell.send("served") });
            at_length(|| told.recv_timeout(Duration::from_secs(30)))
        });
        assert_eq!(runtime.block_on(long).unwrap(), Ok("served"));
    }
}
