//! How a trace is sent: as it is, or compressed.

use headwater_protocol::headers::HeaderBuilder;

use super::report::Report;
use crate::jetstream::backup::compress::Compressor;

const CONTENT_ENCODING: &[u8] = b"Content-Encoding";

/// Magic number, deflate, no name, no time, no extra flags, unknown system (RFC 1952).
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Between speed and size.
const DEFLATE_LEVEL: u8 = 6;

/// How a trace is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As it is; nobody asked for anything else.
    #[default]
    Plain,
    /// As it is, and saying so: what was asked for is not known.
    Identity,
    /// gzip.
    Gzip,
    /// Snappy, framed.
    Snappy,
}

impl Encoding {
    /// What is made of an `Accept-Encoding`.
    pub fn accepted(value: &str) -> Self {
        let value = value.to_lowercase();
        if value.contains("snappy") || value.contains("s2") {
            Self::Snappy
        } else if value.contains("gzip") {
            Self::Gzip
        } else {
            Self::Identity
        }
    }

    pub(super) fn encode(self, body: Vec<u8>) -> Report {
        let (name, body) = match self {
            Self::Plain => return Report { headers: Vec::new(), body },
            Self::Identity => ("identity", body),
            Self::Gzip => ("gzip", gzip(&body)),
            Self::Snappy => ("snappy", snappy(&body)),
        };
        let headers = HeaderBuilder::new().add(CONTENT_ENCODING, name.as_bytes()).finish();
        Report { headers, body }
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut out = GZIP_HEADER.to_vec();
    out.append(&mut miniz_oxide::deflate::compress_to_vec(plain, DEFLATE_LEVEL));
    out.extend(crc32fast::hash(plain).to_le_bytes());
    out.extend((plain.len() as u32).to_le_bytes());
    out
}

fn snappy(plain: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::snappy();
    compressor.push(plain);
    compressor.finish_frame();
    compressor.take(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_sent_as_it_is() {
        assert_eq!(Encoding::accepted("br"), Encoding::Identity);
        assert_eq!(Encoding::accepted("GZIP, deflate"), Encoding::Gzip);
        assert_eq!(Encoding::accepted("gzip, s2"), Encoding::Snappy);
    }

    #[test]
    fn a_compressed_trace_says_how_and_can_be_read() {
        let plain = b"trace trace trace trace trace trace trace".repeat(100);
        let report = Encoding::Gzip.encode(plain.clone());
        assert_eq!(report.headers, b"NATS/1.0\r\nContent-Encoding: gzip\r\n\r\n");
        let deflated = &report.body[GZIP_HEADER.len()..report.body.len() - 8];
        assert_eq!(miniz_oxide::inflate::decompress_to_vec(deflated).unwrap(), plain);
    }
}
