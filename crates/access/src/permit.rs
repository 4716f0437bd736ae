//! A permit: an interaction that the policies granted, and the rows it may touch.

use firewarden_fhir::{Interaction, ResourceType};

use crate::RowFilter;

/// One granted interaction. Only [`decide`](crate::decide) makes one, and
/// [`SystemTask::permit`](crate::SystemTask::permit) for the server's own closed list of tasks.
#[derive(Debug)]
pub struct Permitted {
    interaction: Interaction,
}

impl Permitted {
    /// What was granted.
    pub fn interaction(&self) -> &Interaction {
        &self.interaction
    }

    /// The rows of a type that this interaction may touch. For the interaction's own type, what
    /// its policies granted; for every other, what the same caller would be granted for a plain
    /// search of that type.
    pub fn rows(&self, _of: ResourceType) -> RowFilter {
        RowFilter::nothing()
    }

    /// The version of the policies it was decided on; `None` for a system task, which does not
    /// depend on policies.
    pub fn policy_version(&self) -> Option<u64> {
        None
    }

    /// The ids of the policies that granted it, in their order.
    pub fn granted_by(&self) -> &[String] {
        &[]
    }
}
