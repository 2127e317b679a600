//! One connection, seen from the client's side.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Addresses that visitors come from: each has as many ports as there are, and a port rests for a minute after its use.
const ADDRESSES: u64 = 8;

const LOGIN: &[u8] =
    b"CONNECT {\"user\":\"u\",\"pass\":\"p\",\"verbose\":false,\"pedantic\":false}\r\nSUB crowd.* 1\r\nPING\r\n";

/// Connects as visitor number `number` and reads INFO.
pub async fn arrive(addr: SocketAddr, number: u64) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let from = Ipv4Addr::new(127, 0, 0, 1 + u8::try_from(number % ADDRESSES).unwrap_or(0));
    socket.bind((from, 0).into())?;
    let mut stream = socket.connect(addr).await?;
    read_until(&mut stream, b"\r\n").await?;
    Ok(stream)
}

/// Logs in and subscribes.
pub async fn log_in(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(LOGIN).await?;
    read_until(stream, b"PONG\r\n").await
}

async fn read_until(stream: &mut TcpStream, end: &[u8]) -> io::Result<()> {
    let (mut seen, mut chunk) = (Vec::new(), [0; 2048]);
    while !seen.ends_with(end) {
        match stream.read(&mut chunk).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => seen.extend_from_slice(&chunk[..read]),
        }
    }
    Ok(())
}
