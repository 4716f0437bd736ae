//! A permit: an interaction that the policies granted, and the rows it may touch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use firewarden_fhir::{Interaction, ResourceType};

use crate::decide::{Asker, implied_rows};
use crate::{PolicySet, RowFilter, SystemTask};

/// One granted interaction. Only [`decide`](crate::decide) makes one, and
/// [`SystemTask::permit`](crate::SystemTask::permit) for the server's own closed list of tasks.
///
/// ```compile_fail
/// fn forged(of: firewarden_access::Permitted) -> firewarden_access::Permitted {
///     firewarden_access::Permitted { ..of }
/// }
/// ```
#[derive(Debug)]
pub struct Permitted {
    interaction: Interaction,
    rows: PermittedRows,
}

/// The rows that one granted interaction may touch, type by type.
#[derive(Debug)]
pub struct PermittedRows {
    own_type: Option<ResourceType>,
    basis: Basis,
}

/// What a permit rests on.
#[derive(Debug)]
enum Basis {
    Task(SystemTask),
    Policies {
        // INVARIANT: the policies of the decision; a permit never sees a later set.
        policies: Arc<PolicySet>,
        asker: Asker,
        granted_by: Vec<String>,
        reached: Mutex<HashMap<ResourceType, RowFilter>>,
    },
}

impl Permitted {
    pub(crate) fn of_task(interaction: Interaction, task: SystemTask) -> Self {
        let own_type = interaction.resource_type();
        Self { interaction, rows: PermittedRows { own_type, basis: Basis::Task(task) } }
    }

    pub(crate) fn of_policies(
        interaction: Interaction,
        policies: Arc<PolicySet>,
        asker: Asker,
        granted_by: Vec<String>,
    ) -> Self {
        let own_type = interaction.resource_type();
        let reached = Mutex::default();
        let basis = Basis::Policies { policies, asker, granted_by, reached };
        Self { interaction, rows: PermittedRows { own_type, basis } }
    }

    /// What was granted.
    pub fn interaction(&self) -> &Interaction {
        &self.interaction
    }

    /// What was granted, to be performed, and the rows it may touch.
    pub fn into_parts(self) -> (Interaction, PermittedRows) {
        (self.interaction, self.rows)
    }

    /// The rows of a type that this interaction may touch: [`PermittedRows::of`].
    pub fn rows(&self, of: ResourceType) -> RowFilter {
        self.rows.of(of)
    }

    /// The version of the policies it was decided on; `None` for a system task, which does not
    /// depend on policies.
    pub fn policy_version(&self) -> Option<u64> {
        self.rows.policy_version()
    }

    /// The ids of the policies that granted it, in their order. Empty for a system task, and for
    /// what every authenticated caller may do.
    pub fn granted_by(&self) -> &[String] {
        self.rows.granted_by()
    }
}

impl PermittedRows {
    /// The rows of a type that the interaction may touch. For the interaction's own type, what
    /// its policies granted; for every other, what [`reached`](Self::reached) says.
    pub fn of(&self, of: ResourceType) -> RowFilter {
        match &self.basis {
            Basis::Task(task) => task.rows(of),
            Basis::Policies { .. } if self.own_type == Some(of) => RowFilter::everything(),
            Basis::Policies { .. } => self.reached(of),
        }
    }

    /// The rows of a type that is reached on the way (an include, a chain, `_has`), also where it
    /// is the type that was searched: what the same caller would be granted for a plain search of
    /// it. Decided once a type.
    pub fn reached(&self, of: ResourceType) -> RowFilter {
        match &self.basis {
            Basis::Task(task) => task.rows(of),
            Basis::Policies { policies, asker, reached, .. } => {
                let mut reached = reached.lock().unwrap_or_else(PoisonError::into_inner);
                reached.entry(of).or_insert_with(|| implied_rows(policies, asker, of)).clone()
            }
        }
    }

    /// As [`Permitted::policy_version`].
    pub fn policy_version(&self) -> Option<u64> {
        match &self.basis {
            Basis::Task(_) => None,
            Basis::Policies { policies, .. } => Some(policies.version()),
        }
    }

    /// As [`Permitted::granted_by`].
    pub fn granted_by(&self) -> &[String] {
        match &self.basis {
            Basis::Task(_) => &[],
            Basis::Policies { granted_by, .. } => granted_by,
        }
    }
}
