//! Where the candidates of a condition on other resources are: those resources are found first, if
//! they are few.

use std::collections::BTreeSet;

use firewarden_fhir::ResourceType;

use super::candidates::Chooser;
use super::sources::{Finder, Leg, Source};
use crate::StoreError;
use crate::condition::{Condition, OfOther};
use crate::database::{OptionalRow, unavailable};
use crate::engine::judge::{Version, unpacked};
use crate::limits::{FEW_CANDIDATES, PROBE_CANDIDATES_MAX};
use crate::matches::Candidate;
use crate::packed::ParameterCode;

type Ids = BTreeSet<Box<str>>;

impl Finder<'_> {
    /// What meets one of several conjunctions: the sources of each together.
    pub(super) fn any(
        &self,
        alternatives: &[Vec<Condition<'_>>],
    ) -> Result<Option<Source>, StoreError> {
        let mut union = Source { legs: Vec::new(), ordered: true, exact: true };
        for conditions in alternatives {
            let Some(source) = self.smallest(conditions)? else { return Ok(None) };
            union.legs.extend(source.legs);
            union.ordered &= source.ordered;
            union.exact &= source.exact && conditions.len() == 1;
        }
        Ok(Some(union))
    }

    /// The smallest source of conditions that must all hold.
    fn smallest(&self, conditions: &[Condition<'_>]) -> Result<Option<Source>, StoreError> {
        let mut smallest: Option<(usize, Source)> = None;
        for condition in conditions {
            let Some(source) = self.source(condition)? else { continue };
            if conditions.len() == 1 {
                return Ok(Some(source));
            }
            let rows = self.chooser().count(&source, PROBE_CANDIDATES_MAX)?;
            if rows <= FEW_CANDIDATES {
                return Ok(Some(source));
            }
            if smallest.as_ref().is_none_or(|(least, _)| rows < *least) {
                smallest = Some((rows, source));
            }
        }
        Ok(smallest.map(|(_, source)| source))
    }

    /// What refers to a resource that meets the conditions on its type.
    pub(super) fn chain(
        &self,
        parameter: Option<ParameterCode>,
        targets: &[(ResourceType, OfOther<'_>)],
    ) -> Result<Option<Source>, StoreError> {
        let mut source = Source { legs: Vec::new(), ordered: true, exact: true };
        for (target, conditions) in targets {
            let own_id = |candidate: &Candidate<'_>, ids: &mut Ids| {
                ids.insert(candidate.id.into());
            };
            let Some(ids) = self.of(*target).meeting(conditions, own_id)? else { return Ok(None) };
            let leg = |id| self.leg_of_target(parameter, (*target, id));
            source.legs.extend(ids.iter().map(AsRef::as_ref).map(leg));
        }
        Ok(Some(source))
    }

    /// What a resource that meets the conditions refers to.
    pub(super) fn has(
        &self,
        (source, parameter): (ResourceType, Option<ParameterCode>),
        conditions: &OfOther<'_>,
    ) -> Result<Option<Source>, StoreError> {
        let referred = |candidate: &Candidate<'_>, ids: &mut Ids| {
            ids.extend(candidate.references(parameter, self.resource_type).map(Box::from));
        };
        let Some(ids) = self.of(source).meeting(conditions, referred)? else { return Ok(None) };
        let legs = ids.iter().map(|id| self.leg_of_id(id)).collect();
        Ok(Some(Source { legs, ordered: true, exact: true }))
    }

    fn of(&self, resource_type: ResourceType) -> Finder<'_> {
        let Finder { judge, looked_up_max, .. } = *self;
        Finder { judge, resource_type, looked_up_max }
    }

    fn chooser(&self) -> Chooser<'_> {
        let (reading, type_code) = (self.judge.reading, self.type_code());
        Chooser { reading, type_code, after_key: i64::MIN }
    }

    /// What is collected of the resources that meet the conditions; `None` if there may be more
    /// than are looked up.
    fn meeting(
        &self,
        conditions: &OfOther<'_>,
        collect: impl Fn(&Candidate<'_>, &mut Ids),
    ) -> Result<Option<Ids>, StoreError> {
        let mut sources = Vec::new();
        for condition in &conditions.conditions {
            sources.extend(self.source(condition)?);
        }
        if sources.is_empty() {
            sources.push(self.whole_type());
        }
        let Some(keys) = self.chooser().smallest(&sources, self.looked_up_max)? else {
            return Ok(None);
        };
        let mut ids = Ids::new();
        for key in keys {
            self.judge.reading.check_time()?;
            let Some(version) = self.version(key)? else { continue };
            let values = unpacked(&version.packed)?;
            let (resource_type, id) = (self.resource_type, &*version.id);
            let updated = version.updated;
            let candidate = Candidate { resource_type, id, updated, values: &values };
            let meets = self.judge.all(&conditions.conditions, &candidate)?;
            self.judge.remembered.remember(conditions.number, id, meets);
            if meets {
                collect(&candidate, &mut ids);
            }
        }
        Ok(Some(ids))
    }

    fn whole_type(&self) -> Source {
        let leg = Leg {
            table: "resource",
            column: "key",
            conditions: vec!["type = ?", "deleted = 0"],
            values: vec![self.type_code().into()],
        };
        Source { legs: vec![leg], ordered: false, exact: true }
    }

    fn version(&self, key: i64) -> Result<Option<Version>, StoreError> {
        self.judge
            .reading
            .session
            .row(
                "SELECT id, updated, packed FROM resource WHERE key = ?1 AND deleted = 0",
                [key],
                Version::of,
            )
            .optional()
            .map_err(unavailable)
    }
}

#[cfg(test)]
mod tests {
    use firewarden_fhir::Definitions;
    use firewarden_fhir::search::Criterion;
    use rusqlite::Connection;

    use super::*;
    use crate::condition::Preparer;
    use crate::database::Session;
    use crate::engine::dictionary::Dictionary;
    use crate::engine::judge::{Judge, code_of};
    use crate::engine::pool::Reading;
    use crate::packed::pack;
    use crate::sqlite::schema;

    /// The sources of a chain and of `_has`, with so many patients that may be meant and so many
    /// looked up at most.
    fn legs(patients: usize, looked_up_max: usize) -> [Option<usize>; 2] {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        let dictionary = Dictionary::register(&Session::Sqlite(&connection)).unwrap();
        let of = |name| ResourceType::parse(name).unwrap();
        let insert = "INSERT INTO resource (type, id, version, updated, method, deleted, packed)
                      VALUES (?1, ?2, 1, 0, 1, 0, ?3)";
        for number in 0..patients {
            let row = (dictionary.resource_type(of("Patient")), number.to_string(), pack(&[]));
            connection.execute(insert, row).unwrap();
        }
        let parameter = |name, code| Definitions::get().search_parameter(of(name), code).unwrap();
        let any =
            || Criterion::Missing { parameter: parameter("Patient", "gender"), missing: true };
        let chain = Criterion::Chain {
            parameter: parameter("Observation", "subject"),
            targets: vec![(of("Patient"), vec![any()])],
        };
        let has = Criterion::Has {
            source: of("Patient"),
            parameter: parameter("Patient", "link"),
            criteria: vec![any()],
        };
        let session = Session::Sqlite(&connection);
        let reading = Reading::short(&session);
        let judge = Judge::new(&reading, &dictionary);
        [("Observation", chain), ("Patient", has)].map(|(name, criterion)| {
            let criteria = [criterion];
            let conditions =
                Preparer::new(&code_of(&reading, &dictionary)).conditions(&criteria).unwrap();
            let finder = Finder { judge: &judge, resource_type: of(name), looked_up_max };
            finder.source(&conditions[0]).unwrap().map(|source| source.legs.len())
        })
    }

    #[test]
    fn only_so_many_candidates_are_looked_up() {
        assert_eq!(legs(0, 3), [Some(0), Some(0)]);
        assert_eq!(legs(3, 3), [Some(3), Some(0)]);
        assert_eq!(legs(4, 3), [None, None]);
        assert_eq!(legs(4, 0), [None, None]);
    }
}
