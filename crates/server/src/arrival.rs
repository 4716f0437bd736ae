//! How a request arrived: over which scheme, from which address, and by what name it is logged.

use std::net::IpAddr;

use firewarden_access::RequestFacts;
use firewarden_fhir::Issue;
use http::header::{AUTHORIZATION, COOKIE, FORWARDED, HOST, HeaderName};
use http::{HeaderMap, Version, request::Parts};
use ipnet::IpNet;
use uuid::Uuid;

use crate::failure::Refusal;
use crate::limits;

/// `X-Client-Auth`, which carries a credential.
pub(crate) const X_CLIENT_AUTH: HeaderName = HeaderName::from_static("x-client-auth");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// How the connection reached this server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// The address at the other end.
    pub(crate) address: IpAddr,
    /// Whether it is encrypted.
    pub(crate) tls: bool,
}

/// A request's own name, in the answer's `X-Request-Id` and in the log. Never the client's choice:
/// it must not name another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RequestId(Uuid);

impl RequestId {
    pub(crate) fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The request of that name, as [`Display`](std::fmt::Display) writes it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let id = Uuid::try_parse(text).ok().map(Self)?;
        (id.to_string() == text).then_some(id)
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Refuses what is too long to be looked at, and what another server on the way may have read as
/// another request.
pub(crate) fn check(parts: &Parts) -> Result<(), Refusal> {
    let target_len = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target_len > limits::URI_BYTES_MAX {
        return Err(Refusal::UrlTooLong);
    }
    if parts.headers.get_all(HOST).iter().count() > 1 {
        let issue = Issue::error("invalid", "more than one `Host` was sent");
        return Err(Refusal::BadRequest(issue));
    }
    // RFC 9113 section 8.3.1. In HTTP/1.1 the host of the target counts, whatever `Host` says.
    if let (Version::HTTP_2, Some(authority), Some(host)) =
        (parts.version, parts.uri.authority(), parts.headers.get(HOST))
        && !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes())
    {
        let issue = Issue::error("invalid", "`Host` and `:authority` are different hosts");
        return Err(Refusal::BadRequest(issue));
    }
    Ok(())
}

/// What policies may learn of the request.
pub(crate) fn facts(parts: &Parts, peer: Peer, proxies: &[IpNet], base_url: &str) -> RequestFacts {
    let (remote_address, scheme) = origin(&parts.headers, peer, proxies);
    let is_secret = |name: &HeaderName| [AUTHORIZATION, COOKIE, X_CLIENT_AUTH].contains(name);
    let headers = parts
        .headers
        .iter()
        .filter(|(name, _)| !is_secret(name))
        .filter_map(|(name, value)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect();
    RequestFacts {
        scheme,
        remote_address: Some(remote_address),
        headers,
        query_string: parts.uri.query().map(str::to_owned),
        base_url: base_url.to_owned(),
    }
}

/// The client's address and scheme. A forwarding header counts only as far as trusted proxies
/// wrote it: from the right, up to the first address that is not one of theirs.
pub(crate) fn origin(headers: &HeaderMap, peer: Peer, proxies: &[IpNet]) -> (IpAddr, &'static str) {
    let trusted = |address: IpAddr| {
        let address = address.to_canonical();
        proxies.iter().any(|network| network.contains(&address))
    };
    let direct = if peer.tls { "https" } else { "http" };
    if !trusted(peer.address) {
        return (peer.address, direct);
    }
    let hops = hops(headers);
    let mut address = peer.address;
    let mut scheme = None;
    for hop in hops.iter().rev() {
        scheme = hop.scheme.or(scheme);
        let Some(next) = hop.address else {
            break;
        };
        address = next;
        if !trusted(next) {
            break;
        }
    }
    (address, scheme.unwrap_or(direct))
}

struct Hop {
    address: Option<IpAddr>,
    scheme: Option<&'static str>,
}

/// The hops that `Forwarded` (RFC 7239) lists, or else `X-Forwarded-For`; the nearest last.
fn hops(headers: &HeaderMap) -> Vec<Hop> {
    let lists = |name: &HeaderName| -> Vec<String> {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(|item| item.trim().to_owned()).collect()
    };
    let forwarded = lists(&FORWARDED);
    if !forwarded.is_empty() {
        return forwarded.iter().map(|element| forwarded_hop(element)).collect();
    }
    let scheme = lists(&X_FORWARDED_PROTO).last().and_then(|text| known_scheme(text));
    let addresses = lists(&X_FORWARDED_FOR);
    let last = addresses.len().saturating_sub(1);
    let hop = |(index, text): (usize, &String)| Hop {
        address: node_address(text),
        scheme: scheme.filter(|_| index == last),
    };
    if addresses.is_empty() {
        return vec![Hop { address: None, scheme }];
    }
    addresses.iter().enumerate().map(hop).collect()
}

fn forwarded_hop(element: &str) -> Hop {
    let mut hop = Hop { address: None, scheme: None };
    for pair in element.split(';') {
        let Some((name, value)) = pair.split_once('=') else {
            continue;
        };
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "for" => hop.address = node_address(value),
            "proto" => hop.scheme = known_scheme(value),
            _ => {}
        }
    }
    hop
}

fn known_scheme(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "https" => Some("https"),
        "http" => Some("http"),
        _ => None,
    }
}

/// The address of a node: with or without a port, an IPv6 one in brackets or not.
fn node_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address);
    }
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return Some(address.ip());
    }
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_trusted_proxys_word_counts() {
        let check = |peer: &str, headers: &[(&str, &str)], address: &str, scheme: &str| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                map.append(name, HeaderValue::from_str(value).unwrap());
            }
            let peer = Peer { address: peer.parse().unwrap(), tls: false };
            let proxies = ["10.0.0.0/8".parse().unwrap()];
            let found = origin(&map, peer, &proxies);
            assert_eq!(found, (address.parse().unwrap(), scheme), "{peer:?} {headers:?}");
        };
        let spoofed = ("x-forwarded-for", "1.2.3.4");
        check("9.9.9.9", &[spoofed, ("x-forwarded-proto", "https")], "9.9.9.9", "http");
        check("9.9.9.9", &[("forwarded", "for=1.2.3.4;proto=https")], "9.9.9.9", "http");
        check("10.0.0.1", &[spoofed], "1.2.3.4", "http");
        check("10.0.0.1", &[spoofed, ("x-forwarded-proto", "https")], "1.2.3.4", "https");
        check("10.0.0.1", &[("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.0.0.2")], "1.2.3.4", "http");
        check(
            "10.0.0.1",
            &[("forwarded", "for=\"[2001:db8::1]:80\";proto=https")],
            "2001:db8::1",
            "https",
        );
        check("10.0.0.1", &[("forwarded", "for=unknown")], "10.0.0.1", "http");
        check("10.0.0.1", &[], "10.0.0.1", "http");
        check("10.0.0.1", &[("x-forwarded-proto", "https")], "10.0.0.1", "https");
    }
}
