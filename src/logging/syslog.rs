//! Lines for the system's log daemon, on this machine or another.

use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::clock::{Clock, UnixNanos};

/// Where daemons listen on this machine.
const LOCAL_SOCKETS: [&str; 3] = ["/dev/log", "/var/run/syslog", "/var/run/log"];

/// How the program calls itself there.
const TAG: &str = "headwater";

/// How long a daemon elsewhere may take to answer, or to take a line.
const TIME_MAX: Duration = Duration::from_secs(2);

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A log daemon. Lines that it does not take are lost.
pub struct Syslog {
    /// `udp://host:port`, `tcp://host:port` or `unix:///path`; `None` for the daemon of this machine.
    remote: Option<String>,
    connection: Option<Connection>,
    host: String,
}

enum Connection {
    Unix(UnixDatagram),
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Syslog {
    /// Connects; fails if there is no such daemon.
    pub(super) fn open(remote: Option<&str>) -> io::Result<Self> {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = if host.trim().is_empty() { "localhost" } else { host.trim() };
        let connection = Some(connect(remote)?);
        Ok(Self { remote: remote.map(str::to_owned), connection, host: host.to_owned() })
    }

    /// Sends whole lines, each of which begins with its priority: `<30>text`.
    pub(super) fn write(&mut self, lines: &str, clock: &dyn Clock) -> io::Result<()> {
        lines.lines().try_for_each(|line| self.send(&self.framed(line, clock.now())))
    }

    fn framed(&self, line: &str, now: UnixNanos) -> String {
        let (priority, text) = line.split_at(line.find('>').map_or(0, |end| end + 1));
        let moment = Timestamp::from_second(now.div_euclid(1_000_000_000)).unwrap_or(Timestamp::UNIX_EPOCH);
        let pid = std::process::id();
        match self.remote {
            Some(_) => format!("{priority}{moment} {} {TAG}[{pid}]: {text}\n", self.host),
            None => {
                format!("{priority}{} {TAG}[{pid}]: {text}\n", stamp(TimeZone::system().to_datetime(moment)))
            }
        }
    }

    /// Tries once more on a new connection, as after a restart of the daemon.
    fn send(&mut self, line: &str) -> io::Result<()> {
        if let Some(connection) = &mut self.connection
            && connection.send(line.as_bytes()).is_ok()
        {
            return Ok(());
        }
        self.connection = None;
        let mut connection = connect(self.remote.as_deref())?;
        connection.send(line.as_bytes())?;
        self.connection = Some(connection);
        Ok(())
    }
}

impl Connection {
    fn send(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Unix(socket) => socket.send(line).map(drop),
            Self::Udp(socket) => socket.send(line).map(drop),
            Self::Tcp(stream) => stream.write_all(line),
        }
    }
}

fn connect(remote: Option<&str>) -> io::Result<Connection> {
    let Some(remote) = remote else { return connect_locally() };
    match remote.split_once("://") {
        Some(("udp", address)) => connect_udp(address),
        Some(("tcp", address)) => connect_tcp(address),
        Some(("unix", path)) => connect_unix(path),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{remote:?} is no syslog address"))),
    }
}

fn connect_locally() -> io::Result<Connection> {
    let mut connected = LOCAL_SOCKETS.iter().map(|path| connect_unix(path));
    connected.find(Result::is_ok).unwrap_or_else(|| Err(io::Error::other("no syslog daemon on this machine")))
}

fn connect_unix(path: &str) -> io::Result<Connection> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_write_timeout(Some(TIME_MAX))?;
    Ok(Connection::Unix(socket))
}

fn connect_udp(address: &str) -> io::Result<Connection> {
    let remote = resolve(address)?;
    let socket = UdpSocket::bind(if remote.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    socket.connect(remote)?;
    Ok(Connection::Udp(socket))
}

fn connect_tcp(address: &str) -> io::Result<Connection> {
    let stream = TcpStream::connect_timeout(&resolve(address)?, TIME_MAX)?;
    stream.set_write_timeout(Some(TIME_MAX))?;
    Ok(Connection::Tcp(stream))
}

fn resolve(address: &str) -> io::Result<std::net::SocketAddr> {
    address.to_socket_addrs()?.next().ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// `Jan _2 15:04:05`, as daemons expect it of programs on their own machine.
fn stamp(time: DateTime) -> String {
    let month =
        usize::try_from(time.month() - 1).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or("Jan");
    format!("{month} {:>2} {:02}:{:02}:{:02}", time.day(), time.hour(), time.minute(), time.second())
}
