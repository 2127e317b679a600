//! What a broker sends, as operations: the other end of [`super::Parser`].

use super::line::{Args, Line, LineReader, Shape, Verb};
use super::message::{Body, Frame, Layout, Suspended};
use super::{Framed, ParseError, ServerOp};
use nom::branch::alt;
use nom::bytes::streaming::tag_no_case;
use nom::combinator::value;
use nom::{IResult, Parser as _};

/// What [`ServerParser::next`] gives.
pub type ServerStep<'a> = Framed<ServerOp<'a>>;

/// Reads the operations of a broker out of its bytes. Used as [`super::Parser`] is.
#[derive(Debug, Clone)]
pub struct ServerParser {
    /// The longest argument part of a control line, `INFO` included.
    pub control_line_bytes_max: usize,
    /// The largest body, headers included.
    pub payload_bytes_max: usize,
    lines: LineReader,
    /// A message whose control line has been read and whose body is not whole yet.
    suspended: Option<Suspended>,
}

impl ServerParser {
    /// A parser for a new connection.
    pub fn new(control_line_bytes_max: usize, payload_bytes_max: usize) -> Self {
        ServerParser {
            control_line_bytes_max,
            payload_bytes_max,
            lines: LineReader::default(),
            suspended: None,
        }
    }

    /// The operation at the start of `input`, by the rules of [`super::Parser::next`].
    pub fn next<'a>(&mut self, input: &'a [u8]) -> Result<ServerStep<'a>, ParseError> {
        if let Some(suspended) = self.suspended.take() {
            let args = suspended.args(input)?;
            return self.message(input, suspended.layout, suspended.frame, &args);
        }
        let Some(line) = self.lines.read::<ServerVerb>(input, self.control_line_bytes_max)? else {
            return Ok(ServerStep::Incomplete { needed: None });
        };
        let layout = match line.verb {
            ServerVerb::Msg => Layout::MSG,
            ServerVerb::HMsg => Layout::HMSG,
            _ => {
                return Ok(ServerStep::Op { op: simple_op(&line)?, consumed: line.consumed });
            }
        };
        let mut args = Args::default();
        args.split(line.args)?;
        let frame = Frame::new(&args, layout, line.consumed)?;
        if frame.body_bytes > self.payload_bytes_max {
            return Err(ParseError::PayloadTooLarge);
        }
        self.message(input, layout, frame, &args)
    }

    fn message<'a>(
        &mut self,
        input: &'a [u8],
        layout: Layout,
        frame: Frame,
        args: &Args<'a>,
    ) -> Result<ServerStep<'a>, ParseError> {
        let Some(body) = frame.body(input)? else {
            self.suspended = Some(Suspended::new(input, layout, frame, args));
            return Ok(ServerStep::Incomplete { needed: Some(frame.bytes()) });
        };
        Ok(ServerStep::Op { op: message_op(layout, args, body), consumed: frame.bytes() })
    }
}

fn message_op<'a>(layout: Layout, args: &Args<'a>, Body { headers, payload }: Body<'a>) -> ServerOp<'a> {
    let (subject, sid, reply) = (args.get(0), args.get(1), layout.reply(args));
    match layout.headers {
        false => ServerOp::Msg { subject, sid, reply, payload },
        true => ServerOp::HMsg { subject, sid, reply, headers, payload },
    }
}

/// The operations without a body.
fn simple_op<'a>(line: &Line<'a, ServerVerb>) -> Result<ServerOp<'a>, ParseError> {
    match line.verb {
        ServerVerb::Info => Ok(ServerOp::Info(line.args)),
        ServerVerb::Ok => Ok(ServerOp::Ok),
        ServerVerb::Err => Ok(ServerOp::Err(unquoted(line.args))),
        ServerVerb::Ping => Ok(ServerOp::Ping),
        ServerVerb::Pong => Ok(ServerOp::Pong),
        ServerVerb::Msg | ServerVerb::HMsg => Err(ParseError::UnknownOperation),
    }
}

fn unquoted(text: &[u8]) -> &[u8] {
    let inner = text.strip_prefix(b"'").and_then(|text| text.strip_suffix(b"'"));
    inner.unwrap_or(text)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServerVerb {
    Info,
    Msg,
    HMsg,
    Ok,
    Err,
    Ping,
    Pong,
}

impl Verb for ServerVerb {
    fn parse(input: &[u8]) -> IResult<&[u8], Self> {
        alt((
            value(ServerVerb::Msg, tag_no_case("MSG")),
            value(ServerVerb::HMsg, tag_no_case("HMSG")),
            value(ServerVerb::Ping, tag_no_case("PING")),
            value(ServerVerb::Pong, tag_no_case("PONG")),
            value(ServerVerb::Ok, tag_no_case("+OK")),
            value(ServerVerb::Err, tag_no_case("-ERR")),
            value(ServerVerb::Info, tag_no_case("INFO")),
        ))
        .parse(input)
    }

    fn shape(self) -> Shape {
        match self {
            ServerVerb::Ping | ServerVerb::Pong | ServerVerb::Ok => Shape::Bare,
            ServerVerb::Info => Shape::Json,
            _ => Shape::Args,
        }
    }
}
