//! Listening on a name or an address. All addresses means those of IPv4 and of IPv6, however it is written.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};

use rustix::net::sockopt::set_ipv6_v6only;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// Connections that the system may hold until they are accepted.
const BACKLOG: u32 = 1024;

/// Listens on a name or address; port 0 is any free one. Returns the address with the port that it is: `0.0.0.0` stays `0.0.0.0`,
/// although IPv6 is listened on as well. Peers that come over IPv4 may then have addresses like `::ffff:192.0.2.1`.
pub async fn bind(host: &str, port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let host = if host.is_empty() { "0.0.0.0" } else { host };
    let mut last_error = io::Error::new(io::ErrorKind::NotFound, "no such host");
    // A name of both kinds, such as `localhost`, stands for its IPv4 address: whoever has only that one gets through.
    let (v4, v6): (Vec<_>, Vec<_>) = lookup_host((host, port)).await?.partition(SocketAddr::is_ipv4);
    for addr in v4.into_iter().chain(v6) {
        match listen_on(addr) {
            Ok(listener) => {
                let port = listener.local_addr()?.port();
                return Ok((listener, SocketAddr::new(addr.ip(), port)));
            }
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

fn listen_on(addr: SocketAddr) -> io::Result<TcpListener> {
    match addr.ip().is_unspecified() {
        true => or_as_asked(listen_on_both(addr.port()), addr),
        false => listen_at(addr),
    }
}

/// A machine without IPv6 does what it can; that the port is taken is no reason to be content with less.
fn or_as_asked(both: io::Result<TcpListener>, addr: SocketAddr) -> io::Result<TcpListener> {
    both.or_else(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Err(error),
        _ => listen_at(addr),
    })
}

fn listen_on_both(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v6()?;
    set_ipv6_v6only(&socket, false)?;
    listen(socket, SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))
}

fn listen_at(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    listen(socket, addr)
}

fn listen(socket: TcpSocket, addr: SocketAddr) -> io::Result<TcpListener> {
    // A restarted server takes its port back while old connections are still being forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everywhere() -> SocketAddr {
        "0.0.0.0:0".parse().unwrap()
    }

    #[tokio::test]
    async fn without_ipv6_all_addresses_are_those_of_ipv4() {
        for without in [libc::EAFNOSUPPORT, libc::EADDRNOTAVAIL, libc::EPERM] {
            let both = Err(io::Error::from_raw_os_error(without));
            let listener = or_as_asked(both, everywhere()).unwrap();
            assert!(listener.local_addr().unwrap().is_ipv4());
        }
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_not_shared_out() {
        let both = Err(io::Error::from_raw_os_error(libc::EADDRINUSE));
        assert_eq!(or_as_asked(both, everywhere()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let (_listener, addr) = bind("", 0).await.unwrap();
        for host in ["0.0.0.0", "127.0.0.1"] {
            assert_eq!(bind(host, addr.port()).await.unwrap_err().kind(), io::ErrorKind::AddrInUse, "{host}");
        }
    }

    #[tokio::test]
    async fn the_address_is_told_as_it_was_asked_for_with_the_port_it_got() {
        for (asked, told) in [("", "0.0.0.0"), ("0.0.0.0", "0.0.0.0"), ("localhost", "127.0.0.1")] {
            let (listener, addr) = bind(asked, 0).await.unwrap();
            assert_eq!(addr.ip().to_string(), told);
            assert_eq!(addr.port(), listener.local_addr().unwrap().port());
            assert_ne!(addr.port(), 0);
        }
    }
}
