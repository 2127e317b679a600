//! The PROXY protocol, versions 1 and 2: a load balancer says in front of the first byte whom it speaks for.
//!
//! A connection that does not begin with such a header is taken as it is: with `proxy_protocol` the listener has to be reachable for
//! proxies only, because whoever can reach it can say to be anybody.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// How long a header may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause before another look at a header of which only the first bytes have come.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

const V1_PREFIX: &[u8] = b"PROXY ";
const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Longest line of version 1, its end included.
const V1_LINE_BYTES_MAX: usize = 107;

/// Longest part behind the fixed one of version 2: addresses and what proxies add to them.
const V2_REST_BYTES_MAX: usize = 4096;

/// Why a connection that begins like a PROXY header is not served.
#[derive(Debug)]
pub enum ProxyError {
    /// Nothing, or not enough, came in time.
    TimedOut,
    /// The connection failed.
    Failed(io::Error),
    /// It is no such header.
    Malformed(&'static str),
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("timeout reading PROXY protocol header"),
            Self::Failed(error) => error.fmt(f),
            Self::Malformed(reason) => write!(f, "invalid PROXY protocol header: {reason}"),
        }
    }
}

impl std::error::Error for ProxyError {}

impl From<io::Error> for ProxyError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

enum Version {
    One,
    Two,
}

/// Reads the header, if there is one, and nothing behind it. `None`: the peer speaks for itself.
pub async fn read_header(stream: &mut TcpStream) -> Result<Option<SocketAddr>, ProxyError> {
    let reading = async {
        match version(stream).await? {
            Some(Version::One) => read_line(stream).await,
            Some(Version::Two) => read_binary(stream).await,
            None => Ok(None),
        }
    };
    timeout(HEADER_TIMEOUT, reading).await.map_err(|_| ProxyError::TimedOut)?
}

/// Looks at the first bytes without taking them.
async fn version(stream: &TcpStream) -> Result<Option<Version>, ProxyError> {
    let mut bytes = [0; V2_SIGNATURE.len()];
    loop {
        let seen = stream.peek(&mut bytes).await?;
        let bytes = bytes.get(..seen).unwrap_or_default();
        if bytes.starts_with(V1_PREFIX) {
            return Ok(Some(Version::One));
        }
        if bytes == V2_SIGNATURE {
            return Ok(Some(Version::Two));
        }
        let may_become = V1_PREFIX.starts_with(bytes) || V2_SIGNATURE.starts_with(bytes);
        if bytes.is_empty() || !may_become {
            return Ok(None);
        }
        sleep(LOOK_AGAIN).await;
    }
}

async fn read_line(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, ProxyError> {
    let mut line = Vec::with_capacity(V1_LINE_BYTES_MAX);
    while !line.ends_with(b"\r\n") {
        if line.len() >= V1_LINE_BYTES_MAX {
            return Err(ProxyError::Malformed("line too long"));
        }
        line.push(stream.read_u8().await?);
    }
    let text = std::str::from_utf8(&line).map_err(|_| ProxyError::Malformed("not text"))?;
    parse_line(text.trim_end())
}

fn parse_line(line: &str) -> Result<Option<SocketAddr>, ProxyError> {
    let fields: Vec<&str> = line.split(' ').collect();
    match fields.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", family @ ("TCP4" | "TCP6"), from, to, from_port, to_port] => {
            let address = |text: &str| match *family {
                "TCP4" => text.parse::<Ipv4Addr>().map(IpAddr::from).ok(),
                _ => text.parse::<Ipv6Addr>().map(IpAddr::from).ok(),
            };
            let (from, to) = (address(from), address(to));
            let ports = from_port.parse::<u16>().ok().zip(to_port.parse::<u16>().ok());
            match (from, to, ports) {
                (Some(from), Some(_), Some((port, _))) => {
                    Ok(Some(SocketAddr::new(from.to_canonical(), port)))
                }
                _ => Err(ProxyError::Malformed("bad address or port")),
            }
        }
        _ => Err(ProxyError::Malformed("unknown fields")),
    }
}

async fn read_binary(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, ProxyError> {
    let mut fixed = [0; V2_SIGNATURE.len() + 4];
    stream.read_exact(&mut fixed).await?;
    let [.., version_and_command, family, high, low] = fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > V2_REST_BYTES_MAX {
        return Err(ProxyError::Malformed("too long"));
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    match (version_and_command, family) {
        // The proxy speaks for itself, as in a health check; or for something that has no address.
        (0x20, _) | (0x21, 0x01) => Ok(None),
        (0x21, 0x11) => parse_addresses::<4, 12>(&rest).map(Some),
        (0x21, 0x21) => parse_addresses::<16, 36>(&rest).map(Some),
        (0x21, _) => Err(ProxyError::Malformed("only TCP is supported")),
        _ => Err(ProxyError::Malformed("unknown version or command")),
    }
}

/// Two addresses, then their ports.
fn parse_addresses<const ADDRESS: usize, const ALL: usize>(rest: &[u8]) -> Result<SocketAddr, ProxyError>
where
    [u8; ADDRESS]: Into<IpAddr>,
{
    let parse = || {
        let all: &[u8; ALL] = rest.first_chunk()?;
        let address: [u8; ADDRESS] = *all.first_chunk()?;
        let port = all.get(2 * ADDRESS..)?.first_chunk()?;
        let address: IpAddr = address.into();
        Some(SocketAddr::new(address.to_canonical(), u16::from_be_bytes(*port)))
    };
    parse().ok_or(ProxyError::Malformed("addresses too short"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(line: &str) -> Option<Option<SocketAddr>> {
        parse_line(line).ok()
    }

    #[test]
    fn a_line_names_the_client() {
        let v4 = "192.0.2.7:4000".parse().unwrap();
        assert_eq!(from("PROXY TCP4 192.0.2.7 10.0.0.1 4000 4222"), Some(Some(v4)));
        let v6 = "[2001:db8::1]:5".parse().unwrap();
        assert_eq!(from("PROXY TCP6 2001:db8::1 ::1 5 4222"), Some(Some(v6)));
        let mapped = "PROXY TCP6 ::ffff:192.0.2.7 ::ffff:10.0.0.1 4000 4222";
        assert_eq!(from(mapped), Some(Some(v4)), "a proxy that listens on both");
        assert_eq!(from("PROXY UNKNOWN"), Some(None));
        for bad in [
            "PROXY TCP4 ::1 ::1 1 2",
            "PROXY TCP6 1.2.3.4 1.2.3.4 1 2",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 70000",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1",
            "PROXY UDP4 1.2.3.4 1.2.3.4 1 2",
            "PROXY ",
        ] {
            assert_eq!(from(bad), None, "{bad}");
        }
    }

    async fn binary(command: u8, family: u8, rest: &[u8]) -> Option<Option<SocketAddr>> {
        let length = (rest.len() as u16).to_be_bytes();
        let header = [V2_SIGNATURE, &[command, family], &length, rest].concat();
        read_binary(&mut header.as_slice()).await.ok()
    }

    #[tokio::test]
    async fn a_binary_header_names_the_client() {
        let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 15, 160, 16, 126, 4, 0, 0];
        assert_eq!(binary(0x21, 0x11, &v4).await, Some(Some("192.0.2.7:4000".parse().unwrap())));
        let mut v6 = [0; 36];
        (v6[15], v6[33]) = (1, 9);
        assert_eq!(binary(0x21, 0x21, &v6).await, Some(Some("[::1]:9".parse().unwrap())));
        assert_eq!(binary(0x20, 0x00, b"").await, Some(None), "a health check");
        assert_eq!(binary(0x21, 0x11, &v4[..11]).await, None, "too short");
        assert_eq!(binary(0x21, 0x12, &v4).await, None, "UDP");
        assert_eq!(binary(0x11, 0x11, &v4).await, None, "another version");
        assert_eq!(binary(0x21, 0x11, &[0; V2_REST_BYTES_MAX + 1]).await, None, "too long");
    }
}
