//! Which API call a subject is: what follows `$JS.API.`, taken apart.

/// What all API subjects begin with.
pub const API_PREFIX: &[u8] = b"$JS.API.";

/// An API call and whom it is about. Names are not checked beyond being text and not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiSubject<'a> {
    /// `INFO`
    AccountInfo,
    /// `STREAM.NAMES`
    StreamNames,
    /// `STREAM.LIST`
    StreamList,
    /// `STREAM.CREATE.<stream>`
    StreamCreate(&'a str),
    /// `STREAM.UPDATE.<stream>`
    StreamUpdate(&'a str),
    /// `STREAM.INFO.<stream>`
    StreamInfo(&'a str),
    /// `STREAM.DELETE.<stream>`
    StreamDelete(&'a str),
    /// `STREAM.PURGE.<stream>`
    StreamPurge(&'a str),
    /// `STREAM.MSG.GET.<stream>`
    MsgGet(&'a str),
    /// `STREAM.MSG.DELETE.<stream>`
    MsgDelete(&'a str),
    /// `STREAM.SNAPSHOT.<stream>`
    StreamSnapshot(&'a str),
    /// `STREAM.RESTORE.<stream>`
    StreamRestore(&'a str),
    /// `STREAM.PEER.REMOVE.<stream>`; clusters only.
    StreamPeerRemove(&'a str),
    /// `STREAM.PEER.EVACUATE.<stream>`; clusters only.
    StreamPeerEvacuate(&'a str),
    /// `STREAM.CANCEL_MOVE.<stream>`; clusters only.
    StreamCancelMove(&'a str),
    /// `STREAM.LEADER.STEPDOWN.<stream>`; clusters only.
    StreamStepDown(&'a str),
    /// `CONSUMER.CREATE.<stream>`, or with `.<consumer>`, or with `.<consumer>.<filter>`
    ConsumerCreate {
        /// The stream.
        stream: &'a str,
        /// The consumer, unless the body is to name it.
        name: Option<&'a str>,
        /// The one filter subject, if it is part of the call.
        filter: Option<&'a [u8]>,
    },
    /// `CONSUMER.DURABLE.CREATE.<stream>.<consumer>`
    ConsumerDurableCreate(ConsumerAddress<'a>),
    /// `CONSUMER.NAMES.<stream>`
    ConsumerNames(&'a str),
    /// `CONSUMER.LIST.<stream>`
    ConsumerList(&'a str),
    /// `CONSUMER.INFO.<stream>.<consumer>`
    ConsumerInfo(ConsumerAddress<'a>),
    /// `CONSUMER.DELETE.<stream>.<consumer>`
    ConsumerDelete(ConsumerAddress<'a>),
    /// `CONSUMER.PAUSE.<stream>.<consumer>`
    ConsumerPause(ConsumerAddress<'a>),
    /// `CONSUMER.UNPIN.<stream>.<consumer>`
    ConsumerUnpin(ConsumerAddress<'a>),
    /// `CONSUMER.RESET.<stream>.<consumer>`
    ConsumerReset(ConsumerAddress<'a>),
    /// `CONSUMER.MSG.NEXT.<stream>.<consumer>`
    MsgNext(ConsumerAddress<'a>),
    /// `CONSUMER.LEADER.STEPDOWN.<stream>.<consumer>`; clusters only.
    ConsumerStepDown(ConsumerAddress<'a>),
    /// `DIRECT.GET.<stream>`, or with `.<subject>`
    DirectGet {
        /// The stream.
        stream: &'a str,
        /// The subject whose last message is wanted.
        subject: Option<&'a [u8]>,
    },
    /// `ACCOUNT.PURGE.<account>`; the system account only.
    AccountPurge(&'a str),
    /// Anything else, and what only the system account of a cluster is answered.
    Unknown,
}

/// A consumer of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerAddress<'a> {
    /// The stream.
    pub stream: &'a str,
    /// The consumer.
    pub consumer: &'a str,
}

impl<'a> ApiSubject<'a> {
    /// Takes apart what follows `$JS.API.`.
    pub fn parse(call: &'a [u8]) -> Self {
        let mut tokens = Tokens(Some(call));
        let parsed = match tokens.next() {
            Some(b"INFO") => tokens.end(ApiSubject::AccountInfo),
            Some(b"ACCOUNT") => account_call(tokens),
            Some(b"STREAM") => stream_call(tokens),
            Some(b"CONSUMER") => consumer_call(tokens),
            Some(b"DIRECT") => direct_call(tokens),
            _ => None,
        };
        parsed.unwrap_or(ApiSubject::Unknown)
    }

    /// The stream the call is about, if it is about one.
    pub fn stream(&self) -> Option<&'a str> {
        use ApiSubject::*;
        match *self {
            AccountInfo | AccountPurge(_) | StreamNames | StreamList | Unknown => None,
            StreamCreate(stream)
            | StreamUpdate(stream)
            | StreamInfo(stream)
            | StreamDelete(stream)
            | StreamPurge(stream)
            | MsgGet(stream)
            | MsgDelete(stream)
            | StreamSnapshot(stream)
            | StreamRestore(stream)
            | StreamPeerRemove(stream)
            | StreamPeerEvacuate(stream)
            | StreamCancelMove(stream)
            | StreamStepDown(stream)
            | ConsumerNames(stream)
            | ConsumerList(stream)
            | ConsumerCreate { stream, .. }
            | DirectGet { stream, .. } => Some(stream),
            ConsumerDurableCreate(at)
            | ConsumerInfo(at)
            | ConsumerDelete(at)
            | ConsumerPause(at)
            | ConsumerUnpin(at)
            | ConsumerReset(at)
            | MsgNext(at)
            | ConsumerStepDown(at) => Some(at.stream),
        }
    }
}

fn account_call(mut tokens: Tokens<'_>) -> Option<ApiSubject<'_>> {
    if tokens.next()? != b"PURGE" {
        return None;
    }
    let account = tokens.name()?;
    tokens.end(ApiSubject::AccountPurge(account))
}

fn stream_call(mut tokens: Tokens<'_>) -> Option<ApiSubject<'_>> {
    use ApiSubject::*;
    let about_one = match tokens.next()? {
        b"NAMES" => return tokens.end(StreamNames),
        b"LIST" => return tokens.end(StreamList),
        b"CREATE" => StreamCreate,
        b"UPDATE" => StreamUpdate,
        b"INFO" => StreamInfo,
        b"DELETE" => StreamDelete,
        b"PURGE" => StreamPurge,
        b"SNAPSHOT" => StreamSnapshot,
        b"RESTORE" => StreamRestore,
        b"CANCEL_MOVE" => StreamCancelMove,
        family => match (family, tokens.next()?) {
            (b"MSG", b"GET") => MsgGet,
            (b"MSG", b"DELETE") => MsgDelete,
            (b"PEER", b"REMOVE") => StreamPeerRemove,
            (b"PEER", b"EVACUATE") => StreamPeerEvacuate,
            (b"LEADER", b"STEPDOWN") => StreamStepDown,
            _ => return None,
        },
    };
    let stream = tokens.name()?;
    tokens.end(about_one(stream))
}

fn consumer_call(mut tokens: Tokens<'_>) -> Option<ApiSubject<'_>> {
    use ApiSubject::*;
    let about_one = match tokens.next()? {
        b"CREATE" => return consumer_create(tokens),
        b"NAMES" => {
            let stream = tokens.name()?;
            return tokens.end(ConsumerNames(stream));
        }
        b"LIST" => {
            let stream = tokens.name()?;
            return tokens.end(ConsumerList(stream));
        }
        b"INFO" => ConsumerInfo,
        b"DELETE" => ConsumerDelete,
        b"PAUSE" => ConsumerPause,
        b"UNPIN" => ConsumerUnpin,
        b"RESET" => ConsumerReset,
        family => match (family, tokens.next()?) {
            (b"MSG", b"NEXT") => MsgNext,
            (b"DURABLE", b"CREATE") => ConsumerDurableCreate,
            (b"LEADER", b"STEPDOWN") => ConsumerStepDown,
            _ => return None,
        },
    };
    let address = ConsumerAddress { stream: tokens.name()?, consumer: tokens.name()? };
    tokens.end(about_one(address))
}

fn consumer_create(mut tokens: Tokens<'_>) -> Option<ApiSubject<'_>> {
    let stream = tokens.name()?;
    let name = match tokens.0 {
        Some(_) => Some(tokens.name()?),
        None => None,
    };
    Some(ApiSubject::ConsumerCreate { stream, name, filter: tokens.0 })
}

fn direct_call(mut tokens: Tokens<'_>) -> Option<ApiSubject<'_>> {
    if tokens.next()? != b"GET" {
        return None;
    }
    let stream = tokens.name()?;
    Some(ApiSubject::DirectGet { stream, subject: tokens.0 })
}

/// The tokens not yet looked at.
struct Tokens<'a>(Option<&'a [u8]>);

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.0?;
        let dot = rest.iter().position(|byte| *byte == b'.');
        let (token, rest) = match dot {
            Some(dot) => (&rest[..dot], Some(&rest[dot + 1..])),
            None => (rest, None),
        };
        self.0 = rest;
        Some(token)
    }

    /// The next token, if it can be a name.
    fn name(&mut self) -> Option<&'a str> {
        let token = self.next()?;
        std::str::from_utf8(token).ok().filter(|name| !name.is_empty())
    }

    /// `call`, if no token is left.
    fn end(&self, call: ApiSubject<'a>) -> Option<ApiSubject<'a>> {
        self.0.is_none().then_some(call)
    }
}

#[cfg(test)]
mod tests {
    use super::ApiSubject::*;
    use super::*;
    use proptest::prelude::*;

    const AT: ConsumerAddress<'_> = ConsumerAddress { stream: "S", consumer: "C" };

    #[test]
    fn every_call_is_recognised() {
        let calls = [
            ("INFO", AccountInfo),
            ("STREAM.NAMES", StreamNames),
            ("STREAM.LIST", StreamList),
            ("STREAM.CREATE.S", StreamCreate("S")),
            ("STREAM.UPDATE.S", StreamUpdate("S")),
            ("STREAM.INFO.S", StreamInfo("S")),
            ("STREAM.DELETE.S", StreamDelete("S")),
            ("STREAM.PURGE.S", StreamPurge("S")),
            ("STREAM.MSG.GET.S", MsgGet("S")),
            ("STREAM.MSG.DELETE.S", MsgDelete("S")),
            ("STREAM.SNAPSHOT.S", StreamSnapshot("S")),
            ("STREAM.RESTORE.S", StreamRestore("S")),
            ("STREAM.PEER.REMOVE.S", StreamPeerRemove("S")),
            ("STREAM.PEER.EVACUATE.S", StreamPeerEvacuate("S")),
            ("STREAM.CANCEL_MOVE.S", StreamCancelMove("S")),
            ("STREAM.LEADER.STEPDOWN.S", StreamStepDown("S")),
            ("CONSUMER.CREATE.S", ConsumerCreate { stream: "S", name: None, filter: None }),
            ("CONSUMER.CREATE.S.C", ConsumerCreate { stream: "S", name: Some("C"), filter: None }),
            (
                "CONSUMER.CREATE.S.C.f.>",
                ConsumerCreate { stream: "S", name: Some("C"), filter: Some(b"f.>") },
            ),
            ("CONSUMER.DURABLE.CREATE.S.C", ConsumerDurableCreate(AT)),
            ("CONSUMER.NAMES.S", ConsumerNames("S")),
            ("CONSUMER.LIST.S", ConsumerList("S")),
            ("CONSUMER.INFO.S.C", ConsumerInfo(AT)),
            ("CONSUMER.DELETE.S.C", ConsumerDelete(AT)),
            ("CONSUMER.PAUSE.S.C", ConsumerPause(AT)),
            ("CONSUMER.UNPIN.S.C", ConsumerUnpin(AT)),
            ("CONSUMER.RESET.S.C", ConsumerReset(AT)),
            ("CONSUMER.MSG.NEXT.S.C", MsgNext(AT)),
            ("CONSUMER.LEADER.STEPDOWN.S.C", ConsumerStepDown(AT)),
            ("DIRECT.GET.S", DirectGet { stream: "S", subject: None }),
            ("DIRECT.GET.S.a.b", DirectGet { stream: "S", subject: Some(b"a.b") }),
        ];
        for (subject, call) in calls {
            assert_eq!(ApiSubject::parse(subject.as_bytes()), call, "{subject}");
            let named = call.stream().is_none_or(|stream| stream == "S");
            assert!(named, "{subject}");
        }
    }

    #[test]
    fn what_nats_server_leaves_unanswered_is_unknown() {
        for subject in [
            "",
            "BOGUS",
            "INFO.x",
            "STREAM",
            "STREAM.CREATE",
            "STREAM.CREATE.",
            "STREAM.INFO.A.B",
            "STREAM.BOGUS.S",
            "STREAM.MSG.GET.S.X",
            "STREAM.TEMPLATE.NAMES",
            "STREAM.NAMES.x",
            "CONSUMER.INFO.S",
            "CONSUMER.NAMES",
            "CONSUMER.NAMES.S.C",
            "CONSUMER.DURABLE.CREATE.S",
            "CONSUMER.CREATE",
            "CONSUMER.CREATE.S.",
            "DIRECT.GET",
            "DIRECT.PUT.S",
            "META.LEADER.STEPDOWN",
            "SERVER.REMOVE",
            "ACCOUNT.STREAM.MOVE.A.S",
            "stream.names",
        ] {
            assert_eq!(ApiSubject::parse(subject.as_bytes()), Unknown, "{subject}");
        }
        assert_eq!(ApiSubject::parse(b"STREAM.INFO.\xff"), Unknown);
    }

    proptest! {
        #[test]
        fn no_subject_makes_the_parser_fall(subject in "(STREAM|CONSUMER|DIRECT)?[A-Z.]{0,40}") {
            let _ = ApiSubject::parse(subject.as_bytes());
        }
    }
}
