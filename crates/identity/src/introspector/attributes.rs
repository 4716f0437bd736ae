//! The attributes of a `TokenIntrospector`, and the nearest name of one that is none.

use firewarden_fhir::Issue;
use serde_json::{Map, Value};

const ATTRIBUTES: &[&str] = &[
    "resourceType",
    "id",
    "meta",
    "type",
    "active",
    "jwks_uri",
    "cache_ttl",
    "scopes",
    "jwt",
    "jwt.iss",
    "jwt.secret",
    "jwt.aud",
    "jwt.typ",
    "jwt.algorithms",
    "jwt.leeway",
    "jwt.max_age",
    "jwt.required_claims",
    "jwt.keys",
    "user",
    "user.claim",
    "user.match",
    "user.create",
    "client",
    "client.claim",
    "discovery",
    "introspection_endpoint",
    "introspection_endpoint.url",
    "introspection_endpoint.authorization",
    "identity_provider",
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
    if ATTRIBUTES.contains(&path) {
        return None;
    }
    let last = path.rsplit('.').next().unwrap_or(path);
    let issue = if last.starts_with('_') {
        Issue::error(
            "not-supported",
            format!(
                "`{path}`: references to secrets are not served; give the secret itself, or start the server with a Bundle that has it"
            ),
        )
    } else {
        Issue::error(
            "structure",
            format!("unknown attribute `{path}`; did you mean `{}`?", nearest(path)),
        )
    };
    Some(issue.at(format!("TokenIntrospector.{path}")))
}

/// The served attribute whose name is the most like it, its place counting less.
fn nearest(path: &str) -> &'static str {
    let last = |text: &str| text.rsplit('.').next().unwrap_or(text).to_ascii_lowercase();
    let wanted = last(path);
    ATTRIBUTES
        .iter()
        .min_by_key(|name| distance(&wanted, &last(name)) * 8 + distance(path, name).min(7))
        .unwrap_or(&"type")
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
    fn what_is_not_served_is_refused_and_not_ignored() {
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
                ("TokenIntrospector.jwtt", "structure"),
            ]
        );
    }
}
