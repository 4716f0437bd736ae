//! Ports for servers that stop and start again under one address.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;

/// Below those that systems give to outgoing connections: a server that is down for a moment finds
/// its port free again.
const PORTS: Range<u64> = 15_000..32_000;
const ATTEMPTS_MAX: usize = 100;

/// A loopback address on which nobody listens. Another program may still be quicker.
pub(super) fn free() -> Result<SocketAddr, String> {
    (0..ATTEMPTS_MAX)
        .map(|_| any())
        .find(|address| TcpListener::bind(address).is_ok())
        .ok_or_else(|| "no loopback port is free".to_owned())
}

fn any() -> SocketAddr {
    // A hasher's seed is the randomness at hand.
    let offset = RandomState::new().hash_one(()) % (PORTS.end - PORTS.start);
    let port = u16::try_from(PORTS.start + offset).unwrap_or_default();
    (Ipv4Addr::LOCALHOST, port).into()
}
