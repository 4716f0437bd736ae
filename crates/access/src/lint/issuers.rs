//! The issuers that a policy names, to be compared with the introspectors that are stored.

use serde_json::{Map, Value};

use super::{Ask, Finding, LintRule};

/// An issuer that a rule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedIssuer {
    /// The issuer.
    pub issuer: String,
    /// Where in the policy, as a FHIRPath.
    pub place: String,
}

impl NamedIssuer {
    /// The doubt about an issuer that no active introspector trusts.
    pub fn unknown(&self) -> Finding {
        let told = format!("no active TokenIntrospector trusts the issuer `{}`", self.issuer);
        Finding {
            rule: LintRule::UnknownIssuer,
            place: self.place.clone(),
            told,
            example: Some("a token with this `iss` is refused before any policy is asked".into()),
            remedy: Some("save a TokenIntrospector with this very `jwt.iss`, byte for byte".into()),
        }
    }
}

/// The issuers that the rule of a policy asks of `jwt`.
pub fn named_issuers(policy: &Map<String, Value>) -> Vec<NamedIssuer> {
    let facts = super::facts(policy)
        .into_iter()
        .filter(|fact| !fact.is_negated && fact.place() == ["jwt", "iss"]);
    facts
        .filter_map(|fact| match fact.ask {
            Ask::Text(issuer) => Some(NamedIssuer { issuer, place: fact.at.to_string() }),
            Ask::Scalar | Ask::Map | Ask::List | Ask::Expression(_) | Ask::Absent | Ask::Other => {
                None
            }
        })
        .collect()
}
