//! Bad streams of bytes: noise, and dialogues that were good before they were mutated.

const NOISE_BYTES_MAX: u64 = 600;
const MUTATIONS_MAX: u64 = 6;
/// What a number in a dialogue becomes: the edges where sizes and counts go wrong.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1",
    "00000000000000000001",
    "65536",
    "1048577",
    "2147483648",
    "4294967296",
    "18446744073709551616",
    "1e9",
    "0x10",
    "",
];
const FRAGMENTS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b">",
    b"*",
    b".",
    b"..",
    b"{",
    b"}",
    b"[[[[[[[[",
    b"\"",
    b"\xff\xfe",
    b"PUB ",
    b"HPUB ",
    b"SUB ",
    b"CONNECT ",
    b"INFO ",
    b"MSG ",
    b"+OK\r\n",
    b"-ERR 'no'\r\n",
    b"PING\r\n",
    b"PONG\r\n",
    b"NATS/1.0\r\n",
];

/// Stream `number` of `seed`: the same bytes every time.
pub fn stream(seed: u64, number: u64) -> Vec<u8> {
    let mut dice = Dice(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    match dice.below(10) {
        0 => noise(&mut dice),
        1 => printable(&mut dice),
        2 => long_line(&mut dice),
        _ => mutated(&mut dice),
    }
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }
}

fn noise(dice: &mut Dice) -> Vec<u8> {
    (0..dice.below(NOISE_BYTES_MAX)).map(|_| dice.next() as u8).collect()
}

fn printable(dice: &mut Dice) -> Vec<u8> {
    let alphabet = b"PUBSHCONETIGMR+-OK{}\":,.*>$JSAI_ 0123456789\r\n\r\n";
    (0..dice.below(NOISE_BYTES_MAX)).map(|_| dice.pick(alphabet)).collect()
}

/// A line that does not end, past any control line limit.
fn long_line(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = dice.pick(&[&b"SUB "[..], b"PUB ", b"CONNECT {\"a\":\"", b"HPUB a 12 ", b""]).to_vec();
    bytes.resize(bytes.len() + dice.index(10_000), b'a' + dice.below(26) as u8);
    bytes
}

fn mutated(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = dialogue(dice);
    for _ in 0..=dice.below(MUTATIONS_MAX) {
        mutate(&mut bytes, dice);
    }
    bytes
}

fn mutate(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.index(bytes.len());
    match dice.below(8) {
        0 => bytes.truncate(at),
        1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << dice.below(8)),
        2 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = dice.next() as u8),
        3 => insert(bytes, at, dice.pick(FRAGMENTS)),
        4 => drop(bytes.drain(at..(at + dice.index(16)).min(bytes.len()))),
        5 => repeat(bytes, at, dice),
        6 => renumber(bytes, at, dice),
        _ => splice(bytes, at, dice),
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, fragment: &[u8]) {
    bytes.splice(at..at, fragment.iter().copied());
}

fn repeat(bytes: &mut Vec<u8>, at: usize, dice: &mut Dice) {
    let end = (at + dice.index(64)).min(bytes.len());
    let piece = bytes[at..end].repeat(1 + dice.index(8));
    insert(bytes, at, &piece);
}

/// Replaces the next run of digits.
fn renumber(bytes: &mut Vec<u8>, from: usize, dice: &mut Dice) {
    let Some(begin) = bytes.iter().skip(from).position(u8::is_ascii_digit).map(|skipped| from + skipped)
    else {
        return;
    };
    let digits = bytes.iter().skip(begin).take_while(|byte| byte.is_ascii_digit()).count();
    bytes.splice(begin..begin + digits, dice.pick(NUMBERS).bytes());
}

/// Goes on with another dialogue in the middle.
fn splice(bytes: &mut Vec<u8>, at: usize, dice: &mut Dice) {
    let other = dialogue(dice);
    bytes.truncate(at);
    bytes.extend_from_slice(&other[dice.index(other.len())..]);
}

/// A dialogue as a client should hold it: a greeting, and some requests.
fn dialogue(dice: &mut Dice) -> Vec<u8> {
    let mut text = dice.pick(GREETINGS).to_owned();
    for _ in 0..1 + dice.below(4) {
        text += &request(dice);
    }
    text.into_bytes()
}

fn request(dice: &mut Dice) -> String {
    match dice.below(4) {
        0 | 1 => dice.pick(OPERATIONS).to_owned(),
        2 => {
            let (subject, body) = dice.pick(API);
            format!("PUB {subject} r.1 {}\r\n{body}\r\n", body.len())
        }
        _ => {
            let headers = format!("NATS/1.0\r\n{}: {}\r\n\r\n", dice.pick(HEADERS), dice.pick(VALUES));
            format!("HPUB bad.1 r.1 {} {}\r\n{headers}hello\r\n", headers.len(), headers.len() + 5)
        }
    }
}

const GREETINGS: &[&str] = &[
    "",
    "CONNECT {}\r\n",
    "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true,\"protocol\":1}\r\nSUB r.* 9\r\n",
    "CONNECT {\"verbose\":true,\"pedantic\":true,\"echo\":false,\"lang\":\"x\",\"version\":\"1.0.0\"}\r\nPING\r\n",
    "CONNECT {\"user\":\"a\",\"pass\":\"b\",\"jwt\":\"ey.ey.ey\",\"nkey\":\"UA\",\"sig\":\"x\",\"auth_token\":\"t\"}\r\n",
    "GET /varz HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}",
    "\u{10}\u{10}\0\u{4}MQTT\u{4}\u{2}\0\u{3c}\0\u{4}edge",
];

const OPERATIONS: &[&str] = &[
    "PING\r\n",
    "PONG\r\n",
    "SUB bad.> 1\r\n",
    "SUB bad.* workers 2\r\n",
    "SUB > 3\r\n",
    "UNSUB 1\r\n",
    "UNSUB 2 5\r\n",
    "PUB bad.1 5\r\nhello\r\n",
    "PUB bad.2 r.1 0\r\n\r\n",
    "PUB bad.3 r.1 11\r\nhello\r\nhello\r\n",
    "HPUB bad.4 22 27\r\nNATS/1.0\r\nA: b\r\n\r\n\0\0\0\0\0hello\r\n",
    "HPUB bad.5 12 12\r\nNATS/1.0\r\n\r\n\r\n",
    "INFO {\"max_payload\":1}\r\n",
    "MSG bad.1 1 5\r\nhello\r\n",
    "+OK\r\n",
    "-ERR 'Unknown'\r\n",
];

const API: &[(&str, &str)] = &[
    ("$JS.API.INFO", ""),
    ("$JS.API.STREAM.NAMES", "{\"offset\":0,\"subject\":\"bad.>\"}"),
    (
        "$JS.API.STREAM.CREATE.BAD",
        "{\"name\":\"BAD\",\"subjects\":[\"bad.*\"],\"storage\":\"file\",\"max_msgs\":100,\"max_age\":60000000000}",
    ),
    (
        "$JS.API.STREAM.CREATE.MEM",
        "{\"name\":\"MEM\",\"subjects\":[\"mem.>\"],\"storage\":\"memory\",\"retention\":\"workqueue\",\"max_bytes\":4096}",
    ),
    (
        "$JS.API.STREAM.UPDATE.BAD",
        "{\"name\":\"BAD\",\"subjects\":[\"bad.*\",\"worse.>\"],\"max_msgs\":10,\"discard\":\"new\",\"allow_direct\":true}",
    ),
    ("$JS.API.STREAM.INFO.BAD", "{\"subjects_filter\":\">\",\"deleted_details\":true}"),
    ("$JS.API.STREAM.PURGE.BAD", "{\"filter\":\"bad.1\",\"keep\":2}"),
    ("$JS.API.STREAM.MSG.GET.BAD", "{\"seq\":1}"),
    ("$JS.API.STREAM.MSG.DELETE.BAD", "{\"seq\":2,\"no_erase\":true}"),
    ("$JS.API.DIRECT.GET.BAD", "{\"batch\":10,\"seq\":1,\"multi_last\":[\"bad.*\"]}"),
    ("$JS.API.STREAM.DELETE.BAD", ""),
    (
        "$JS.API.CONSUMER.CREATE.BAD.c.bad.1",
        "{\"stream_name\":\"BAD\",\"config\":{\"name\":\"c\",\"filter_subject\":\"bad.1\",\"ack_policy\":\"explicit\",\"inactive_threshold\":1000000000}}",
    ),
    (
        "$JS.API.CONSUMER.DURABLE.CREATE.BAD.d",
        "{\"stream_name\":\"BAD\",\"config\":{\"durable_name\":\"d\",\"ack_policy\":\"all\",\"deliver_subject\":\"r.2\",\"backoff\":[1,2,3],\"max_deliver\":5}}",
    ),
    (
        "$JS.API.CONSUMER.MSG.NEXT.BAD.c",
        "{\"batch\":10,\"expires\":1000000000,\"max_bytes\":1000,\"idle_heartbeat\":100000000}",
    ),
    ("$JS.API.CONSUMER.INFO.BAD.c", ""),
    ("$JS.API.CONSUMER.DELETE.BAD.c", ""),
    ("$JS.ACK.BAD.c.1.1.1.1700000000000000000.0", "+ACK"),
    ("$JS.ACK.BAD.c.1.2.2.1700000000000000000.0", "-NAK {\"delay\":1000}"),
    ("$JS.ACK.BAD.c.1.3.3.1700000000000000000.0", "+NXT {\"batch\":1}"),
    ("$SYS.REQ.SERVER.PING", "{\"limit\":1}"),
    ("$SYS.REQ.USER.INFO", ""),
];

const HEADERS: &[&str] = &[
    "Nats-Msg-Id",
    "Nats-Expected-Last-Sequence",
    "Nats-Expected-Last-Subject-Sequence",
    "Nats-Expected-Stream",
    "Nats-Rollup",
    "Nats-TTL",
    "Nats-Batch-Id",
    "Nats-Batch-Sequence",
    "Nats-Incr",
    "Nats-Schedule",
    "Nats-Trace-Dest",
    "Status",
    "A",
];

const VALUES: &[&str] =
    &["", "1", "0", "BAD", "sub", "all", "5s", "never", "@every 1s", "100", "é\t ", "x:y:z"];
