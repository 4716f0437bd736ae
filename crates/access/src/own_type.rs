//! Checks of our own types when they are saved: the shapes that trust and access rely on.

mod client;
mod identity_provider;
mod role;
mod secrets;
mod shape;
mod user;

use firewarden_fhir::{Issue, ResourceType, Severity, Timestamp};
use serde_json::{Map, Value};

pub(crate) use self::secrets::hide_sent;
pub use self::secrets::{MASK, SECRET_POINTERS};
use crate::PolicyTest;
use crate::lint::{Finding, lint};

/// Checks an AccessPolicy, AccessPolicyTest, User, Role, Client or IdentityProvider that is to be saved: `Ok` with warnings, or `Err`
/// with what must be mended. Other types are not looked at.
pub fn check(of: ResourceType, content: &Map<String, Value>) -> Result<Vec<Issue>, Vec<Issue>> {
    let issues = match of.name() {
        "AccessPolicyTest" => {
            // Whether it can be read depends neither on where this server is nor on the time.
            let read = PolicyTest::read(content, "http://localhost/fhir", Timestamp::UNIX_EPOCH);
            return read.map(|_| Vec::new());
        }
        "AccessPolicy" => {
            let findings = lint(content)?;
            return Ok(findings.iter().map(Finding::to_issue).collect());
        }
        "User" => user::check(content),
        "Role" => role::check(content),
        "Client" => client::check(content),
        "IdentityProvider" => identity_provider::check(content),
        _ => Vec::new(),
    };
    let refused = issues.iter().any(|issue| issue.severity == Severity::Error);
    if refused { Err(issues) } else { Ok(issues) }
}
