//! The compiled policies of one moment.

use firewarden_fhir::{Id, Issue};
use serde_json::{Map, Value};

/// One stored policy.
pub struct PolicySource {
    /// Its id.
    pub id: Id,
    /// Its content.
    pub content: Map<String, Value>,
}

/// The compiled policies of one moment. A policy that cannot be compiled is kept as one that
/// always fails, and grants nothing.
#[derive(Debug, Default)]
pub struct PolicySet {
    version: u64,
}

impl PolicySet {
    /// Compiles the stored policies, as of that policy version.
    pub fn compile(version: u64, _sources: Vec<PolicySource>) -> Self {
        Self { version }
    }

    /// The policy version it was read at.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The ids of the policies that cannot be compiled, with the first reason: for health and
    /// alarms.
    pub fn broken(&self) -> Vec<(&Id, &Issue)> {
        Vec::new()
    }
}
