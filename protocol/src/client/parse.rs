//! What a client sends, as operations.

use super::line::{Args, Line, LineReader, Shape, Verb};
use super::message::{Body, Frame, Layout, Suspended};
use super::{CONTROL_LINE_BYTES_MAX, ClientOp, Framed, PAYLOAD_BYTES_MAX, ParseError};
use crate::decimal::parse_size;
use nom::branch::alt;
use nom::bytes::streaming::tag_no_case;
use nom::combinator::value;
use nom::{IResult, Parser as _};
use serde::de::IgnoredAny;
use std::collections::HashMap;

/// What [`Parser::next`] gives.
pub type Step<'a> = Framed<ClientOp<'a>>;

/// Reads the operations of one client out of its bytes, one by one and without copying.
///
/// The limits may be changed between calls; a message whose control line was already read keeps the old ones.
///
/// ```
/// use headwater_protocol::client::{ClientOp, Parser, Step};
///
/// let mut parser = Parser::default();
/// let Ok(Step::Op { op, consumed }) = parser.next(b"SUB a.* 1\r\nPING\r\n") else { panic!() };
/// assert_eq!(op, ClientOp::Sub { subject: b"a.*", queue: None, sid: b"1" });
/// assert_eq!(consumed, 11);
/// ```
#[derive(Debug, Clone)]
pub struct Parser {
    /// The longest argument part of a control line (`max_control_line`).
    pub control_line_bytes_max: usize,
    /// The largest body, headers included (`max_payload`). `usize::MAX` for no limit.
    pub payload_bytes_max: usize,
    /// Whether the client asked for headers in `CONNECT`.
    pub headers_allowed: bool,
    lines: LineReader,
    /// A publish whose control line has been read and whose body is not whole yet.
    suspended: Option<Suspended>,
}

impl Parser {
    /// A parser for a new connection: no headers before `CONNECT` asks for them.
    pub fn new(control_line_bytes_max: usize, payload_bytes_max: usize) -> Self {
        Parser {
            control_line_bytes_max,
            payload_bytes_max,
            headers_allowed: false,
            lines: LineReader::default(),
            suspended: None,
        }
    }

    /// The operation at the start of `input`.
    ///
    /// After `Incomplete` the next call must bring the same bytes again with more behind them, where they lie does not matter.
    /// After an error the connection is over.
    pub fn next<'a>(&mut self, input: &'a [u8]) -> Result<Step<'a>, ParseError> {
        if let Some(Suspended { layout, frame, .. }) = self.suspended {
            return self.go_on(input, layout, frame);
        }
        let Some(line) = self.lines.read::<ClientVerb>(input, self.control_line_bytes_max)? else {
            return Ok(Step::Incomplete { needed: None });
        };
        match line.verb {
            ClientVerb::Pub => self.publish(input, &line, Layout::PUB),
            ClientVerb::HPub if !self.headers_allowed => Err(ParseError::HeadersNotNegotiated),
            ClientVerb::HPub => self.publish(input, &line, Layout::HPUB),
            _ => Ok(Step::Op { op: simple_op(&line)?, consumed: line.consumed }),
        }
    }

    #[inline]
    fn publish<'a>(
        &mut self,
        input: &'a [u8],
        line: &Line<'a, ClientVerb>,
        layout: Layout,
    ) -> Result<Step<'a>, ParseError> {
        let mut args = Args::default();
        args.split(line.args)?;
        let frame = Frame::new(&args, layout, line.consumed)?;
        if frame.body_bytes > self.payload_bytes_max {
            return Err(ParseError::PayloadTooLarge);
        }
        let Some(body) = frame.body(input)? else {
            self.suspended = Some(Suspended::new(input, layout, frame, &args));
            return Ok(Step::Incomplete { needed: Some(frame.bytes()) });
        };
        Ok(Step::Op { op: publish_op(layout, &args, body), consumed: frame.bytes() })
    }

    /// A publish whose control line was read before.
    fn go_on<'a>(&mut self, input: &'a [u8], layout: Layout, frame: Frame) -> Result<Step<'a>, ParseError> {
        let Some(body) = frame.body(input)? else {
            return Ok(Step::Incomplete { needed: Some(frame.bytes()) });
        };
        let args = match self.suspended.take() {
            Some(suspended) => suspended.args(input)?,
            None => Args::default(),
        };
        Ok(Step::Op { op: publish_op(layout, &args, body), consumed: frame.bytes() })
    }
}

impl Default for Parser {
    /// With the limits of an empty configuration.
    fn default() -> Self {
        Parser::new(CONTROL_LINE_BYTES_MAX, PAYLOAD_BYTES_MAX)
    }
}

#[inline]
fn publish_op<'a>(layout: Layout, args: &Args<'a>, Body { headers, payload }: Body<'a>) -> ClientOp<'a> {
    let (subject, reply, total_text) = (args.get(0), layout.reply(args), args.get_from_end(0));
    match layout.headers {
        false => ClientOp::Pub { subject, reply, size_text: total_text, payload },
        true => {
            let header_size_text = args.get_from_end(1);
            ClientOp::HPub { subject, reply, header_size_text, total_text, headers, payload }
        }
    }
}

/// The operations without a body.
fn simple_op<'a>(line: &Line<'a, ClientVerb>) -> Result<ClientOp<'a>, ParseError> {
    match line.verb {
        ClientVerb::Sub => sub(line.args),
        ClientVerb::Unsub => unsub(line.args),
        ClientVerb::Connect => Ok(ClientOp::Connect(line.args)),
        ClientVerb::Info => info(line.args),
        ClientVerb::Ping => Ok(ClientOp::Ping),
        ClientVerb::Pong => Ok(ClientOp::Pong),
        ClientVerb::Ok => Ok(ClientOp::Ok),
        ClientVerb::Err => Ok(ClientOp::Err),
        ClientVerb::Pub | ClientVerb::HPub => Err(ParseError::UnknownOperation),
    }
}

fn sub(args: &[u8]) -> Result<ClientOp<'_>, ParseError> {
    let mut split = Args::default();
    split.split_at_line_ends(args)?;
    match split.as_slice() {
        [subject, sid] => Ok(ClientOp::Sub { subject, queue: None, sid }),
        [subject, queue, sid] => Ok(ClientOp::Sub { subject, queue: Some(queue), sid }),
        _ => Err(ParseError::BadArguments),
    }
}

fn unsub(args: &[u8]) -> Result<ClientOp<'_>, ParseError> {
    let mut split = Args::default();
    split.split_at_line_ends(args)?;
    match split.as_slice() {
        [sid] => Ok(ClientOp::Unsub { sid, max: None }),
        [sid, max] => {
            let max = parse_size(max).filter(|max| *max > 0).map(|max| max as u64);
            Ok(ClientOp::Unsub { sid, max })
        }
        _ => Err(ParseError::BadArguments),
    }
}

fn info(args: &[u8]) -> Result<ClientOp<'_>, ParseError> {
    match serde_json::from_slice::<Option<HashMap<String, IgnoredAny>>>(args) {
        Ok(_) => Ok(ClientOp::Info),
        Err(_) => Err(ParseError::BadInfo),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientVerb {
    Connect,
    Ping,
    Pong,
    Pub,
    HPub,
    Sub,
    Unsub,
    Info,
    Ok,
    Err,
}

impl Verb for ClientVerb {
    #[inline]
    fn parse(input: &[u8]) -> IResult<&[u8], Self> {
        alt((
            value(ClientVerb::Pub, tag_no_case("PUB")),
            value(ClientVerb::HPub, tag_no_case("HPUB")),
            value(ClientVerb::Sub, tag_no_case("SUB")),
            value(ClientVerb::Unsub, tag_no_case("UNSUB")),
            value(ClientVerb::Ping, tag_no_case("PING")),
            value(ClientVerb::Pong, tag_no_case("PONG")),
            value(ClientVerb::Connect, tag_no_case("CONNECT")),
            value(ClientVerb::Info, tag_no_case("INFO")),
            value(ClientVerb::Ok, tag_no_case("+OK")),
            value(ClientVerb::Err, tag_no_case("-ERR")),
        ))
        .parse(input)
    }

    #[inline]
    fn shape(self) -> Shape {
        match self {
            ClientVerb::Ping | ClientVerb::Pong | ClientVerb::Ok => Shape::Bare,
            ClientVerb::Connect | ClientVerb::Info => Shape::Json,
            _ => Shape::Args,
        }
    }
}
