//! The engines: each says of a request whether a policy's rule holds.

use firewarden_fhir::ResourceType;

use crate::Verdict;
use crate::decide::Request;

/// A policy's rule, compiled.
#[derive(Debug)]
pub(crate) enum Engine {
    /// Holds for every request that the policy applies to.
    Allow,
}

impl Engine {
    /// What the rule says. `role_name` limits the roles that it sees.
    pub(crate) fn verdict(&self, _request: &Request<'_>, _role_name: Option<&str>) -> Verdict {
        match self {
            Self::Allow => Verdict::Satisfied,
        }
    }

    /// Whether the rule cannot hold but for requests that name this type.
    pub(crate) fn names(&self, _guarded: ResourceType) -> bool {
        match self {
            Self::Allow => false,
        }
    }
}
