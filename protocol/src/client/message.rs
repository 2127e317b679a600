//! Messages: a control line with sizes, then a body of that size and CR LF.

use super::ParseError;
use super::line::{ARGS_MAX, Args};
use crate::decimal::parse_size;
use nom::Offset;

/// What the control line of a message looks like: some arguments that are always there, maybe a reply subject, then sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// How many arguments come before the reply subject.
    pub leading: usize,
    /// Whether there is a header size before the total size.
    pub headers: bool,
}

impl Layout {
    pub const PUB: Layout = Layout { leading: 1, headers: false };
    pub const HPUB: Layout = Layout { leading: 1, headers: true };
    pub const MSG: Layout = Layout { leading: 2, headers: false };
    pub const HMSG: Layout = Layout { leading: 2, headers: true };

    /// How many arguments there are without a reply subject.
    #[inline]
    fn args_min(self) -> usize {
        self.leading + 1 + usize::from(self.headers)
    }

    /// The reply subject, if there is one.
    #[inline]
    pub fn reply<'a>(self, args: &Args<'a>) -> Option<&'a [u8]> {
        (args.as_slice().len() > self.args_min()).then(|| args.get(self.leading))
    }
}

/// Where the parts of a message lie in the input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    header_bytes: usize,
    /// Headers and payload.
    pub body_bytes: usize,
    /// Where the body starts, which is also the length of the control line.
    body_start: usize,
}

/// What follows the control line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body<'a> {
    /// Empty if the layout has none.
    pub headers: &'a [u8],
    pub payload: &'a [u8],
}

impl Frame {
    /// Checks the arguments of a control line that ends at `body_start`.
    #[inline]
    pub fn new(args: &Args<'_>, layout: Layout, body_start: usize) -> Result<Self, ParseError> {
        let items = args.as_slice();
        if items.len() != layout.args_min() && items.len() != layout.args_min() + 1 {
            return Err(ParseError::BadArguments);
        }
        let (body_bytes, header_bytes) = sizes(items, layout).ok_or(ParseError::BadArguments)?;
        Ok(Frame { header_bytes, body_bytes, body_start })
    }

    /// How many bytes control line, body and CRLF take.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.body_start + self.body_bytes + 2
    }

    /// Headers and payload, or `None` while they are not whole.
    #[inline]
    pub fn body<'a>(&self, input: &'a [u8]) -> Result<Option<Body<'a>>, ParseError> {
        let end = self.body_start + self.body_bytes;
        match input.get(end..).unwrap_or_default() {
            [b'\r', b'\n', ..] => {
                let body = input.get(self.body_start..end).unwrap_or_default();
                let parts = body.split_at_checked(self.header_bytes);
                Ok(parts.map(|(headers, payload)| Body { headers, payload }))
            }
            [] | [b'\r'] => Ok(None),
            _ => Err(ParseError::UnknownOperation),
        }
    }
}

/// The sizes at the end of the arguments: total, and headers (0 if the layout has none).
#[inline]
fn sizes(items: &[&[u8]], layout: Layout) -> Option<(usize, usize)> {
    let mut from_end = items.iter().rev();
    let body_bytes = parse_size(from_end.next()?)?;
    let header_bytes = if layout.headers { parse_size(from_end.next()?)? } else { 0 };
    (header_bytes <= body_bytes).then_some((body_bytes, header_bytes))
}

/// A message whose control line has been read and whose body is not whole yet. Arguments are kept as positions, because the
/// input may lie elsewhere on the next call.
#[derive(Debug, Clone)]
pub(super) struct Suspended {
    pub layout: Layout,
    pub frame: Frame,
    spans: [(usize, usize); ARGS_MAX],
    count: usize,
}

impl Suspended {
    /// What to remember until the body is whole.
    pub fn new(input: &[u8], layout: Layout, frame: Frame, args: &Args<'_>) -> Self {
        let mut spans = [(0, 0); ARGS_MAX];
        for (span, item) in spans.iter_mut().zip(args.as_slice()) {
            let start = input.offset(item);
            *span = (start, start + item.len());
        }
        Suspended { layout, frame, spans, count: args.as_slice().len() }
    }

    /// The arguments again. Fails if the input is not the one from before with more behind it.
    pub fn args<'a>(&self, input: &'a [u8]) -> Result<Args<'a>, ParseError> {
        let mut args = Args::default();
        for &(start, end) in self.spans.iter().take(self.count) {
            args.push(input.get(start..end).ok_or(ParseError::UnknownOperation)?)?;
        }
        Ok(args)
    }
}
