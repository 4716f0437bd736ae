//! What a policy may learn of the request besides the interaction and the caller.

use std::net::IpAddr;
use std::sync::Arc;

/// Facts of the HTTP request; an entry of a Bundle differs from it in the query.
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

impl RequestFacts {
    /// The facts of an entry of a Bundle: those of its envelope, but for the query, which is that
    /// of the entry's own URL.
    #[must_use]
    pub fn of_entry(self: &Arc<Self>, query_string: Option<&str>) -> Arc<Self> {
        if self.query_string.as_deref() == query_string {
            return Arc::clone(self);
        }
        let query_string = query_string.map(str::to_owned);
        Arc::new(Self { query_string, ..Self::clone(self) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_a_query_of_its_own_and_never_that_of_its_envelope() {
        let envelope = Arc::new(RequestFacts {
            scheme: "https",
            remote_address: None,
            headers: Vec::new(),
            query_string: Some("of=envelope".to_owned()),
            base_url: "https://fw.example/fhir".to_owned(),
        });
        for query in [None, Some("of=entry"), Some("of=envelope")] {
            let facts = envelope.of_entry(query);
            assert_eq!(facts.query_string.as_deref(), query);
            assert_eq!(facts.base_url, envelope.base_url);
        }
    }
}
