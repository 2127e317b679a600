//! What the answers to operators' requests have in common: who is meant, how an answer looks.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

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
        self.answering(body, |options| match answer(options) {
            Ok(data) => Outcome::Answer(self.enveloped(&[("data", data)])),
            Err(BadRequest(text)) => {
                let problem = json(&Problem { code: FAILED, description: &text });
                Outcome::Answer(self.enveloped(&[("data", b"null".to_vec()), ("error", problem)]))
            }
        })
    }

    /// Does something for a request that is meant for this server, and says how that went.
    pub(super) fn order<O: DeserializeOwned + Default>(
        &self,
        body: &[u8],
        order: impl FnOnce(O) -> Result<(), String>,
    ) -> Outcome {
        self.answering(body, |options| Outcome::Answer(self.done(order(options))))
    }

    /// Leaves the answer to `answer` if the request can be read and is meant for this server.
    pub(super) fn answering<O: DeserializeOwned + Default>(
        &self,
        body: &[u8],
        answer: impl FnOnce(O) -> Outcome,
    ) -> Outcome {
        let read = read::<Filter>(body).and_then(|filter| Ok((filter, read::<O>(body)?)));
        match read {
            Ok((filter, _)) if !self.is_meant(&filter) => Outcome::Silence,
            Ok((_, options)) => answer(options),
            Err(text) => {
                let problem = json(&Problem { code: BAD_REQUEST, description: &text });
                Outcome::Answer(self.enveloped(&[("error", problem)]))
            }
        }
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

    fn is_meant(&self, filter: &Filter) -> bool {
        let options = self.server.options();
        let fits = |wanted: &str, actual: &str| {
            wanted.is_empty() || if filter.exact_match { wanted == actual } else { actual.contains(wanted) }
        };
        fits(&filter.server_name, self.server.name())
            && fits(&filter.host, &options.host)
            && (filter.domain.is_empty() || filter.domain == options.jetstream_domain)
            && filter.cluster.is_empty()
            && filter.tags.iter().all(|tag| options.tags.contains(tag))
    }
}

/// Data as JSON. It has no keys that JSON does not allow, so that cannot fail.
pub(super) fn json(data: &impl Serialize) -> Json {
    serde_json::to_vec(data).unwrap_or_default()
}

/// Nothing at all asks for the defaults.
pub(super) fn read<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, String> {
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|error| error.to_string())
}
