//! Sorts by what resources refer to.

use crate::StoreError;
use crate::cursor::Part;
use crate::engine::judge::{Judge, unpacked};
use crate::engine::remembered::Remembered;
use crate::matches::Candidate;
use crate::sort::{Through, first, part};

/// The values of the targets that were looked at: many resources refer to the same.
#[derive(Default)]
pub(crate) struct ThroughValues {
    remembered: Remembered<Part>,
}

impl ThroughValues {
    /// What of the candidate's targets is compared.
    pub(crate) fn of(
        &self,
        judge: &Judge<'_>,
        by: &Through<'_>,
        candidate: &Candidate<'_>,
    ) -> Result<Part, StoreError> {
        let targets = candidate.references(by.parameter, by.target);
        let values: Result<Vec<_>, _> = targets.map(|id| self.of_target(judge, by, id)).collect();
        Ok(first(values?.into_iter(), by.descending))
    }

    /// Nothing of a target that is deleted, or outside what counts.
    fn of_target(&self, judge: &Judge<'_>, by: &Through<'_>, id: &str) -> Result<Part, StoreError> {
        judge.reading.check_time()?;
        if let Some(known) = self.remembered.recall(by.conditions.number, id) {
            return Ok(known);
        }
        let mut value = Part::Missing;
        if let Some(version) = judge.current(by.target, id)?
            && judge.all_of_version(&by.conditions.conditions, by.target, &version)?
        {
            let values = unpacked(&version.packed)?;
            let (resource_type, updated) = (by.target, version.updated);
            let target = Candidate { resource_type, id, updated, values: &values };
            value = first(target.of(by.by).map(part), by.descending);
        }
        self.remembered.remember(by.conditions.number, id, value.clone());
        Ok(value)
    }
}
