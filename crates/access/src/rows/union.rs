//! The union of the rows that several grants give.

use firewarden_fhir::search::Criterion;

use super::RowFilter;
use crate::limits::ROW_ALTERNATIVES_MAX;

/// Rows that are added up. It begins as none.
#[derive(Debug, Default)]
pub(crate) struct RowUnion {
    everything: bool,
    // INVARIANT: none of them is empty.
    alternatives: Vec<Vec<Criterion>>,
}

/// More different rows than a permit holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyRows;

impl RowUnion {
    /// Adds the rows that meet all of the criteria. Without criteria it adds none.
    pub(crate) fn add(&mut self, criteria: Vec<Criterion>) -> Result<(), TooManyRows> {
        if criteria.is_empty() || self.alternatives.contains(&criteria) {
            return Ok(());
        }
        if self.alternatives.len() >= ROW_ALTERNATIVES_MAX {
            return Err(TooManyRows);
        }
        self.alternatives.push(criteria);
        Ok(())
    }

    /// Adds every row.
    pub(crate) fn add_everything(&mut self) {
        self.everything = true;
    }

    /// Whether it is every row, so that nothing more can be added.
    pub(crate) fn is_everything(&self) -> bool {
        self.everything
    }

    /// The rows that were added.
    pub(crate) fn into_filter(mut self) -> RowFilter {
        if self.everything {
            return RowFilter::everything();
        }
        match self.alternatives.len() {
            0 => RowFilter::nothing(),
            1 => RowFilter::some(self.alternatives.swap_remove(0)),
            _ => RowFilter::some(vec![Criterion::Any(self.alternatives)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use firewarden_fhir::Id;

    use super::*;
    use crate::Reach;

    fn of_id(id: usize) -> Vec<Criterion> {
        vec![Criterion::Id(vec![Id::parse(&id.to_string()).unwrap()])]
    }

    #[test]
    fn nothing_that_is_added_is_no_row() {
        assert_eq!(RowUnion::default().into_filter(), RowFilter::nothing());
        let mut union = RowUnion::default();
        union.add(Vec::new()).unwrap();
        assert_eq!(union.into_filter(), RowFilter::nothing());
    }

    #[test]
    fn what_is_added_is_an_alternative() {
        let mut union = RowUnion::default();
        union.add(of_id(1)).unwrap();
        union.add(of_id(1)).unwrap();
        assert!(!union.is_everything());
        union.add(of_id(2)).unwrap();
        let rows = union.into_filter();
        assert_eq!(rows.reach(), Reach::Some(&[Criterion::Any(vec![of_id(1), of_id(2)])]));
    }

    #[test]
    fn every_row_is_every_row_whatever_else_is_added() {
        let mut union = RowUnion::default();
        union.add(of_id(1)).unwrap();
        union.add_everything();
        assert!(union.is_everything());
        assert_eq!(union.into_filter(), RowFilter::everything());
    }

    #[test]
    fn a_permit_holds_no_more_alternatives_than_its_limit() {
        let mut union = RowUnion::default();
        for id in 0..ROW_ALTERNATIVES_MAX {
            union.add(of_id(id)).unwrap();
        }
        assert_eq!(union.add(of_id(0)), Ok(()));
        assert_eq!(union.add(of_id(ROW_ALTERNATIVES_MAX)), Err(TooManyRows));
    }
}
