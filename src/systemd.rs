//! Telling a service manager how the broker is (sd_notify(3)), if one asks for it.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager that started this process.
pub struct Manager(Option<SocketAddr>);

/// What it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Everything is served.
    Ready,
    /// A new configuration is being taken over; [`Ready`](Self::Ready) follows.
    Reloading,
    /// The end has begun.
    Stopping,
    /// Still alive.
    Watchdog,
}

impl Manager {
    /// The one that `NOTIFY_SOCKET` names, if it does.
    pub fn from_environment() -> Self {
        Self(std::env::var_os("NOTIFY_SOCKET").and_then(|name| address(name.as_encoded_bytes()).ok()))
    }

    /// The one that listens on the socket of this name; `@` stands for the abstract namespace.
    pub fn at(name: &str) -> io::Result<Self> {
        address(name.as_bytes()).map(|address| Self(Some(address)))
    }

    /// Tells it, if there is one.
    pub fn tell(&self, state: State) {
        let Some(address) = &self.0 else { return };
        let text = match state {
            State::Ready => "READY=1".to_owned(),
            State::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_micros()),
            State::Stopping => "STOPPING=1".to_owned(),
            State::Watchdog => "WATCHDOG=1".to_owned(),
        };
        let told = UnixDatagram::unbound().and_then(|socket| {
            // A manager that does not listen must not hold the broker up.
            socket.set_nonblocking(true)?;
            socket.send_to_addr(text.as_bytes(), address)
        });
        if let Err(error) = told {
            log::debug!("service manager: {error}");
        }
    }

    /// How often it wants a sign of life; twice as often as it insists on.
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.0.as_ref()?;
        let micros: u64 = std::env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
        (micros > 0).then(|| Duration::from_micros(micros / 2))
    }
}

fn address(name: &[u8]) -> io::Result<SocketAddr> {
    match name {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
        [b'/', ..] => SocketAddr::from_pathname(String::from_utf8_lossy(name).as_ref()),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

fn monotonic_micros() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_hears_what_happens() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        let manager = Manager::at(path.to_str().unwrap()).unwrap();
        let mut heard = Vec::new();
        for state in [State::Ready, State::Reloading, State::Stopping] {
            manager.tell(state);
            let mut text = [0; 100];
            let length = listener.recv(&mut text).unwrap();
            heard.push(String::from_utf8_lossy(&text[..length]).into_owned());
        }
        assert_eq!((&*heard[0], &*heard[2]), ("READY=1", "STOPPING=1"));
        assert!(heard[1].starts_with("RELOADING=1\nMONOTONIC_USEC="), "{heard:?}");
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        Manager(None).tell(State::Ready);
        assert!(Manager::at("relative").is_err() && Manager::at("@headwater-nobody").is_ok());
        Manager::at("@headwater-nobody").unwrap().tell(State::Ready);
    }
}
