//! TLS whose two halves can be used by two threads.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::{Incoming, Outgoing, read_until};

/// The name the server's certificate is made out to.
const NAME: &str = "localhost";

/// Encrypted bytes read from the socket at once.
const READ_BYTES: usize = 64 * 1024;

/// A server's certificate and key, made for one run.
pub struct Identity {
    pub certificate_pem: String,
    pub key_pem: String,
    certificate: rustls::pki_types::CertificateDer<'static>,
}

impl Identity {
    pub fn new() -> io::Result<Self> {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).map_err(io::Error::other)?;
        Ok(Self {
            certificate_pem: made.cert.pem(),
            key_pem: made.signing_key.serialize_pem(),
            certificate: made.cert.der().clone(),
        })
    }

    /// What a client needs that trusts it.
    pub fn trusted(&self) -> io::Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).map_err(io::Error::other)?;
        Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
    }
}

/// Takes over where the server has said INFO.
pub fn enter(socket: TcpStream, config: &Arc<ClientConfig>) -> io::Result<(Outgoing, Incoming)> {
    let mut socket = socket;
    read_until(&mut socket, b"\r\n")?;
    let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
    let mut session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    let session = Arc::new(Mutex::new(session));
    let incoming = Decrypting {
        session: Arc::clone(&session),
        socket: socket.try_clone()?,
        encrypted: vec![0; READ_BYTES],
        start: 0,
        end: 0,
    };
    Ok((Outgoing::new(Encrypting { session, socket, encrypted: Vec::new() }), Box::new(incoming)))
}

struct Encrypting {
    session: Arc<Mutex<ClientConnection>>,
    socket: TcpStream,
    encrypted: Vec<u8>,
}

impl Write for Encrypting {
    /// The socket is written to while the reading half can go on.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.encrypted.clear();
        let mut session = self.session.lock();
        let taken = session.writer().write(bytes)?;
        while session.wants_write() {
            session.write_tls(&mut self.encrypted)?;
        }
        drop(session);
        self.socket.write_all(&self.encrypted)?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

struct Decrypting {
    session: Arc<Mutex<ClientConnection>>,
    socket: TcpStream,
    encrypted: Vec<u8>,
    start: usize,
    end: usize,
}

impl Read for Decrypting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.lock().reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            if self.start == self.end {
                (self.start, self.end) = (0, self.socket.read(&mut self.encrypted)?);
            }
            let mut left = &self.encrypted[self.start..self.end];
            let mut session = self.session.lock();
            self.start += session.read_tls(&mut left)?;
            session.process_new_packets().map_err(io::Error::other)?;
        }
    }
}
