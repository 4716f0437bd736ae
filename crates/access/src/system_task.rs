//! The closed list of things the server does of its own accord, without a caller.

use firewarden_fhir::{Interaction, ResourceType};

use crate::{Permitted, RowFilter};

/// A thing the server does of its own accord. Each reaches no further than it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemTask {
    /// Writes the root client and its policy at the start.
    Bootstrap,
    /// Applies the operator's init Bundle before the port opens.
    InitBundle,
    /// Reads policies, introspectors and the like into memory.
    LoadConfiguration,
    /// Looks up the user, client and roles of a credential.
    FindCaller,
}

impl SystemTask {
    /// The permit for one interaction of this task, if it may do such a thing.
    pub fn permit(self, _interaction: Interaction) -> Option<Permitted> {
        None
    }

    /// The rows of a type that this task reads.
    pub fn rows(self, _of: ResourceType) -> RowFilter {
        RowFilter::nothing()
    }
}
