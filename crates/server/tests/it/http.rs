//! Asks a server over HTTP, and takes its answers apart.

use std::pin::Pin;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// A server to ask, and the root client's credential.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) url: String,
    pub(crate) root: String,
    http: reqwest::Client,
}

impl Site {
    pub(crate) fn new(url: &str, root_secret: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy();
        Self::with_client(url, root_secret, http.build().unwrap())
    }

    pub(crate) fn with_client(url: &str, root_secret: &str, http: reqwest::Client) -> Self {
        let root = basic("root", root_secret);
        Self { url: url.to_owned(), root, http }
    }

    /// A request without a credential: `GET /fhir/Patient`.
    pub(crate) fn ask(&self, line: &str) -> Ask {
        let (method, path) = line.split_once(' ').expect("METHOD /path");
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("{}{path}", self.url);
        Ask { line: line.to_owned(), request: self.http.request(method, url) }
    }

    pub(crate) fn root(&self, line: &str) -> Ask {
        self.ask(line).header("authorization", &self.root)
    }

    pub(crate) fn bearer(&self, token: &str, line: &str) -> Ask {
        self.ask(line).header("authorization", &format!("Bearer {token}"))
    }

    /// Puts a resource as the root client; it must be taken.
    pub(crate) async fn put(&self, resource: Value) -> Answer {
        let (of, id) = (&resource["resourceType"], &resource["id"]);
        let (of, id) = (of.as_str().unwrap(), id.as_str().unwrap());
        let base = if is_own(of) { "" } else { "/fhir" };
        let answer = self.root(&format!("PUT {base}/{of}/{id}")).json(&resource).await;
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        answer
    }

    /// Deletes as the root client; it must be done.
    pub(crate) async fn delete(&self, path: &str) {
        let answer = self.root(&format!("DELETE {path}")).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }
}

/// The credential of a client.
pub(crate) fn basic(client: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")))
}

/// Whether a type is one of our own, which stand at the root.
pub(crate) fn is_own(name: &str) -> bool {
    const OWN: [&str; 7] = [
        "AccessPolicy",
        "AccessPolicyTest",
        "TokenIntrospector",
        "User",
        "Role",
        "Client",
        "Session",
    ];
    OWN.contains(&name)
}

/// A request that is being written; it is sent when awaited.
pub(crate) struct Ask {
    line: String,
    request: reqwest::RequestBuilder,
}

impl Ask {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/fhir+json", body.to_string())
    }

    pub(crate) fn yaml(self, body: &str) -> Self {
        self.body("text/yaml", body.to_owned())
    }

    pub(crate) fn form(self, body: &str) -> Self {
        self.body("application/x-www-form-urlencoded", body.to_owned())
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl Into<reqwest::Body>) -> Self {
        self.request = self.request.header("content-type", content_type).body(body);
        self
    }

    async fn send(self) -> Result<Answer, reqwest::Error> {
        let response = self.request.send().await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await?;
        Ok(Answer { line: self.line, status, headers, text })
    }

    /// The answer, or why there is none.
    pub(crate) async fn attempt(self) -> Result<Answer, reqwest::Error> {
        self.send().await
    }
}

impl IntoFuture for Ask {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async {
            let line = self.line.clone();
            self.send().await.unwrap_or_else(|error| panic!("{line}: {error:?}"))
        })
    }
}

/// An answer.
pub(crate) struct Answer {
    line: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }

    /// The part of the body at a JSON Pointer; null where there is none.
    pub(crate) fn at(&self, pointer: &str) -> Value {
        self.json().pointer(pointer).cloned().unwrap_or(Value::Null)
    }

    /// The ids of the matches of a search, in their order.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.ids_where(|mode| mode != "outcome" && mode != "include")
    }

    /// The ids of the entries of those search modes, in their order.
    pub(crate) fn ids_where(&self, wanted: impl Fn(&Value) -> bool) -> Vec<String> {
        let bundle = self.json();
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        let matches = entries.iter().filter(|entry| wanted(&entry["search"]["mode"]));
        matches.map(|entry| entry["resource"]["id"].as_str().unwrap_or_default().into()).collect()
    }

    /// The URL of a link of a Bundle, below the server's.
    pub(crate) fn link(&self, relation: &str) -> Option<String> {
        let bundle = self.json();
        let mut links = bundle["link"].as_array()?.iter();
        let link = links.find(|link| link["relation"] == relation)?;
        let url: reqwest::Url = link["url"].as_str()?.parse().unwrap();
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        Some(format!("{}{query}", url.path()))
    }

    /// That the status is this one.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} -> {}\n{:?}\n{}", self.line, self.status, self.headers, self.text)
    }
}
