//! Operations as data, borrowed from the bytes they came in.

/// What a client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientOp<'a> {
    /// `CONNECT <json>`. The JSON is not looked at: see [`super::ConnectOptions`].
    Connect(&'a [u8]),
    /// `PING`
    Ping,
    /// `PONG`
    Pong,
    /// `PUB <subject> [reply] <size>␍␊<payload>␍␊`
    Pub {
        /// Not validated.
        subject: &'a [u8],
        /// Where answers go. Not validated.
        reply: Option<&'a [u8]>,
        /// The size as it was written, which receivers are told.
        size_text: &'a [u8],
        /// The message, without its CRLF.
        payload: &'a [u8],
    },
    /// `HPUB <subject> [reply] <header size> <total size>␍␊<headers><payload>␍␊`
    HPub {
        /// Not validated.
        subject: &'a [u8],
        /// Where answers go. Not validated.
        reply: Option<&'a [u8]>,
        /// The size of the headers as it was written.
        header_size_text: &'a [u8],
        /// The size of headers and payload as it was written.
        total_text: &'a [u8],
        /// The header block, not validated. May be empty: then receivers get a plain message.
        headers: &'a [u8],
        /// The message, without its CRLF.
        payload: &'a [u8],
    },
    /// `SUB <subject> [queue] <sid>`
    Sub {
        /// Not validated.
        subject: &'a [u8],
        /// The queue group.
        queue: Option<&'a [u8]>,
        /// The client's name for this subscription: any token.
        sid: &'a [u8],
    },
    /// `UNSUB <sid> [max]`
    Unsub {
        /// Which subscription.
        sid: &'a [u8],
        /// End it after this many messages in all. `None`, also when what was written is no number or 0: end it now.
        max: Option<u64>,
    },
    /// `INFO <json>`, which means nothing from a client.
    Info,
    /// `+OK`, which means nothing from a client.
    Ok,
    /// `-ERR <text>`: the client gives up, close the connection.
    Err,
}

/// What a broker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerOp<'a> {
    /// `INFO <json>`
    Info(&'a [u8]),
    /// `MSG <subject> <sid> [reply] <size>␍␊<payload>␍␊`
    Msg {
        /// What it was published to.
        subject: &'a [u8],
        /// Which subscription it is for.
        sid: &'a [u8],
        /// Where answers go.
        reply: Option<&'a [u8]>,
        /// The message, without its CRLF.
        payload: &'a [u8],
    },
    /// `HMSG <subject> <sid> [reply] <header size> <total size>␍␊<headers><payload>␍␊`
    HMsg {
        /// What it was published to.
        subject: &'a [u8],
        /// Which subscription it is for.
        sid: &'a [u8],
        /// Where answers go.
        reply: Option<&'a [u8]>,
        /// The header block.
        headers: &'a [u8],
        /// The message, without its CRLF.
        payload: &'a [u8],
    },
    /// `+OK`
    Ok,
    /// `-ERR '<text>'`, without the quotes.
    Err(&'a [u8]),
    /// `PING`
    Ping,
    /// `PONG`
    Pong,
}

/// What a parser made of the bytes it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framed<Op> {
    /// An operation. Take `consumed` bytes off the front before the next call.
    Op {
        /// The operation.
        op: Op,
        /// How many bytes it took.
        consumed: usize,
    },
    /// The operation is not whole yet. Call again with the same bytes and more behind them.
    Incomplete {
        /// How many bytes the operation takes in all, once that is known.
        needed: Option<usize>,
    },
}
