//! Where this server may connect to: public addresses by `https:`, and what the operator allows.

use std::net::IpAddr;

use ipnet::IpNet;
use url::{Host, Url};

/// Ports of `https:` and `http:`; other ports below 1024 belong to other protocols.
const WEB_PORTS: [u16; 2] = [80, 443];
const PRIVILEGED_PORT_MAX: u16 = 1_023;

/// Hosts, ports and networks to which `http:` and private or loopback addresses are allowed.
#[derive(Clone, Debug, Default)]
pub struct OutboundAllow {
    hosts: Vec<(String, Option<u16>)>,
    networks: Vec<IpNet>,
}

/// An entry of the list that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{entry}` is not a host, `host:port` or CIDR network")]
pub struct NotAnAllowance {
    /// The entry.
    pub entry: String,
}

/// Why a URL is not one that we may fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UrlFault {
    #[error("is not an absolute URL")]
    NotAUrl,
    #[error("must begin with `https:`")]
    Scheme,
    #[error(
        "uses `http:`, which is allowed only for hosts named in FIREWARDEN_OUTBOUND_ALLOW; use `https:` or name the host there"
    )]
    NotAllowedHttp,
    #[error("must not carry a user name or password")]
    UserInfo,
    #[error("must not carry a fragment")]
    Fragment,
    #[error(
        "names a port of another protocol; use 443 or one above 1023, or name `host:port` in FIREWARDEN_OUTBOUND_ALLOW"
    )]
    Port,
    #[error(
        "names a private or reserved address; name it in FIREWARDEN_OUTBOUND_ALLOW if it is meant"
    )]
    Address,
}

impl OutboundAllow {
    /// Reads entries separated by commas or blanks: `idp.local`, `idp.local:8443`,
    /// `[::1]:8443`, `10.0.0.0/8`, `127.0.0.1`.
    pub fn parse(text: &str) -> Result<Self, NotAnAllowance> {
        let mut allow = Self::default();
        for entry in text.split([',', ' ', '\t', '\n']).filter(|entry| !entry.is_empty()) {
            allow.add(entry).ok_or_else(|| NotAnAllowance { entry: entry.to_owned() })?;
        }
        Ok(allow)
    }

    fn add(&mut self, entry: &str) -> Option<()> {
        if let Ok(network) = entry.parse::<IpNet>() {
            self.networks.push(network);
            return Some(());
        }
        if let Ok(address) = entry.parse::<IpAddr>() {
            self.networks.push(IpNet::from(address));
            return Some(());
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) if !entry.ends_with(']') => (host, Some(port.parse().ok()?)),
            _ => (entry, None),
        };
        let host = Host::parse(host).ok()?;
        self.hosts.push((host.to_string().to_ascii_lowercase(), port));
        Some(())
    }

    /// Reads a URL that we may be asked to fetch, as far as it can be judged without resolving
    /// its host.
    pub(crate) fn url(&self, text: &str) -> Result<Url, UrlFault> {
        if text.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(UrlFault::NotAUrl);
        }
        let url = Url::parse(text).map_err(|_| UrlFault::NotAUrl)?;
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(UrlFault::Scheme);
        };
        match url.scheme() {
            "https" => {}
            "http" if self.names(&host, port) => {}
            "http" => return Err(UrlFault::NotAllowedHttp),
            _ => return Err(UrlFault::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlFault::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(UrlFault::Fragment);
        }
        if port <= PRIVILEGED_PORT_MAX && !WEB_PORTS.contains(&port) && !self.has(&host, port) {
            return Err(UrlFault::Port);
        }
        let literal = address_of(&host);
        if literal.is_some_and(|address| !self.may_connect(&host, port, address)) {
            return Err(UrlFault::Address);
        }
        Ok(url)
    }

    /// Whether a connection to that host may go to that address of it.
    pub(crate) fn may_connect(&self, host: &Host<&str>, port: u16, address: IpAddr) -> bool {
        is_public(address)
            || self.has(host, port)
            || self.networks.iter().any(|network| network.contains(&address))
    }

    /// Whether the host is named, or is an address inside a named network.
    fn names(&self, host: &Host<&str>, port: u16) -> bool {
        let inside = |address| self.networks.iter().any(|network| network.contains(&address));
        self.has(host, port) || address_of(host).is_some_and(inside)
    }

    fn has(&self, host: &Host<&str>, port: u16) -> bool {
        let host = host.to_string();
        self.hosts.iter().any(|(named, only)| *named == host && only.is_none_or(|p| p == port))
    }
}

fn address_of(host: &Host<&str>) -> Option<IpAddr> {
    match host {
        Host::Ipv4(address) => Some(IpAddr::V4(*address)),
        Host::Ipv6(address) => Some(IpAddr::V6(*address)),
        Host::Domain(_) => None,
    }
}

/// IPv4 networks that are not the public internet (RFC 6890 and its registry).
const RESERVED_V4: [([u8; 4], u32); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// Networks inside 2000::/3 that are not the public internet: protocol assignments (Teredo and
/// ORCHID among them), documentation, 6to4.
const RESERVED_V6: [(u128, u32); 4] = [
    (0x2001_0000 << 96, 23),
    (0x2001_0db8 << 96, 32),
    (0x2002_0000 << 96, 16),
    (0x3fff_0000 << 96, 20),
];

/// Whether an address is of the public internet. Of IPv6 only global unicast is: mapped, NAT64,
/// unique local, link-local and multicast addresses all lie outside.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let bits = u32::from(address);
            !RESERVED_V4.iter().any(|(network, prefix)| {
                (bits ^ u32::from_be_bytes(*network)) >> (32 - prefix) == 0
            })
        }
        IpAddr::V6(address) => {
            let bits = u128::from(address);
            bits >> 125 == 1
                && !RESERVED_V6
                    .iter()
                    .any(|(network, prefix)| (bits ^ network) >> (128 - prefix) == 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for text in [
            "127.0.0.1",
            "127.255.255.255",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "100::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2a00::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn only_https_to_the_open_internet_is_a_url_to_fetch() {
        let allow = OutboundAllow::default();
        for (text, expected) in [
            ("https://idp.example.com/jwks", Ok(())),
            ("https://idp.example.com:8443/jwks?a=b", Ok(())),
            ("https://1.1.1.1/jwks", Ok(())),
            ("http://idp.example.com/jwks", Err(UrlFault::NotAllowedHttp)),
            ("file:///etc/passwd", Err(UrlFault::Scheme)),
            ("gopher://idp.example.com/", Err(UrlFault::Scheme)),
            ("ftp://idp.example.com/", Err(UrlFault::Scheme)),
            ("data:application/json,{}", Err(UrlFault::Scheme)),
            ("https://user@idp.example.com/", Err(UrlFault::UserInfo)),
            ("https://user:pass@idp.example.com/", Err(UrlFault::UserInfo)),
            ("https://idp.example.com/#a", Err(UrlFault::Fragment)),
            ("https://idp.example.com:22/", Err(UrlFault::Port)),
            ("https://idp.example.com:25/", Err(UrlFault::Port)),
            ("https://idp.example.com/\r\nHost: a", Err(UrlFault::NotAUrl)),
            (" https://idp.example.com/", Err(UrlFault::NotAUrl)),
            ("/jwks", Err(UrlFault::NotAUrl)),
            ("https://", Err(UrlFault::NotAUrl)),
            ("https://127.0.0.1/", Err(UrlFault::Address)),
            ("https://127.1/", Err(UrlFault::Address)),
            ("https://0x7f000001/", Err(UrlFault::Address)),
            ("https://2130706433/", Err(UrlFault::Address)),
            ("https://[::1]/", Err(UrlFault::Address)),
            ("https://[::ffff:127.0.0.1]/", Err(UrlFault::Address)),
            ("https://169.254.169.254/latest", Err(UrlFault::Address)),
        ] {
            assert_eq!(allow.url(text).map(|_| ()), expected, "{text}");
        }
    }

    #[test]
    fn the_operator_allows_hosts_ports_and_networks() {
        let allow = OutboundAllow::parse("idp.local, keys.local:8443 10.1.0.0/16,::1").unwrap();
        for (text, allowed) in [
            ("http://idp.local/jwks", true),
            ("http://IDP.local:9000/jwks", true),
            ("https://idp.local:22/jwks", true),
            ("http://idp.local.evil.com/jwks", false),
            ("http://evil-idp.local/jwks", false),
            ("http://keys.local:8443/jwks", true),
            ("http://keys.local/jwks", false),
            ("http://10.1.2.3/jwks", true),
            ("https://10.1.2.3:8443/jwks", true),
            ("http://10.2.2.3/jwks", false),
            ("http://[::1]:8080/jwks", true),
            ("http://localhost/jwks", false),
        ] {
            assert_eq!(allow.url(text).is_ok(), allowed, "{text}");
        }
        let allow = OutboundAllow::parse("[::1]:8443,[::2]").unwrap();
        for (text, allowed) in [
            ("http://[::1]:8443/jwks", true),
            ("http://[::1]:8444/jwks", false),
            ("http://[::2]/jwks", true),
        ] {
            assert_eq!(allow.url(text).is_ok(), allowed, "{text}");
        }
        for entry in ["a b:x", "10.0.0.0/33", "http://idp.local", "a/b", ":80"] {
            assert!(OutboundAllow::parse(entry).is_err(), "{entry}");
        }
    }

    #[test]
    fn a_resolved_address_is_judged_with_its_host() {
        let allow = OutboundAllow::parse("idp.local:8443, 10.1.0.0/16").unwrap();
        let loopback = "127.0.0.1".parse().unwrap();
        let inside = "10.1.2.3".parse().unwrap();
        assert!(allow.may_connect(&Host::Domain("idp.local"), 8443, loopback));
        assert!(!allow.may_connect(&Host::Domain("idp.local"), 443, loopback));
        assert!(!allow.may_connect(&Host::Domain("idp.example.com"), 8443, loopback));
        assert!(allow.may_connect(&Host::Domain("idp.example.com"), 443, inside));
    }
}
