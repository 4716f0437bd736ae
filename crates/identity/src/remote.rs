//! The one place that connects to other servers: public addresses only, each checked and then
//! connected to, and never more than was asked for.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use moka::sync::Cache;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::outbound::UrlFault;
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
    #[error("the answer was longer than allowed")]
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
    /// Clients by the server and the addresses they may connect to: making one reads the machine's
    /// certificates. They keep no connection.
    clients: Cache<(url::Origin, Vec<SocketAddr>), reqwest::Client>,
}

impl Remote {
    pub(crate) fn new(allow: OutboundAllow, resolver: Arc<dyn Resolve>) -> Self {
        let clients = Cache::builder()
            .max_capacity(limits::OUTBOUND_CLIENTS_MAX)
            .time_to_live(limits::OUTBOUND_CLIENT_AGE_MAX)
            .build();
        Self { allow, resolver, clients }
    }

    /// Reads a URL that a provider names, by the rules for one that an operator names.
    pub(crate) fn url(&self, text: &str) -> Result<Url, UrlFault> {
        self.allow.url(text)
    }

    /// Fetches what a GET of that URL answers with 200.
    pub(crate) async fn get(&self, url: &Url) -> Result<Vec<u8>, FetchFault> {
        let fetching = tokio::time::timeout(limits::FETCH_TIME_MAX, self.get_unhurried(url));
        fetching.await.unwrap_or(Err(FetchFault::TooSlow))
    }

    async fn get_unhurried(&self, url: &Url) -> Result<Vec<u8>, FetchFault> {
        let request = self.client(url).await?.get(url.clone());
        let request = request.header("accept", "application/jwk-set+json, application/json");
        let answer = request.send().await.map_err(|_| FetchFault::Unreachable)?;
        if answer.status() != StatusCode::OK {
            return Err(FetchFault::Status(answer.status().as_u16()));
        }
        body(answer, limits::KEY_SET_BYTES_MAX).await
    }

    /// Sends a form there with that credential, and returns what it answers with one of these
    /// statuses. Neither goes anywhere else: a redirect is an answer like any other.
    pub(crate) async fn post(
        &self,
        url: &Url,
        authorization: &HeaderValue,
        form: Zeroizing<String>,
        statuses: &[u16],
    ) -> Result<(u16, Vec<u8>), FetchFault> {
        let posting = self.post_unhurried(url, authorization, form, statuses);
        let posting = tokio::time::timeout(limits::FETCH_TIME_MAX, posting);
        posting.await.unwrap_or(Err(FetchFault::TooSlow))
    }

    async fn post_unhurried(
        &self,
        url: &Url,
        authorization: &HeaderValue,
        form: Zeroizing<String>,
        statuses: &[u16],
    ) -> Result<(u16, Vec<u8>), FetchFault> {
        let request = self
            .client(url)
            .await?
            .post(url.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(AUTHORIZATION, authorization.clone())
            .body(form.as_bytes().to_vec());
        let answer = request.send().await.map_err(|_| FetchFault::Unreachable)?;
        let status = answer.status().as_u16();
        if !statuses.contains(&status) {
            return Err(FetchFault::Status(status));
        }
        Ok((status, body(answer, limits::ANSWER_BYTES_MAX).await?))
    }

    /// A client that connects to the addresses that were just checked and to no other.
    async fn client(&self, url: &Url) -> Result<reqwest::Client, FetchFault> {
        let key = (url.origin(), self.checked_addresses(url).await?);
        if let Some(client) = self.clients.get(&key) {
            return Ok(client);
        }
        let client = client(url, &key.1)?;
        self.clients.insert(key, client.clone());
        Ok(client)
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

/// The body of an answer, if it is plain and not too long.
async fn body(mut answer: reqwest::Response, bytes_max: usize) -> Result<Vec<u8>, FetchFault> {
    let encoding = answer.headers().get("content-encoding");
    if encoding.is_some_and(|encoding| encoding != "identity") {
        return Err(FetchFault::Encoded);
    }
    if answer.content_length().is_some_and(|bytes| bytes > bytes_max as u64) {
        return Err(FetchFault::TooLong);
    }
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| FetchFault::Unreachable)? {
        if text.len() + chunk.len() > bytes_max {
            return Err(FetchFault::TooLong);
        }
        text.extend_from_slice(&chunk);
    }
    Ok(text)
}

/// A client for one server. It resolves nothing: it knows the addresses that were checked, and no
/// answer of a name server can come between the check and the connection.
fn client(url: &Url, addresses: &[SocketAddr]) -> Result<reqwest::Client, FetchFault> {
    let mut builder = reqwest::Client::builder()
        .user_agent("firewarden")
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use firewarden_testkit::{Answer, FakeProvider};
    use serde_json::json;

    use super::*;

    /// Gives its answers one after the other, the last one for ever.
    struct Answers {
        answers: Mutex<Vec<Vec<IpAddr>>>,
        asked: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl Resolve for Answers {
        async fn addresses(&self, host: &str, _: u16) -> Vec<IpAddr> {
            self.asked.lock().unwrap().push(host.to_owned());
            let mut answers = self.answers.lock().unwrap();
            if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() }
        }
    }

    fn resolving(answers: &[&[&str]]) -> Arc<Answers> {
        let addresses = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let answers = Mutex::new(answers.iter().map(addresses).collect());
        Arc::new(Answers { answers, asked: Mutex::default() })
    }

    fn url(provider: &FakeProvider, host: &str) -> Url {
        let port = provider.address().port();
        format!("http://{host}:{port}/jwks").parse().unwrap()
    }

    #[tokio::test]
    async fn no_connection_goes_to_a_private_or_reserved_address() {
        let provider = FakeProvider::start(Vec::new()).await;
        for address in [
            "127.0.0.1",
            "::1",
            "169.254.169.254",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "fc00::1",
            "fe80::1",
            "0.0.0.0",
            "::",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            let url = url(&provider, "idp.example.com");
            for answer in [&[address][..], &["1.1.1.1", address]] {
                let remote = Remote::new(OutboundAllow::default(), resolving(&[answer]));
                assert_eq!(remote.get(&url).await, Err(FetchFault::AddressRefused), "{answer:?}");
            }
            let literal = match address.parse().unwrap() {
                IpAddr::V4(address) => address.to_string(),
                IpAddr::V6(address) => format!("[{address}]"),
            };
            let remote = Remote::new(OutboundAllow::default(), resolving(&[&[]]));
            let url = self::url(&provider, &literal);
            assert_eq!(remote.get(&url).await, Err(FetchFault::AddressRefused), "{literal}");
        }
        assert_eq!(provider.connections(), 0);
    }

    #[tokio::test]
    async fn a_connection_goes_to_the_address_that_was_checked() {
        let provider = FakeProvider::start(Vec::new()).await;
        let resolver = resolving(&[&["127.0.0.1"], &["127.0.0.2"]]);
        let allow = OutboundAllow::parse("127.0.0.1").unwrap();
        let remote = Remote::new(allow, Arc::<Answers>::clone(&resolver));
        let url = url(&provider, "idp.example.com");
        assert_eq!(remote.get(&url).await.unwrap(), json!({"keys": []}).to_string().into_bytes());
        assert_eq!(*resolver.asked.lock().unwrap(), ["idp.example.com"], "it is asked once");
        // The name now has an address that is not allowed, and there is no second look.
        assert_eq!(remote.get(&url).await, Err(FetchFault::AddressRefused));
        assert_eq!(provider.connections(), 1);
    }

    #[tokio::test]
    async fn an_allowed_host_is_reached_on_its_port_alone() {
        let provider = FakeProvider::start(Vec::new()).await;
        let get = async |allow: &str| {
            let allow = OutboundAllow::parse(allow).unwrap();
            Remote::new(allow, resolving(&[&["127.0.0.1"]])).get(&url(&provider, "idp.local")).await
        };
        let port = provider.address().port();
        assert!(get("idp.local").await.is_ok());
        assert!(get(&format!("idp.local:{port}")).await.is_ok());
        assert_eq!(get("idp.local:1").await, Err(FetchFault::AddressRefused));
        assert_eq!(get("other.local").await, Err(FetchFault::AddressRefused));
    }

    #[tokio::test]
    async fn only_a_plain_answer_of_a_bounded_length_is_taken() {
        let provider = FakeProvider::start(Vec::new()).await;
        let allow = OutboundAllow::parse("127.0.0.1").unwrap();
        let remote = Remote::new(allow, resolving(&[&[]]));
        let longest = "x".repeat(limits::KEY_SET_BYTES_MAX);
        let elsewhere = format!("http://{}/elsewhere", provider.address());
        for (answer, expected) in [
            (Answer::Text(longest.clone()), Ok(longest.clone().into_bytes())),
            (Answer::Text(format!("{longest}x")), Err(FetchFault::TooLong)),
            (Answer::Endless, Err(FetchFault::TooLong)),
            (Answer::Gigabyte, Err(FetchFault::TooLong)),
            (Answer::Status(204), Err(FetchFault::Status(204))),
            (Answer::Redirect(elsewhere), Err(FetchFault::Status(302))),
            (Answer::Compressed, Err(FetchFault::Encoded)),
        ] {
            provider.answer(answer);
            let url = url(&provider, "127.0.0.1");
            assert!(remote.get(&url).await == expected, "{expected:?}");
        }
        assert_eq!(provider.requests_elsewhere(), 0);
    }

    #[tokio::test]
    async fn a_name_without_address_or_listener_is_not_reached() {
        let provider = FakeProvider::start(Vec::new()).await;
        let allow = || OutboundAllow::parse("127.0.0.1").unwrap();
        let remote = Remote::new(allow(), resolving(&[&[]]));
        let url = url(&provider, "idp.example.com");
        assert_eq!(remote.get(&url).await, Err(FetchFault::NotResolved));
        drop(provider);
        let remote = Remote::new(allow(), resolving(&[&["127.0.0.1"]]));
        assert_eq!(remote.get(&url).await, Err(FetchFault::Unreachable));
    }
}
