//! Messages: a control line with sizes, then a body of that size and CR LF.

use super::ParseError;
use super::line::{ARGS_MAX, Args, is_blank};
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
    pub const PUB: Layout = Layout {
        leading: 1,
        headers: false,
    };
    pub const HPUB: Layout = Layout {
        leading: 1,
        headers: true,
    };
    pub const MSG: Layout = Layout {
        leading: 2,
        headers: false,
    };
    pub const HMSG: Layout = Layout {
        leading: 2,
        headers: true,
    };

    fn size_count(self) -> usize {
        1 + usize::from(self.headers)
    }
}

/// What follows the control line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body<'a> {
    /// Empty if the layout has none.
    pub headers: &'a [u8],
    pub payload: &'a [u8],
}

/// The control line of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub layout: Layout,
    args: Args<'a>,
    header_bytes: usize,
    pub total_bytes: usize,
    /// Where the body starts in the input.
    body_start: usize,
}

impl<'a> Head<'a> {
    /// Reads the arguments of a control line that ends at `body_start`.
    #[inline]
    pub fn parse(args: &'a [u8], layout: Layout, body_start: usize) -> Result<Self, ParseError> {
        let args = Args::split(args, is_blank)?;
        let items = args.as_slice();
        let always = layout.leading + layout.size_count();
        if items.len() != always && items.len() != always + 1 {
            return Err(ParseError::BadArguments);
        }
        let (total_bytes, header_bytes) = sizes(items, layout).ok_or(ParseError::BadArguments)?;
        Ok(Head {
            layout,
            args,
            header_bytes,
            total_bytes,
            body_start,
        })
    }

    pub fn arg(&self, index: usize) -> &'a [u8] {
        self.args.as_slice().get(index).copied().unwrap_or_default()
    }

    #[inline]
    pub fn reply(&self) -> Option<&'a [u8]> {
        let without_reply = self.layout.leading + self.layout.size_count();
        (self.args.as_slice().len() > without_reply).then(|| self.arg(self.layout.leading))
    }

    #[inline]
    pub fn total_text(&self) -> &'a [u8] {
        self.args.as_slice().last().copied().unwrap_or_default()
    }

    #[inline]
    pub fn header_size_text(&self) -> &'a [u8] {
        self.args
            .as_slice()
            .iter()
            .nth_back(1)
            .copied()
            .unwrap_or_default()
    }

    /// How many bytes control line, body and CRLF take.
    #[inline]
    pub fn frame_bytes(&self) -> usize {
        self.body_start + self.total_bytes + 2
    }

    /// Headers and payload, or `None` while they are not whole.
    #[inline]
    pub fn body(&self, input: &'a [u8]) -> Result<Option<Body<'a>>, ParseError> {
        let end = self.body_start + self.total_bytes;
        match input.get(end..).unwrap_or_default() {
            [b'\r', b'\n', ..] => {
                let body = input.get(self.body_start..end).unwrap_or_default();
                Ok(body
                    .split_at_checked(self.header_bytes)
                    .map(|(headers, payload)| Body { headers, payload }))
            }
            [] | [b'\r'] => Ok(None),
            _ => Err(ParseError::UnknownOperation),
        }
    }

    /// What to remember until the body is whole.
    pub fn suspend(&self, input: &[u8]) -> Suspended {
        let mut spans = [(0, 0); ARGS_MAX];
        for (span, item) in spans.iter_mut().zip(self.args.as_slice()) {
            let start = input.offset(item);
            *span = (start, start + item.len());
        }
        Suspended {
            layout: self.layout,
            spans,
            count: self.args.as_slice().len(),
            header_bytes: self.header_bytes,
            total_bytes: self.total_bytes,
            body_start: self.body_start,
        }
    }
}

/// The sizes at the end of the arguments: total, and headers (0 if the layout has none).
#[inline]
fn sizes(items: &[&[u8]], layout: Layout) -> Option<(usize, usize)> {
    let mut from_end = items.iter().rev();
    let total_bytes = parse_size(from_end.next()?)?;
    let header_bytes = if layout.headers {
        parse_size(from_end.next()?)?
    } else {
        0
    };
    (header_bytes <= total_bytes).then_some((total_bytes, header_bytes))
}

/// A [`Head`] whose body is not whole yet: the same, but as positions, because the input may move until the next call.
#[derive(Debug, Clone)]
pub(super) struct Suspended {
    layout: Layout,
    spans: [(usize, usize); ARGS_MAX],
    count: usize,
    header_bytes: usize,
    total_bytes: usize,
    body_start: usize,
}

impl Suspended {
    /// The head again. Fails if the input is not the one from before with more behind it.
    pub fn resume<'a>(&self, input: &'a [u8]) -> Result<Head<'a>, ParseError> {
        let mut args = Args::split(&[], is_blank)?;
        for &(start, end) in self.spans.iter().take(self.count) {
            args.push(input.get(start..end).ok_or(ParseError::UnknownOperation)?)?;
        }
        Ok(Head {
            layout: self.layout,
            args,
            header_bytes: self.header_bytes,
            total_bytes: self.total_bytes,
            body_start: self.body_start,
        })
    }
}
