//! Taking one token apart.

/// How a token is cut. The number that goes with it counts bytes; where it is not between 1 and the token's length less one,
/// the token stays whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// In two, that many bytes from the start.
    SplitFromLeft,
    /// In two, that many bytes from the end.
    SplitFromRight,
    /// Into pieces of that size; the last may be shorter.
    SliceFromLeft,
    /// Into pieces of that size; the first may be shorter.
    SliceFromRight,
    /// That many bytes from the start, and no more.
    Left,
    /// That many bytes from the end, and no more.
    Right,
}

impl Cut {
    pub fn write(self, out: &mut Vec<u8>, token: &[u8], size: i32) {
        let size = usize::try_from(size).unwrap_or(0);
        if size == 0 || size >= token.len() {
            out.extend_from_slice(token);
            return;
        }
        let from_end = token.len() - size;
        match self {
            Cut::SplitFromLeft => write_joined(out, [&token[..size], &token[size..]]),
            Cut::SplitFromRight => write_joined(out, [&token[..from_end], &token[from_end..]]),
            Cut::SliceFromLeft => write_joined(out, token.chunks(size)),
            Cut::SliceFromRight => {
                let (head, tail) = token.split_at(token.len() % size);
                write_joined(out, std::iter::once(head).chain(tail.chunks(size)));
            }
            Cut::Left => out.extend_from_slice(&token[..size]),
            Cut::Right => out.extend_from_slice(&token[from_end..]),
        }
    }
}

/// The pieces between delimiters; between characters if the delimiter is empty.
pub(super) fn write_split(out: &mut Vec<u8>, token: &[u8], delimiter: &[u8]) {
    if delimiter.is_empty() {
        write_joined(out, token.chunk_by(|_, next| is_inside_character(*next)));
        return;
    }
    let mut rest = Some(token);
    let pieces = std::iter::from_fn(|| {
        let all = rest?;
        let Some(at) = memchr::memmem::find(all, delimiter) else {
            return rest.take();
        };
        rest = Some(&all[at + delimiter.len()..]);
        Some(&all[..at])
    });
    write_joined(out, pieces);
}

/// Empty pieces are left out: they would make empty tokens.
fn write_joined<'a>(out: &mut Vec<u8>, pieces: impl IntoIterator<Item = &'a [u8]>) {
    let mut first = true;
    for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
        if !first {
            out.push(b'.');
        }
        first = false;
        out.extend_from_slice(piece);
    }
}

/// Whether a byte continues a UTF-8 character.
fn is_inside_character(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}
