//! A request described in JSON, to be explained or tested without being sent.

use std::fmt::Write as _;
use std::net::IpAddr;

use firewarden_fhir::request::{Body, NotServed, RestRequest, Routed};
use firewarden_fhir::search::Handling;
use firewarden_fhir::{Interaction, Issue, Timestamp};
use serde_json::{Map, Value};

use crate::RequestFacts;
use crate::element_path::ElementPath;
use crate::nearest::suggestion;

/// A request that somebody described.
#[derive(Debug)]
pub struct Described {
    /// What it asks for.
    pub interaction: Interaction,
    /// How it would arrive.
    pub facts: RequestFacts,
}

/// What a description may say.
const MEMBERS: &[&str] = &[
    "method",
    "request-method",
    "uri",
    "path",
    "params",
    "headers",
    "remote-addr",
    "scheme",
    "resource",
    "body",
];

impl Described {
    /// Reads `{method, uri, params?, headers?, resource?}`, or the text `GET /fhir/Patient?name=x`.
    /// `at` names it in what is told of its faults.
    pub fn read(request: &Value, at: &str, base_url: &str, now: Timestamp) -> Result<Self, Issue> {
        let at = ElementPath::of(at);
        match request {
            Value::String(line) => {
                let (method, uri) = line.split_once(' ').unwrap_or(("GET", line));
                let mut members = Map::new();
                members.insert("method".to_owned(), method.into());
                members.insert("uri".to_owned(), uri.trim().into());
                Description { members: &members, at }.read(base_url, now)
            }
            Value::Object(members) => Description { members, at }.read(base_url, now),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                let text = "a request is `{method, uri, params, headers, resource}`, or a text such \
                            as `GET /fhir/Patient`";
                Err(Issue::error("structure", text).at(at))
            }
        }
    }
}

struct Description<'a> {
    members: &'a Map<String, Value>,
    at: ElementPath,
}

impl Description<'_> {
    fn read(&self, base_url: &str, now: Timestamp) -> Result<Described, Issue> {
        if let Some(unknown) = self.members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            let text = format!("a request has no `{unknown}` here{}", suggestion(unknown, MEMBERS));
            return Err(Issue::error("structure", text).at(self.at.member(unknown)));
        }
        let method = self.text("method", "request-method")?.unwrap_or("get").to_uppercase();
        let uri = self.text("uri", "path")?;
        let uri = uri.ok_or_else(|| self.wrong("required", "uri", "`uri` is missing"))?;
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let query = self.query(query)?;
        let facts = RequestFacts {
            scheme: match self.text("scheme", "scheme")? {
                Some("http") => "http",
                None | Some("https") => "https",
                Some(_) => return Err(self.wrong("value", "scheme", "`http` or `https`")),
            },
            remote_address: self.remote_address()?,
            headers: self.headers()?,
            query_string: (!query.is_empty()).then(|| query.clone()),
            base_url: base_url.to_owned(),
        };
        let interaction = self.interaction(&method, path, &facts, now)?;
        Ok(Described { interaction, facts })
    }

    fn interaction(
        &self,
        method: &str,
        path: &str,
        facts: &RequestFacts,
        now: Timestamp,
    ) -> Result<Interaction, Issue> {
        match (method, path) {
            ("GET", "/auth/userinfo") => return Ok(Interaction::UserInfo),
            ("GET", "/health/ready") => return Ok(Interaction::HealthDetails),
            ("GET", "/metrics") => return Ok(Interaction::Metrics),
            _ => {}
        }
        let header = |name: &str| {
            let found = facts.headers.iter().find(|(header, _)| header == name);
            found.map(|(_, value)| value.as_str())
        };
        let below = path.strip_prefix('/').unwrap_or(path);
        let request = RestRequest {
            method,
            path: below.strip_prefix("fhir/").unwrap_or(below),
            query: facts.query_string.as_deref().unwrap_or_default(),
            body: self.body()?,
            if_match: header("if-match"),
            if_none_exist: header("if-none-exist"),
            unserved_condition: None,
            handling: Handling::Lenient,
        };
        let Routed { interaction, defect } =
            request.route(&facts.base_url, now).map_err(|not_served| {
                let text = match not_served {
                    NotServed::BadPath => "not a path in its canonical form",
                    NotServed::NotFound => {
                        "there is nothing at this path; describe the entries of a Bundle one by one"
                    }
                    NotServed::Method => "this method is not served at this path",
                };
                self.wrong("value", "uri", text)
            })?;
        match defect {
            Some(defect) => Err(Issue { expression: Some(self.at.to_string()), ..defect }),
            None => Ok(interaction),
        }
    }

    fn body(&self) -> Result<Body, Issue> {
        let sent = self.members.get("resource").or_else(|| self.members.get("body"));
        match sent {
            None => Ok(Body::Empty),
            Some(body @ Value::Object(_)) => Ok(Body::Json(body.clone())),
            Some(_) => Err(self.wrong("structure", "resource", "`resource` is an object")),
        }
    }

    /// The query of the uri, and the parameters behind it.
    fn query(&self, query: &str) -> Result<String, Issue> {
        let mut query = query.to_owned();
        for (name, value) in self.object("params")? {
            let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for value in values {
                let text = match value {
                    Value::String(text) => text.clone(),
                    Value::Bool(_) | Value::Number(_) => value.to_string(),
                    Value::Null | Value::Array(_) | Value::Object(_) => {
                        let text = "a parameter is a text, or a list of texts";
                        return Err(self.wrong("value", "params", text));
                    }
                };
                if !query.is_empty() {
                    query.push('&');
                }
                encode(name, &mut query);
                query.push('=');
                encode(&text, &mut query);
            }
        }
        Ok(query)
    }

    fn headers(&self) -> Result<Vec<(String, String)>, Issue> {
        let header = |(name, value): (&String, &Value)| {
            let value = value.as_str();
            let value = value.ok_or_else(|| self.wrong("value", "headers", "a header is a text"));
            Ok((name.to_ascii_lowercase(), value?.to_owned()))
        };
        self.object("headers")?.map(header).collect()
    }

    fn remote_address(&self) -> Result<Option<IpAddr>, Issue> {
        let text = self.text("remote-addr", "remote-addr")?;
        text.map(|text| {
            text.parse().map_err(|_| self.wrong("value", "remote-addr", "not an IP address"))
        })
        .transpose()
    }

    fn object(&self, name: &str) -> Result<impl Iterator<Item = (&String, &Value)>, Issue> {
        match self.members.get(name) {
            None => Ok(None.into_iter().flatten()),
            Some(Value::Object(members)) => Ok(Some(members).into_iter().flatten()),
            Some(_) => Err(self.wrong("structure", name, &format!("`{name}` is an object"))),
        }
    }

    fn text(&self, name: &str, other: &str) -> Result<Option<&str>, Issue> {
        match self.members.get(name).or_else(|| self.members.get(other)) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(_) => Err(self.wrong("value", name, &format!("`{name}` is a text"))),
        }
    }

    fn wrong(&self, code: &'static str, name: &str, text: &str) -> Issue {
        Issue::error(code, text).at(self.at.member(name))
    }
}

/// Adds a text to a query, percent-encoded.
fn encode(text: &str, query: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/|,".contains(&byte) {
            query.push(char::from(byte));
        } else {
            let _ = write!(query, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn described(request: &Value) -> Result<Described, Issue> {
        let now = Timestamp::UNIX_EPOCH;
        Described::read(request, "request", "http://localhost/fhir", now)
    }

    #[test]
    fn a_described_request_is_the_interaction_that_it_would_be() {
        for (request, method, uri, parameters) in [
            (json!("GET /fhir/Patient?name=x"), "get", "/fhir/Patient", &[("name", "x")][..]),
            (json!("/fhir/Patient/1"), "get", "/fhir/Patient/1", &[]),
            (json!({"uri": "/User/a"}), "get", "/User/a", &[]),
            (
                json!({"uri": "/fhir/Patient?active=true", "params": {"name": ["a b", "c&d"]}}),
                "get",
                "/fhir/Patient",
                &[("active", "true"), ("name", "a b"), ("name", "c&d")],
            ),
            (
                json!({"request-method": "delete", "path": "/fhir/Patient/1"}),
                "delete",
                "/fhir/Patient/1",
                &[],
            ),
            (json!("GET /metrics"), "get", "/metrics", &[]),
        ] {
            let interaction = described(&request).unwrap().interaction;
            assert_eq!((interaction.method(), interaction.uri().as_str()), (method, uri));
            let found: Vec<(&str, &str)> =
                interaction.parameters().iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!(found, parameters, "{request}");
        }
        let put = json!({"method": "PUT", "uri": "/fhir/Patient/1",
            "headers": {"X-Tag": "a"}, "remote-addr": "192.0.2.1",
            "resource": {"resourceType": "Patient", "id": "1", "active": true}});
        let Described { interaction, facts } = described(&put).unwrap();
        assert_eq!(interaction.resource().unwrap().content["active"], true);
        assert_eq!(facts.headers, [("x-tag".to_owned(), "a".to_owned())]);
        assert_eq!(facts.remote_address, Some([192, 0, 2, 1].into()));
    }

    #[test]
    fn what_is_wrong_with_a_description_is_told_with_its_place() {
        for (request, at) in [
            (json!(1), "request"),
            (json!({}), "request.uri"),
            (json!({"uri": 1}), "request.uri"),
            (json!({"uri": "/fhir/Nothing"}), "request.uri"),
            (json!({"uri": "/fhir/%50atient"}), "request.uri"),
            (json!({"uri": "/fhir"}), "request.uri"),
            (json!("PATCH /fhir/Patient/1"), "request.uri"),
            (json!({"uri": "/fhir/Patient", "parms": {}}), "request.parms"),
            (json!({"uri": "/fhir/Patient", "params": []}), "request.params"),
            (json!({"uri": "/fhir/Patient", "params": {"a": {}}}), "request.params"),
            (json!({"uri": "/fhir/Patient", "headers": {"a": 1}}), "request.headers"),
            (json!({"uri": "/fhir/Patient", "remote-addr": "here"}), "request.remote-addr"),
            (json!({"uri": "/fhir/Patient", "scheme": "ftp"}), "request.scheme"),
            (json!({"uri": "/fhir/Patient", "resource": []}), "request.resource"),
            (json!({"uri": "/fhir/Patient?_count=x"}), "request"),
            (json!({"method": "POST", "uri": "/fhir/Patient"}), "request"),
        ] {
            let issue = described(&request).unwrap_err();
            assert_eq!(issue.expression.as_deref(), Some(at), "{request}: {issue:?}");
        }
    }
}
