//! What the answers to operators' requests have in common: who is meant, how an answer looks.

use std::borrow::Cow;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::envelope::ServerInfo;
use crate::monitor::{BadRequest, Source};
use crate::server::Server;

/// Answers in the server's name.
pub(super) struct Desk {
    pub(super) server: Arc<Server>,
    pub(super) source: Arc<dyn Source>,
}

/// What a request comes to.
pub(super) enum Outcome {
    /// An answer, whole.
    Answer(Vec<u8>),
    /// Another server is meant, or there is nothing to say.
    Silence,
    /// Nobody knows this request: as if nobody had heard it.
    Unknown,
}

/// Which servers are meant; what is left out matches all.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Filter {
    server_name: String,
    cluster: String,
    host: String,
    domain: String,
    tags: Vec<String>,
    exact_match: bool,
}

/// Of requests that have none besides the filter.
#[derive(Debug, Default, Deserialize)]
pub(super) struct NoOptions {}

/// What is wrong with a request.
#[derive(Debug, Serialize)]
struct Problem<'a> {
    code: u16,
    description: &'a str,
}

/// The request could not be read.
const BAD_REQUEST: u16 = 400;
/// The request could be read and not be done.
const FAILED: u16 = 500;

/// A value as it is sent.
pub(super) type Json = Vec<u8>;

impl Desk {
    /// Answers a request that is meant for this server, with what `answer` makes of its options.
    pub(super) fn with<O: DeserializeOwned + Default>(
        &self,
        body: &[u8],
        answer: impl FnOnce(O) -> Result<Json, BadRequest>,
    ) -> Outcome {
        self.answering(body, |options| self.answered(answer(options)))
    }

    /// Leaves the answer to `answer` if the request can be read and is meant for this server.
    pub(super) fn answering<O: DeserializeOwned + Default>(
        &self,
        body: &[u8],
        answer: impl FnOnce(O) -> Outcome,
    ) -> Outcome {
        match self.is_meant(body) {
            Ok(true) => read(body).map_or_else(|text| self.unreadable(&text), answer),
            Ok(false) => Outcome::Silence,
            Err(text) => self.unreadable(&text),
        }
    }

    /// Does something for a request that is meant for this server, and says how that went.
    pub(super) fn order(&self, body: &[u8], order: &mut dyn FnMut() -> Result<(), String>) -> Outcome {
        self.answering(body, |NoOptions {}| Outcome::Answer(self.done(order())))
    }

    fn answered(&self, answer: Result<Json, BadRequest>) -> Outcome {
        Outcome::Answer(match answer {
            Ok(data) => self.enveloped(&[("data", data)]),
            Err(BadRequest(text)) => {
                let problem = json(&Problem { code: FAILED, description: &text });
                self.enveloped(&[("data", b"null".to_vec()), ("error", problem)])
            }
        })
    }

    fn unreadable(&self, text: &str) -> Outcome {
        let problem = json(&Problem { code: BAD_REQUEST, description: text });
        Outcome::Answer(self.enveloped(&[("error", problem)]))
    }

    /// The answer to an order that has been carried out, or not.
    pub(super) fn done(&self, outcome: Result<(), String>) -> Vec<u8> {
        match outcome {
            Ok(()) => self.enveloped(&[]),
            Err(text) => self.enveloped(&[("error", json(&Problem { code: FAILED, description: &text }))]),
        }
    }

    /// `{"server":{…},"<key>":…}`
    pub(super) fn enveloped(&self, parts: &[(&'static str, Json)]) -> Vec<u8> {
        let mut answer = b"{\"server\":".to_vec();
        answer.append(&mut json(&ServerInfo::now(&self.server)));
        for (key, part) in parts {
            answer.extend_from_slice(format!(",\"{key}\":").as_bytes());
            answer.extend_from_slice(part);
        }
        answer.push(b'}');
        answer
    }

    fn is_meant(&self, body: &[u8]) -> Result<bool, String> {
        let filter: Filter = read(body)?;
        let options = self.server.options();
        let fits = |wanted: &str, actual: &str| {
            wanted.is_empty() || if filter.exact_match { wanted == actual } else { actual.contains(wanted) }
        };
        Ok(fits(&filter.server_name, self.server.name())
            && fits(&filter.host, &options.host)
            && (filter.domain.is_empty() || filter.domain == options.jetstream_domain)
            && filter.cluster.is_empty()
            && filter.tags.iter().all(|tag| options.tags.contains(tag)))
    }
}

/// Data as JSON. It has no keys that JSON does not allow, so that cannot fail.
pub(super) fn json(data: &impl Serialize) -> Json {
    serde_json::to_vec(data).unwrap_or_default()
}

/// Nothing at all asks for the defaults; so does a field that is `null`, as Go's programs send empty lists.
pub(super) fn read<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, String> {
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    let body = without_nulls(body);
    serde_json::from_slice(&body).map_err(|error| error.to_string())
}

fn without_nulls(body: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memmem::find(body, b"null").is_none() {
        return Cow::Borrowed(body);
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(mut fields)) => {
            fields.retain(|_, value| !value.is_null());
            Cow::Owned(json(&Value::Object(fields)))
        }
        _ => Cow::Borrowed(body),
    }
}
