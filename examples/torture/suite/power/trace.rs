//! Reads what strace has written of a broker's system calls.

use std::collections::HashMap;

/// A call that matters for what is on disk, or for what clients were told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    MakeDir(String),
    /// A file is there from now on, if it was not.
    Create {
        path: String,
        truncate: bool,
    },
    Write {
        path: String,
        offset: Option<u64>,
        data: Vec<u8>,
    },
    /// The file is at least so long.
    Extend {
        path: String,
        len: u64,
    },
    /// The file is so long.
    Resize {
        path: String,
        len: u64,
    },
    /// Of a file or a directory.
    Sync(String),
    Rename(String, String),
    Remove(String),
    /// To a client, named by its socket.
    Send {
        socket: String,
        data: Vec<u8>,
    },
}

/// A call with the lines it began and ended in.
#[derive(Debug, Clone)]
pub struct Event {
    pub begin: usize,
    pub end: usize,
    pub call: Call,
}

/// The calls that succeeded, by their beginning.
pub fn parse(text: &str) -> Vec<Event> {
    let mut begun: HashMap<&str, (usize, &str)> = HashMap::new();
    let mut events = Vec::new();
    for (line, content) in text.lines().enumerate() {
        let Some((pid, rest)) = content.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(start) = rest.strip_suffix("<unfinished ...>") {
            begun.insert(pid, (line, start));
        } else if rest.starts_with("<... ") {
            let Some((begin, start)) = begun.remove(pid) else { continue };
            let Some((_, tail)) = rest.split_once("resumed>") else { continue };
            events.extend(call(&format!("{start}{tail}")).map(|call| Event { begin, end: line, call }));
        } else {
            events.extend(call(rest).map(|call| Event { begin: line, end: line, call }));
        }
    }
    // What had not ended yet may have happened all the same; it was never told.
    for (begin, start) in begun.into_values() {
        let calls = call(&format!("{start}) = 0"));
        let unknown = calls.filter(|call| !matches!(call, Call::Sync(_) | Call::Send { .. }));
        events.extend(unknown.map(|call| Event { begin, end: usize::MAX, call }));
    }
    events.sort_by_key(|event| event.begin);
    events
}

fn call(text: &str) -> Option<Call> {
    let (name, rest) = text.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(") = ").or_else(|| rest.rsplit_once(")  "))?;
    let result = result.trim_start_matches([' ', '=']);
    if result.starts_with('-') {
        return None;
    }
    let arguments = split(arguments);
    let path =
        |at: usize| quoted(arguments.get(at)?).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let open_file = || file_of(arguments.first()?);
    let number = |at: usize| arguments.get(at)?.trim().parse::<u64>().ok();
    Some(match name {
        "mkdir" => Call::MakeDir(path(0)?),
        "mkdirat" => Call::MakeDir(path(1)?),
        "openat" => {
            let flags = arguments.get(2)?;
            let truncate = flags.contains("O_TRUNC");
            return (flags.contains("O_CREAT") || truncate)
                .then(|| path(1))
                .flatten()
                .map(|path| Call::Create { path, truncate });
        }
        "pwrite64" => Call::Write { path: open_file()?, offset: number(3), data: quoted(arguments.get(1)?)? },
        "write" | "sendto" | "writev" | "sendmsg" => {
            let target = open_file()?;
            let mut data = all_quoted(arguments.get(1)?);
            data.truncate(result.split(' ').next()?.parse().unwrap_or(usize::MAX));
            if target.starts_with('/') {
                Call::Write { path: target, offset: None, data }
            } else {
                Call::Send { socket: target, data }
            }
        }
        "fdatasync" | "fsync" => Call::Sync(open_file()?),
        "fallocate" => Call::Extend { path: open_file()?, len: number(2)? + number(3)? },
        "ftruncate" => Call::Resize { path: open_file()?, len: number(1)? },
        "rename" => Call::Rename(path(0)?, path(1)?),
        "renameat" | "renameat2" => Call::Rename(path(1)?, path(3)?),
        "unlink" | "rmdir" => Call::Remove(path(0)?),
        "unlinkat" => Call::Remove(path(1)?),
        _ => return None,
    })
}

/// Arguments; no comma is part of one but in brackets, for all strings are in hexadecimal digits.
fn split(arguments: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, byte) in arguments.bytes().enumerate() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(arguments[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(arguments[start..].trim());
    parts
}

/// The bytes of `"\x61\x62"`.
fn quoted(text: &str) -> Option<Vec<u8>> {
    let inner = text.split('"').nth(1)?;
    Some(unescape(inner))
}

fn all_quoted(text: &str) -> Vec<u8> {
    text.split('"').skip(1).step_by(2).flat_map(unescape).collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap_or(0) as u8;
    text.as_bytes().chunks_exact(4).map(|code| digit(code[2]) << 4 | digit(code[3])).collect()
}

/// What a descriptor is: `9<path>`.
fn file_of(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('<')?;
    let path = rest.rsplit_once('>')?.0;
    let plain = if path.starts_with("\\x") {
        String::from_utf8_lossy(&unescape(path)).into_owned()
    } else {
        path.to_owned()
    };
    Some(plain)
}
