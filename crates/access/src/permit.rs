//! A permit: an interaction that the policies granted, and the rows it may touch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use firewarden_fhir::search::SearchQuery;
use firewarden_fhir::{Interaction, ResourceType};

use crate::decide::{Asker, implied_rows};
use crate::grant::Grant;
use crate::permitted_search::{NotGranted, PermittedSearch, predicate_types};
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
        // The rows of the interaction's own type, and by which policies.
        grant: Grant,
        reached: Mutex<HashMap<ResourceType, Option<RowFilter>>>,
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
        grant: Grant,
    ) -> Self {
        let own_type = interaction.resource_type();
        let reached = Mutex::default();
        let basis = Basis::Policies { policies, asker, grant, reached };
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
    pub async fn rows(&self, of: ResourceType) -> RowFilter {
        self.rows.of(of).await
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
    pub async fn of(&self, of: ResourceType) -> RowFilter {
        match &self.basis {
            Basis::Task(task) => task.rows(of),
            Basis::Policies { grant, .. } if self.own_type == Some(of) => grant.rows.clone(),
            Basis::Policies { .. } => self.reached(of).await.unwrap_or_else(RowFilter::nothing),
        }
    }

    /// The rows of a type that is reached on the way (an include, a chain, `_has`), also where it
    /// is the type that was searched: what the same caller would be granted for a plain search of
    /// it. `None` when that would be denied. Decided once a type.
    pub async fn reached(&self, of: ResourceType) -> Option<RowFilter> {
        match &self.basis {
            Basis::Task(task) => Some(task.rows(of)),
            Basis::Policies { policies, asker, reached, .. } => {
                let known = |reached: &Mutex<HashMap<_, Option<RowFilter>>>| {
                    reached.lock().unwrap_or_else(PoisonError::into_inner).get(&of).cloned()
                };
                if let Some(rows) = known(reached) {
                    return rows;
                }
                let rows = implied_rows(policies, asker, of).await;
                let mut reached = reached.lock().unwrap_or_else(PoisonError::into_inner);
                reached.entry(of).or_insert(rows).clone()
            }
        }
    }

    /// A search as far as the interaction may make it. Refused when it uses a type as a predicate
    /// that the caller may not search.
    pub async fn search(&self, query: SearchQuery) -> Result<PermittedSearch, NotGranted> {
        let rows = self.of(query.resource_type).await;
        self.limited(query, rows).await
    }

    /// A search for what is reached on the way: of the rows that the caller may search. `None`
    /// when a plain search of the type would be denied.
    pub async fn search_reached(&self, query: SearchQuery) -> Option<PermittedSearch> {
        let rows = self.reached(query.resource_type).await?;
        self.limited(query, rows).await.ok()
    }

    async fn limited(
        &self,
        query: SearchQuery,
        rows: RowFilter,
    ) -> Result<PermittedSearch, NotGranted> {
        let mut rows_of = HashMap::new();
        for of in predicate_types(&query) {
            rows_of.insert(of, self.reached(of).await);
        }
        PermittedSearch::limited(query, rows, &|of| rows_of.get(&of).cloned().flatten())
    }

    /// Whether who was granted this keeps the interaction's own type, one of ours, as an
    /// administrator does: what rights rest on may be changed. Others leave it as it is stored.
    pub fn is_keeper(&self) -> bool {
        match &self.basis {
            Basis::Task(_) => true,
            Basis::Policies { grant, .. } => grant.is_keeper,
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
            Basis::Policies { grant, .. } => &grant.granted_by,
        }
    }
}
