//! What no request has: the parts of a document whose values are known beforehand.

use std::collections::BTreeSet;

use firewarden_fhir::ResourceType;

use super::{Ask, Fact, Finding, Findings, LintRule};
use crate::document::{CREDENTIAL_HEADERS, KEYS};
use crate::nearest::nearest;

const METHODS: &[&str] = &["get", "post", "put", "patch", "delete"];

/// The ids of `operation` that are not the names of operations.
const OPERATIONS: &[&str] = &[
    "CancelJob",
    "ExplainDecision",
    "ExplainRequest",
    "ExplainShadow",
    "FhirCapabilities",
    "FhirCompartmentSearch",
    "FhirConditionalCreate",
    "FhirConditionalDelete",
    "FhirConditionalPatch",
    "FhirConditionalUpdate",
    "FhirCreate",
    "FhirDelete",
    "FhirHistory",
    "FhirPatch",
    "FhirRead",
    "FhirSearch",
    "FhirUpdate",
    "FhirVread",
    "HealthDetails",
    "ListJobs",
    "Metrics",
    "ReadJob",
    "TestMatcho",
    "TestPolicies",
    "TestPolicy",
    "TestToken",
    "UserInfo",
];

/// Parts that are maps.
const MAPS: &[&str] = &[
    "body",
    "client",
    "headers",
    "jwt",
    "operation",
    "params",
    "resource",
    "session",
    "token",
    "user",
];

/// Parts that are texts.
const TEXTS: &[&str] = &["query-string", "remote-addr", "request-method", "scheme", "uri"];

/// Paths besides those of types.
const OTHER_PATHS: &[&str] = &[
    "/$matcho",
    "/auth/explain",
    "/auth/jobs",
    "/auth/policy-tests",
    "/auth/shadow",
    "/auth/test-policy",
    "/auth/test-token",
    "/auth/userinfo",
    "/fhir/_history",
    "/fhir/metadata",
    "/health/ready",
    "/metrics",
];

/// Tells of facts that no request has.
pub(super) fn look(facts: &[Fact], findings: &mut Findings) {
    let mut unknown = BTreeSet::new();
    for fact in facts {
        let Some(key) = fact.steps.first() else { continue };
        let never = if KEYS.contains(&key.as_str()) {
            never(fact)
        } else {
            unknown.insert(key).then(|| Never::unknown_key(key))
        };
        if let Some(Never { told, example, remedy }) = never {
            let finding = Finding::new(LintRule::NeverHolds, &fact.at, told);
            findings.add(finding.example(example).remedy(remedy));
        }
    }
}

/// Why no request is so: what is wrong, what a request has instead, and what was meant.
pub(crate) struct Never {
    pub(crate) told: String,
    pub(crate) example: String,
    pub(crate) remedy: String,
}

impl Never {
    fn new(
        told: impl Into<String>,
        example: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Option<Self> {
        Some(Self { told: told.into(), example: example.into(), remedy: remedy.into() })
    }

    /// A key that no document has.
    pub(crate) fn unknown_key(key: &str) -> Self {
        let remedy = match nearest(key, KEYS) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("its parts are {}", KEYS.join(", ")),
        };
        Self {
            told: format!("no request has `{key}`"),
            example: format!("`GET /fhir/Patient`, as any request, is without `{key}`"),
            remedy,
        }
    }
}

fn never(fact: &Fact) -> Option<Never> {
    if fact.is_negated || fact.ask == Ask::Absent {
        return None;
    }
    match (fact.place().as_slice(), &fact.ask) {
        (["role"], Ask::Map | Ask::Text(_) | Ask::Scalar | Ask::Expression(_)) => Never::new(
            "`role` is a list, and never a map or a text",
            "a caller with a role has `role: [{name: doctor}]`",
            "`role: {$contains: {name: …}}`, or `roleName` of the policy",
        ),
        ([key], Ask::Text(_) | Ask::Scalar | Ask::List | Ask::Expression(_))
            if MAPS.contains(key) =>
        {
            Never::new(
                format!("`{key}` is a map"),
                format!("a request has `{key}: {{…}}` or none"),
                format!("`{key}: present?` asks whether it is there"),
            )
        }
        ([key], Ask::Map | Ask::List | Ask::Scalar) if TEXTS.contains(key) => Never::new(
            format!("`{key}` is a text"),
            "`GET /fhir/Patient` has `request-method: get` and `uri: /fhir/Patient`",
            "ask for a text or an expression",
        ),
        (["request-method"], Ask::Text(text)) => {
            one_of(text, METHODS, "`GET /fhir/Patient` has `request-method: get`")
        }
        (["scheme"], Ask::Text(text)) => {
            one_of(text, &["http", "https"], "a request has `scheme: https` or `scheme: http`")
        }
        (["operation", "id"], Ask::Text(text)) if !text.starts_with('$') => {
            one_of(text, OPERATIONS, "`GET /fhir/Patient` has `operation: {id: FhirSearch}`")
        }
        (["operation", "resourceType"], Ask::Text(text)) => {
            one_of(text, &["Operation"], "a request has `operation: {resourceType: Operation}`")
        }
        (["params", "resource/type"] | ["resource" | "body", "resourceType"], Ask::Text(text)) => {
            let (told, remedy) = of_type(text)?;
            Never::new(told, "`GET /fhir/Patient` has `params: {resource/type: Patient}`", remedy)
        }
        (["params", name], Ask::Scalar) => Never::new(
            format!("the parameter `{name}` is a text"),
            format!("`GET /fhir/Patient?{name}=5` has `params: {{{name}: \"5\"}}`"),
            "write it in quotes",
        ),
        (["headers", name, ..], _) => header(name),
        (["uri"], Ask::Text(text)) => uri(text),
        (["uri"], Ask::Expression(text)) => uri_expression(text),
        _ => None,
    }
}

fn one_of(text: &str, known: &[&str], example: &str) -> Option<Never> {
    if known.contains(&text) {
        return None;
    }
    let remedy = match nearest(text, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", known.join(", ")),
    };
    Never::new(format!("no request has `{text}` there"), example, remedy)
}

fn of_type(text: &str) -> Option<(String, String)> {
    let names: Vec<&str> = ResourceType::all().map(ResourceType::name).collect();
    if names.contains(&text) {
        return None;
    }
    let remedy = match nearest(text, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write the name of a resource type".to_owned(),
    };
    Some((format!("there is no resource type `{text}`"), remedy))
}

fn header(name: &str) -> Option<Never> {
    let lower = name.to_ascii_lowercase();
    if CREDENTIAL_HEADERS.contains(&lower.as_str()) {
        return Never::new(
            format!("no rule sees the header `{name}`"),
            format!("a request with `{name}` is shown without it"),
            "`jwt`, `token`, `user` and `client` tell what it stands for",
        );
    }
    if lower == name {
        return None;
    }
    Never::new(
        format!("no request has the header `{name}`"),
        format!("`{name}: x` is shown as `headers: {{{lower}: x}}`"),
        format!("write `{lower}`"),
    )
}

/// A path as a whole.
fn uri(text: &str) -> Option<Never> {
    let meant = |path: &str, remedy: String| {
        Never::new(
            format!("no request has the `uri` `{text}`"),
            format!("`GET {path}` has `uri: {path}`"),
            remedy,
        )
    };
    if let Some((path, _)) = text.split_once('?') {
        return meant(path, format!("`uri` has no query: write `{path}`, and ask for `params`"));
    }
    if let Some(ours) = canonical(text) {
        return meant(&ours, format!("ours is `{ours}`"));
    }
    let trimmed = text.trim_end_matches('/');
    if trimmed != text {
        return meant(trimmed, format!("a path has no slash at its end: write `{trimmed}`"));
    }
    if OTHER_PATHS.contains(&text)
        || ["/auth/decisions/", "/auth/jobs/"].iter().any(|below| text.starts_with(below))
    {
        return None;
    }
    let Some(path) = text.strip_prefix('/') else {
        return meant("/fhir/Patient", format!("a path begins with a slash: write `/{text}`"));
    };
    let name = path.strip_prefix("fhir/").unwrap_or(path).split('/').next().unwrap_or_default();
    if name.starts_with('$') {
        return None;
    }
    of_type(name).and_then(|(_, remedy)| meant("/fhir/Patient", remedy))
}

/// An expression that begins where a path does.
fn uri_expression(text: &str) -> Option<Never> {
    let path = text.strip_prefix('^')?;
    let ours = canonical(path)?;
    Never::new(
        format!("no request has a `uri` that begins like `{path}`"),
        format!("`GET {ours}` has `uri: {ours}`"),
        format!("ours begins with `{ours}`"),
    )
}

/// What the author of this path meant, if a type of it stands elsewhere.
fn canonical(text: &str) -> Option<String> {
    let path = text.strip_prefix('/')?;
    let below_fhir = path.strip_prefix("fhir/");
    let path = below_fhir.unwrap_or(path);
    let name = path.split(|c: char| !c.is_ascii_alphabetic()).next()?;
    let rest = path.strip_prefix(name).filter(|rest| is_plain(rest)).unwrap_or_default();
    let of = ResourceType::parse(name)?;
    match (below_fhir, of.is_own()) {
        (None, false) => Some(format!("/fhir/{of}{rest}")),
        (Some(_), true) => Some(format!("/{of}{rest}")),
        (None, true) | (Some(_), false) => None,
    }
}

/// Whether a text is a part of a path, and of no expression.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '$'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element_path::ElementPath;

    fn remedy(path: &str, ask: Ask) -> Option<String> {
        let steps = path.split('.').map(str::to_owned).collect();
        never(&Fact { steps, ask, at: ElementPath::of("x"), is_negated: false })
            .map(|never| never.remedy)
    }

    #[test]
    fn what_no_request_has_is_told_with_what_was_meant() {
        let text = |text: &str| Ask::Text(text.to_owned());
        for (path, ask, meant) in [
            ("request-method", text("GET"), "`get`"),
            ("request-method", text("gte"), "`get`"),
            ("request-method", text("head"), "get, post"),
            ("scheme", text("HTTPS"), "`https`"),
            ("uri", text("/Patient"), "`/fhir/Patient`"),
            ("uri", text("/Patient/1"), "`/fhir/Patient/1`"),
            ("uri", text("/fhir/User/a"), "`/User/a`"),
            ("uri", text("/fhir/Patient?name=a"), "`/fhir/Patient`"),
            ("uri", text("/fhir/Patient/"), "`/fhir/Patient`"),
            ("uri", text("fhir/Patient"), "`/fhir/Patient`"),
            ("uri", text("/fhir/Patien"), "`Patient`"),
            ("uri", Ask::Expression("^/Patient(/.*)?$".to_owned()), "`/fhir/Patient`"),
            ("uri", Ask::Map, "a text"),
            ("params.resource/type", text("patient"), "`Patient`"),
            ("resource.resourceType", text("Observaton"), "`Observation`"),
            ("params._count", Ask::Scalar, "in quotes"),
            ("operation.id", text("FhirSearh"), "`FhirSearch`"),
            ("operation", text("FhirSearch"), "present?"),
            ("role", Ask::Map, "$contains"),
            ("role", text("doctor"), "$contains"),
            ("user", text("alice"), "present?"),
            ("headers.X-Tenant", text("a"), "`x-tenant`"),
            ("headers.authorization", text("a"), "`jwt`"),
        ] {
            let remedy = remedy(path, ask).unwrap_or_else(|| panic!("{path}"));
            assert!(remedy.contains(meant), "{path}: {remedy}");
        }
    }

    #[test]
    fn what_a_request_may_have_is_not_doubted() {
        let text = |text: &str| Ask::Text(text.to_owned());
        for (path, ask) in [
            ("request-method", text("get")),
            ("uri", text("/fhir/Patient")),
            ("uri", text("/fhir/Patient/1/_history/2")),
            ("uri", text("/User/a")),
            ("uri", text("/fhir/_history")),
            ("uri", text("/fhir/$export")),
            ("uri", text("/metrics")),
            ("uri", Ask::Expression("^/fhir/Patient".to_owned())),
            ("uri", Ask::Expression("/Patient".to_owned())),
            ("params.resource/type", text("Patient")),
            ("params.resource/type", text("User")),
            ("params._count", text("5")),
            ("operation.id", text("$everything")),
            ("operation.id", text("FhirConditionalUpdate")),
            ("role", Ask::List),
            ("user", Ask::Map),
            ("user.data.level", Ask::Scalar),
            ("jwt.iss", text("x")),
            ("headers.x-tenant", text("a")),
            ("user", Ask::Absent),
        ] {
            assert_eq!(remedy(path, ask), None, "{path}");
        }
    }
}
