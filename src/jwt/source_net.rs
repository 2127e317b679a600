//! Networks a user may connect from: `192.0.2.0/24`, `2001:db8::/32`.

use std::net::IpAddr;

/// What precedes an IPv4 address in IPv6's notation.
const MAPPED_PREFIX_BITS: u32 = 96;

/// A network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceNet {
    address: IpAddr,
    prefix_bits: u32,
}

impl SourceNet {
    /// Reads CIDR notation.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let prefix_bits =
            bits.parse().ok().filter(|bits| *bits <= if address.is_ipv4() { 32 } else { 128 })?;
        Some(Self { address, prefix_bits }.canonical())
    }

    /// A network of IPv4 addresses in IPv6's notation is one of IPv4, as Go has it.
    fn canonical(self) -> Self {
        match (self.address.to_canonical(), self.prefix_bits.checked_sub(MAPPED_PREFIX_BITS)) {
            (IpAddr::V4(address), Some(prefix_bits)) if self.address.is_ipv6() => {
                Self { address: IpAddr::V4(address), prefix_bits }
            }
            _ => self,
        }
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                same_start(u128::from(net.to_bits()), u128::from(address.to_bits()), 32 - self.prefix_bits)
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                same_start(net.to_bits(), address.to_bits(), 128 - self.prefix_bits)
            }
            _ => false,
        }
    }
}

fn same_start(a: u128, b: u128, host_bits: u32) -> bool {
    (a ^ b).checked_shr(host_bits).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_the_addresses_that_share_its_prefix() {
        for (net, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.77", "192.0.3.1"),
            ("127.0.0.1/32", "127.0.0.1", "127.0.0.2"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
            ("::/0", "::1", "127.0.0.1"),
            ("::ffff:192.0.2.0/120", "192.0.2.77", "192.0.3.1"),
            ("::ffff:0:0/96", "192.0.2.77", "::1"),
            ("::ffff:0:0/90", "::ffc1:0:1", "192.0.2.77"),
        ] {
            let net = SourceNet::parse(net).unwrap();
            assert!(net.contains(inside.parse().unwrap()), "{inside}");
            assert!(!net.contains(outside.parse().unwrap()), "{outside}");
        }
        assert!(SourceNet::parse("0.0.0.0/0").unwrap().contains("::ffff:10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["192.0.2.1", "192.0.2.0/33", "x/8", "::/129", "1.2.3.4/-1"] {
            assert_eq!(SourceNet::parse(text), None, "{text}");
        }
    }
}
