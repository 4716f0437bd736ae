//! Criteria, ready to be compared with many candidates.

use firewarden_access::{Reach, RowFilter};
use firewarden_fhir::ResourceType;
use firewarden_fhir::definitions::SearchParameter;
use firewarden_fhir::search::Criterion;

use crate::StoreError;
use crate::limits::CRITERIA_DEPTH_MAX;
use crate::matches::Comparison;
use crate::packed::ParameterCode;

/// One criterion, ready.
pub(crate) enum Condition<'q> {
    /// The values of the candidate decide.
    Comparison(Comparison<'q>),
    /// One of these holds.
    Any(Vec<Vec<Condition<'q>>>),
    /// What the candidate refers to decides.
    Chain { parameter: Option<ParameterCode>, targets: Vec<(ResourceType, OfOther<'q>)> },
    /// What refers to the candidate decides.
    Has { source: ResourceType, parameter: Option<ParameterCode>, referring: OfOther<'q> },
}

/// What another resource than the candidate must meet: all of it.
pub(crate) struct OfOther<'q> {
    /// One for each such conjunction of a [`Preparer`]: what was found out is remembered by it.
    pub number: usize,
    pub conditions: Vec<Condition<'q>>,
}

/// What it takes to judge a condition, and to find its candidates; the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effort {
    /// The candidate's values are compared.
    Values,
    /// The same several times.
    Alternatives,
    /// Other resources are looked at.
    LookUps,
}

impl Condition<'_> {
    pub(crate) fn effort(&self) -> Effort {
        match self {
            Self::Comparison(_) => Effort::Values,
            Self::Any(alternatives) => {
                let most = alternatives.iter().flatten().map(Self::effort).max();
                most.unwrap_or(Effort::Alternatives).max(Effort::Alternatives)
            }
            Self::Chain { .. } | Self::Has { .. } => Effort::LookUps,
        }
    }
}

/// The number of a parameter, to search by.
pub(crate) type CodeOf<'a> =
    dyn Fn(&SearchParameter) -> Result<Option<ParameterCode>, StoreError> + 'a;

/// Makes criteria ready.
pub(crate) struct Preparer<'a> {
    code: &'a CodeOf<'a>,
    conjunctions: usize,
}

impl<'a> Preparer<'a> {
    pub(crate) fn new(code: &'a CodeOf<'a>) -> Self {
        Self { code, conjunctions: 0 }
    }

    /// The conditions of criteria that must all hold: first those that cost least to judge.
    pub(crate) fn conditions<'q>(
        &mut self,
        criteria: impl IntoIterator<Item = &'q Criterion>,
    ) -> Result<Vec<Condition<'q>>, StoreError> {
        self.all(criteria, CRITERIA_DEPTH_MAX)
    }

    /// As [`conditions`](Self::conditions), of another resource.
    pub(crate) fn of_other<'q>(
        &mut self,
        criteria: &'q [Criterion],
    ) -> Result<OfOther<'q>, StoreError> {
        self.other(criteria, CRITERIA_DEPTH_MAX)
    }

    fn all<'q>(
        &mut self,
        criteria: impl IntoIterator<Item = &'q Criterion>,
        depth_left: usize,
    ) -> Result<Vec<Condition<'q>>, StoreError> {
        let conditions = criteria.into_iter().map(|criterion| self.one(criterion, depth_left));
        let mut conditions: Vec<_> = conditions.collect::<Result<_, _>>()?;
        conditions.sort_by_key(Condition::effort);
        Ok(conditions)
    }

    fn other<'q>(
        &mut self,
        criteria: &'q [Criterion],
        depth_left: usize,
    ) -> Result<OfOther<'q>, StoreError> {
        let conditions = self.all(criteria, depth_left)?;
        self.conjunctions += 1;
        Ok(OfOther { number: self.conjunctions, conditions })
    }

    fn one<'q>(
        &mut self,
        criterion: &'q Criterion,
        depth_left: usize,
    ) -> Result<Condition<'q>, StoreError> {
        let left = depth_left.checked_sub(1).ok_or(StoreError::TooExpensive)?;
        Ok(match criterion {
            Criterion::Chain { parameter, targets } => {
                let targets = targets.iter().map(|(of, criteria)| {
                    self.other(criteria, left).map(|conditions| (*of, conditions))
                });
                let targets = targets.collect::<Result<_, _>>()?;
                Condition::Chain { parameter: (self.code)(parameter)?, targets }
            }
            Criterion::Has { source, parameter, criteria } => Condition::Has {
                source: *source,
                parameter: (self.code)(parameter)?,
                referring: self.other(criteria, left)?,
            },
            Criterion::Any(alternatives) => {
                let alternatives = alternatives.iter().map(|criteria| self.all(criteria, left));
                Condition::Any(alternatives.collect::<Result<_, _>>()?)
            }
            Criterion::Id(_) | Criterion::LastUpdated(_) => {
                Condition::Comparison(Comparison::new(criterion, None))
            }
            Criterion::Missing { parameter, .. }
            | Criterion::String { parameter, .. }
            | Criterion::Token { parameter, .. }
            | Criterion::Reference { parameter, .. }
            | Criterion::Date { parameter, .. }
            | Criterion::Number { parameter, .. }
            | Criterion::Quantity { parameter, .. }
            | Criterion::Uri { parameter, .. } => {
                Condition::Comparison(Comparison::new(criterion, (self.code)(parameter)?))
            }
        })
    }
}

/// Whether other resources are looked at to judge a row.
pub(crate) fn looks_up(rows: &RowFilter) -> bool {
    match rows.reach() {
        Reach::Nothing | Reach::Everything => false,
        Reach::Some(criteria) => look_up(criteria),
    }
}

fn look_up(criteria: &[Criterion]) -> bool {
    criteria.iter().any(|criterion| match criterion {
        Criterion::Chain { .. } | Criterion::Has { .. } => true,
        Criterion::Any(alternatives) => alternatives.iter().any(|criteria| look_up(criteria)),
        Criterion::Id(_)
        | Criterion::LastUpdated(_)
        | Criterion::Missing { .. }
        | Criterion::String { .. }
        | Criterion::Token { .. }
        | Criterion::Reference { .. }
        | Criterion::Date { .. }
        | Criterion::Number { .. }
        | Criterion::Quantity { .. }
        | Criterion::Uri { .. } => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn criteria_are_nested_only_so_deep() {
        let nested = |depth| {
            (1..depth).fold(Criterion::Any(vec![]), |inner, _| Criterion::Any(vec![vec![inner]]))
        };
        let prepare = |depth| {
            let criteria = [nested(depth)];
            Preparer::new(&|_| Ok(None)).conditions(&criteria).map(|conditions| conditions.len())
        };
        assert!(matches!(prepare(CRITERIA_DEPTH_MAX), Ok(1)));
        assert!(matches!(prepare(CRITERIA_DEPTH_MAX + 1), Err(StoreError::TooExpensive)));
    }
}
