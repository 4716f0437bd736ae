//! What a policy may learn of the request besides the interaction and the caller.

use std::net::IpAddr;

/// Facts of the HTTP request, the same for every entry of a Bundle.
#[derive(Clone, Debug, Default)]
pub struct RequestFacts {
    /// `http` or `https`, as the client used it.
    pub scheme: &'static str,
    /// The client's address; a trusted proxy's word for it counts.
    pub remote_address: Option<IpAddr>,
    /// Names in lower case, without `authorization`, `cookie` and `x-client-auth`.
    pub headers: Vec<(String, String)>,
    /// The query as it was sent, without `?`.
    pub query_string: Option<String>,
    /// This server's FHIR base URL, without a trailing slash.
    pub base_url: String,
}
