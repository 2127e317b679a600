//! Items of a stream of bytes that comes in pieces: what is not yet whole waits.

/// Bytes of which no whole item could be made yet.
#[derive(Debug, Default)]
pub struct Gather {
    waiting: Vec<u8>,
}

/// Memory that is kept while nothing waits.
const IDLE_BYTES_MAX: usize = 256 * 1024;

impl Gather {
    /// Adds a piece and takes whole items from the front. `take` is shown all that is there and tells how much of it the
    /// first item was, or `None` if it is not whole; it must refuse an item that would be longer than it wants to wait for.
    pub fn feed<E>(
        &mut self,
        piece: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<Option<usize>, E>,
    ) -> Result<(), E> {
        if self.waiting.is_empty() {
            let taken = take_all(piece, &mut take)?;
            self.waiting.extend_from_slice(piece.get(taken..).unwrap_or_default());
            return Ok(());
        }
        self.waiting.extend_from_slice(piece);
        let taken = take_all(&self.waiting, &mut take)?;
        self.waiting.drain(..taken.min(self.waiting.len()));
        if self.waiting.is_empty() {
            self.waiting.shrink_to(IDLE_BYTES_MAX);
        }
        Ok(())
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

fn take_all<E>(bytes: &[u8], take: &mut impl FnMut(&[u8]) -> Result<Option<usize>, E>) -> Result<usize, E> {
    let mut taken = 0;
    while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
        match take(rest)? {
            Some(length) => taken += length,
            None => break,
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Items are a length and so many bytes.
    fn take(items: &mut Vec<Vec<u8>>) -> impl FnMut(&[u8]) -> Result<Option<usize>, ()> + '_ {
        |bytes| {
            let length = usize::from(bytes[0]);
            let Some(item) = bytes.get(1..=length) else { return Ok(None) };
            items.push(item.to_vec());
            Ok(Some(1 + length))
        }
    }

    #[test]
    fn items_are_the_same_however_the_bytes_are_cut() {
        let bytes = b"\x03abc\x00\x05defgh\x01i";
        for cut in 1..bytes.len() {
            let (mut gather, mut items) = (Gather::default(), Vec::new());
            for piece in bytes.chunks(cut) {
                gather.feed(piece, take(&mut items)).unwrap();
            }
            assert_eq!(items, [&b"abc"[..], b"", b"defgh", b"i"]);
            assert!(gather.is_empty());
        }
    }

    #[test]
    fn what_is_not_whole_waits() {
        let (mut gather, mut items) = (Gather::default(), Vec::new());
        gather.feed(b"\x02a", take(&mut items)).unwrap();
        assert!(!gather.is_empty() && items.is_empty());
    }
}
