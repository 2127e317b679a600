//! Where a web page comes from: scheme, host and port (RFC 6454).

/// An origin; hosts are in lower case, ports spelled out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    is_encrypted: bool,
    host: String,
    port: String,
}

impl Origin {
    /// Reads `http://host[:port]` or `https://…`; what follows the host is ignored.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let is_encrypted = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#']).next().filter(|authority| !authority.is_empty())?;
        Some(Self::of_host(authority, is_encrypted))
    }

    /// From `host[:port]`, as a request names the server.
    pub(super) fn of_host(authority: &str, is_encrypted: bool) -> Self {
        let default_port = if is_encrypted { "443" } else { "80" };
        // The colons of an IPv6 address stand in brackets.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port),
            _ => (authority, default_port),
        };
        Self { is_encrypted, host: host.to_ascii_lowercase(), port: port.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_may_be_left_out() {
        assert_eq!(Origin::parse("http://A.b/c?d"), Some(Origin::of_host("a.b:80", false)));
        assert_eq!(Origin::parse("https://[::1]"), Some(Origin::of_host("[::1]:443", true)));
        assert_ne!(Origin::parse("https://a:80"), Some(Origin::of_host("a", false)));
        for bad in ["ftp://a", "a", "http://", "null"] {
            assert_eq!(Origin::parse(bad), None);
        }
    }
}
