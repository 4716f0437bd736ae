//! A search as far as its caller may make it: the rows of each type that it looks at are in it.

use firewarden_fhir::ResourceType;
use firewarden_fhir::search::{Criterion, SearchQuery, SortBy};

use crate::{Reach, RowFilter};

/// A search and the rows it may find. Every type that is used as a predicate (a chain, `_has`, a
/// sort through a reference) is limited inside that predicate to the rows that the caller may
/// search. Only [`PermittedRows`](crate::PermittedRows) and [`SystemTask`](crate::SystemTask) make
/// one.
///
/// ```compile_fail
/// fn forged(of: firewarden_access::PermittedSearch) -> firewarden_access::PermittedSearch {
///     firewarden_access::PermittedSearch { ..of }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct PermittedSearch {
    query: SearchQuery,
    rows: RowFilter,
}

/// The caller may not search a type that the search would use as a predicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotGranted(pub ResourceType);

impl PermittedSearch {
    /// A search of the server's own, that every row of every type it names may be used for.
    pub(crate) fn unlimited(query: SearchQuery, rows: RowFilter) -> Self {
        Self { query, rows }
    }

    /// The search, limited by what `rows_of` says of each type that is used as a predicate; `None`
    /// is a type that the caller may not search.
    pub(crate) fn limited(
        mut query: SearchQuery,
        rows: RowFilter,
        rows_of: &impl Fn(ResourceType) -> Option<RowFilter>,
    ) -> Result<Self, NotGranted> {
        for criterion in &mut query.criteria {
            limit(criterion, rows_of)?;
        }
        for key in &mut query.sort {
            match &mut key.by {
                SortBy::Through { target, criteria, .. } => add_rows(*target, criteria, rows_of)?,
                SortBy::Id | SortBy::LastUpdated | SortBy::Parameter(_) => {}
            }
        }
        Ok(Self { query, rows })
    }

    /// What is searched for.
    pub fn query(&self) -> &SearchQuery {
        &self.query
    }

    /// The rows of the type searched that may be found.
    pub fn rows(&self) -> &RowFilter {
        &self.rows
    }
}

/// The types that a search uses as predicates, each once.
pub(crate) fn predicate_types(query: &SearchQuery) -> Vec<ResourceType> {
    let mut types = Vec::new();
    for criterion in &query.criteria {
        collect_types(criterion, &mut types);
    }
    for key in &query.sort {
        match &key.by {
            SortBy::Through { target, criteria, .. } => {
                types.push(*target);
                criteria.iter().for_each(|criterion| collect_types(criterion, &mut types));
            }
            SortBy::Id | SortBy::LastUpdated | SortBy::Parameter(_) => {}
        }
    }
    types.sort_unstable();
    types.dedup();
    types
}

/// Whether other resources than the one that is judged are looked at.
pub(crate) fn look_at_others(criteria: &[Criterion]) -> bool {
    let mut types = Vec::new();
    criteria.iter().for_each(|criterion| collect_types(criterion, &mut types));
    !types.is_empty()
}

fn collect_types(criterion: &Criterion, types: &mut Vec<ResourceType>) {
    match criterion {
        Criterion::Chain { targets, .. } => {
            for (target, criteria) in targets {
                types.push(*target);
                criteria.iter().for_each(|criterion| collect_types(criterion, types));
            }
        }
        Criterion::Has { source, criteria, .. } => {
            types.push(*source);
            criteria.iter().for_each(|criterion| collect_types(criterion, types));
        }
        Criterion::Any(alternatives) => {
            alternatives.iter().flatten().for_each(|criterion| collect_types(criterion, types));
        }
        Criterion::Id(_)
        | Criterion::LastUpdated(_)
        | Criterion::Missing { .. }
        | Criterion::String { .. }
        | Criterion::Token { .. }
        | Criterion::Reference { .. }
        | Criterion::Date { .. }
        | Criterion::Number { .. }
        | Criterion::Quantity { .. }
        | Criterion::Uri { .. } => {}
    }
}

/// Limits the types that a criterion uses as predicates, at every depth.
fn limit(
    criterion: &mut Criterion,
    rows_of: &impl Fn(ResourceType) -> Option<RowFilter>,
) -> Result<(), NotGranted> {
    match criterion {
        Criterion::Chain { targets, .. } => targets
            .iter_mut()
            .try_for_each(|(target, criteria)| add_rows(*target, criteria, rows_of)),
        Criterion::Has { source, criteria, .. } => add_rows(*source, criteria, rows_of),
        Criterion::Any(alternatives) => {
            alternatives.iter_mut().flatten().try_for_each(|criterion| limit(criterion, rows_of))
        }
        Criterion::Id(_)
        | Criterion::LastUpdated(_)
        | Criterion::Missing { .. }
        | Criterion::String { .. }
        | Criterion::Token { .. }
        | Criterion::Reference { .. }
        | Criterion::Date { .. }
        | Criterion::Number { .. }
        | Criterion::Quantity { .. }
        | Criterion::Uri { .. } => Ok(()),
    }
}

fn add_rows(
    of: ResourceType,
    criteria: &mut Vec<Criterion>,
    rows_of: &impl Fn(ResourceType) -> Option<RowFilter>,
) -> Result<(), NotGranted> {
    let rows = rows_of(of).ok_or(NotGranted(of))?;
    criteria.iter_mut().try_for_each(|criterion| limit(criterion, rows_of))?;
    match rows.reach() {
        Reach::Everything => {}
        // What is added is the policies' own, and not limited again.
        Reach::Some(more) => criteria.extend_from_slice(more),
        Reach::Nothing => criteria.push(Criterion::Any(Vec::new())),
    }
    Ok(())
}
