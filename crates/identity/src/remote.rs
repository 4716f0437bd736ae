//! The one place that connects to other servers: public addresses only, each checked and then
//! connected to, and never more than was asked for.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::redirect::Policy;
use url::{Host, Url};

use crate::{OutboundAllow, limits};

/// Why nothing was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchFault {
    #[error("the host has no address")]
    NotResolved,
    #[error("the host has a private or reserved address")]
    AddressRefused,
    #[error("it took longer than {} s", limits::FETCH_TIME_MAX.as_secs())]
    TooSlow,
    #[error("the connection failed")]
    Unreachable,
    #[error("the answer was {0}")]
    Status(u16),
    #[error("the answer was encoded")]
    Encoded,
    #[error("the answer was longer than {} bytes", limits::KEY_SET_BYTES_MAX)]
    TooLong,
}

/// Finds the addresses of a host.
#[async_trait]
pub(crate) trait Resolve: Send + Sync {
    async fn addresses(&self, host: &str, port: u16) -> Vec<IpAddr>;
}

/// The resolver of the operating system.
pub(crate) struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn addresses(&self, host: &str, port: u16) -> Vec<IpAddr> {
        let found = tokio::net::lookup_host((host, port)).await;
        found.map(|all| all.map(|address| address.ip()).collect()).unwrap_or_default()
    }
}

/// Fetches from other servers.
pub(crate) struct Remote {
    allow: OutboundAllow,
    resolver: Arc<dyn Resolve>,
}

impl Remote {
    pub(crate) fn new(allow: OutboundAllow, resolver: Arc<dyn Resolve>) -> Self {
        Self { allow, resolver }
    }

    /// Fetches what a GET of that URL answers with 200.
    pub(crate) async fn get(&self, url: &Url) -> Result<Vec<u8>, FetchFault> {
        let fetching = tokio::time::timeout(limits::FETCH_TIME_MAX, self.get_unhurried(url));
        fetching.await.unwrap_or(Err(FetchFault::TooSlow))
    }

    async fn get_unhurried(&self, url: &Url) -> Result<Vec<u8>, FetchFault> {
        let addresses = self.checked_addresses(url).await?;
        let request = client(url, &addresses)?.get(url.clone());
        let request = request.header("accept", "application/jwk-set+json, application/json");
        let mut answer = request.send().await.map_err(|_| FetchFault::Unreachable)?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(FetchFault::Status(answer.status().as_u16()));
        }
        let encoding = answer.headers().get("content-encoding");
        if encoding.is_some_and(|encoding| encoding != "identity") {
            return Err(FetchFault::Encoded);
        }
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| FetchFault::Unreachable)? {
            if text.len() + chunk.len() > limits::KEY_SET_BYTES_MAX {
                return Err(FetchFault::TooLong);
            }
            text.extend_from_slice(&chunk);
        }
        Ok(text)
    }

    /// The addresses of the URL's host. One that we may not connect to spoils them all.
    async fn checked_addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, FetchFault> {
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(FetchFault::NotResolved);
        };
        let found = match host {
            Host::Ipv4(address) => vec![IpAddr::V4(address)],
            Host::Ipv6(address) => vec![IpAddr::V6(address)],
            Host::Domain(name) => self.resolver.addresses(name, port).await,
        };
        if !found.iter().all(|address| self.allow.may_connect(&host, port, *address)) {
            return Err(FetchFault::AddressRefused);
        }
        let found: Vec<SocketAddr> = found
            .into_iter()
            .take(limits::ADDRESSES_MAX)
            .map(|address| SocketAddr::new(address, port))
            .collect();
        if found.is_empty() { Err(FetchFault::NotResolved) } else { Ok(found) }
    }
}

/// A client for one fetch. It resolves nothing: it knows the addresses that were checked, and no
/// answer of a name server can come between the check and the connection.
fn client(url: &Url, addresses: &[SocketAddr]) -> Result<reqwest::Client, FetchFault> {
    let mut builder = reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(limits::FETCH_TIME_MAX)
        .timeout(limits::FETCH_TIME_MAX)
        .pool_max_idle_per_host(0)
        .dns_resolver(Arc::new(NoResolver));
    if let Some(Host::Domain(name)) = url.host() {
        builder = builder.resolve_to_addrs(name, addresses);
    }
    builder = if url.scheme() == "https" {
        builder.https_only(true)
    } else {
        // No certificate matters, and a machine without any can still fetch.
        builder.tls_certs_only([])
    };
    builder.build().map_err(|_| FetchFault::Unreachable)
}

/// Resolves no name.
struct NoResolver;

impl reqwest::dns::Resolve for NoResolver {
    fn resolve(&self, _: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async { Err("names are resolved before they are connected to".into()) })
    }
}
