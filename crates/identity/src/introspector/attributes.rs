//! The attributes of a `TokenIntrospector`: those served, those of a later version, and the
//! nearest name of one that is neither.

use firewarden_fhir::Issue;
use serde_json::{Map, Value};

/// What this version does with an attribute.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Served {
    Yes,
    /// Known, and refused rather than ignored: what it asks for would not be done.
    NotYet,
}

const ATTRIBUTES: &[(&str, Served)] = &[
    ("resourceType", Served::Yes),
    ("id", Served::Yes),
    ("meta", Served::Yes),
    ("type", Served::Yes),
    ("active", Served::Yes),
    ("jwks_uri", Served::Yes),
    ("cache_ttl", Served::Yes),
    ("scopes", Served::Yes),
    ("jwt", Served::Yes),
    ("jwt.iss", Served::Yes),
    ("jwt.secret", Served::Yes),
    ("jwt.aud", Served::Yes),
    ("jwt.typ", Served::Yes),
    ("jwt.algorithms", Served::Yes),
    ("jwt.leeway", Served::Yes),
    ("jwt.max_age", Served::Yes),
    ("jwt.required_claims", Served::Yes),
    ("jwt.keys", Served::Yes),
    ("user", Served::Yes),
    ("user.claim", Served::Yes),
    ("user.match", Served::Yes),
    ("user.create", Served::Yes),
    ("client", Served::Yes),
    ("client.claim", Served::Yes),
    ("discovery", Served::Yes),
    ("introspection_endpoint", Served::Yes),
    ("introspection_endpoint.url", Served::Yes),
    ("introspection_endpoint.authorization", Served::Yes),
    ("identity_provider", Served::NotYet),
];

/// Every attribute that is not served, as an error that says how to mend it.
pub(super) fn unknown(content: &Map<String, Value>) -> Vec<Issue> {
    let mut issues = Vec::new();
    for (name, value) in content {
        issues.extend(fault(name));
        let holds_more =
            matches!(name.as_str(), "jwt" | "user" | "client" | "introspection_endpoint");
        if let (true, Value::Object(members)) = (holds_more, value) {
            issues.extend(members.keys().filter_map(|member| fault(&format!("{name}.{member}"))));
        }
    }
    issues
}

fn fault(path: &str) -> Option<Issue> {
    let known = ATTRIBUTES.iter().find(|(name, _)| *name == path);
    let last = path.rsplit('.').next().unwrap_or(path);
    let issue = match known {
        Some((_, Served::Yes)) => return None,
        Some((_, Served::NotYet)) => Issue::error(
            "not-supported",
            format!("`{path}` is not served by this version; leave it out"),
        ),
        None if last.starts_with('_') => Issue::error(
            "not-supported",
            format!(
                "`{path}`: references to secrets are not served; give the secret itself, or start the server with a Bundle that has it"
            ),
        ),
        None => Issue::error(
            "structure",
            format!("unknown attribute `{path}`; did you mean `{}`?", nearest(path)),
        ),
    };
    Some(issue.at(format!("TokenIntrospector.{path}")))
}

/// The served attribute whose name is the most like it, its place counting less.
fn nearest(path: &str) -> &'static str {
    let last = |text: &str| text.rsplit('.').next().unwrap_or(text).to_ascii_lowercase();
    let wanted = last(path);
    ATTRIBUTES
        .iter()
        .filter(|(_, served)| *served == Served::Yes)
        .min_by_key(|(name, _)| distance(&wanted, &last(name)) * 8 + distance(path, name).min(7))
        .map_or("type", |(name, _)| name)
}

/// How many characters must be put in, taken out or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    const COMPARED_MAX: usize = 40;
    let b: Vec<char> = b.chars().take(COMPARED_MAX).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(COMPARED_MAX).enumerate() {
        let mut next = vec![i + 1];
        for ((to, above), diagonal) in b.iter().zip(row.iter().skip(1)).zip(&row) {
            let left = next.last().copied().unwrap_or_default();
            next.push((diagonal + usize::from(from != *to)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered() {
        for (path, expected) in [
            ("jwks_url", "jwks_uri"),
            ("jwt.jwks_uri", "jwks_uri"),
            ("iss", "jwt.iss"),
            ("secret", "jwt.secret"),
            ("jwt.audience", "jwt.aud"),
            ("cacheTtl", "cache_ttl"),
            ("Active", "active"),
            ("user.matches", "user.match"),
        ] {
            assert_eq!(nearest(path), expected, "{path}");
        }
    }

    #[test]
    fn what_a_later_version_serves_is_refused_and_not_ignored() {
        let content = serde_json::json!({
            "type": "jwt",
            "jwt": {"iss": "a", "keys": [], "_secret": {}},
            "discovery": true,
            "introspection_endpoint": {"url": "https://a", "_authorization": {}},
            "client": {"claims": "azp"},
            "user": {"creates": true},
            "identity_provider": {"id": "a"},
            "jwtt": 1,
        });
        let issues = unknown(content.as_object().unwrap());
        let found: Vec<(&str, &str)> =
            issues.iter().map(|issue| (issue.expression.as_deref().unwrap(), issue.code)).collect();
        assert_eq!(
            found,
            [
                ("TokenIntrospector.jwt._secret", "not-supported"),
                ("TokenIntrospector.introspection_endpoint._authorization", "not-supported"),
                ("TokenIntrospector.client.claims", "structure"),
                ("TokenIntrospector.user.creates", "structure"),
                ("TokenIntrospector.identity_provider", "not-supported"),
                ("TokenIntrospector.jwtt", "structure"),
            ]
        );
    }
}
