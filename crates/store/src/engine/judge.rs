//! Judges candidates by their packed values and by those of the resources they are linked with.
//! What the judge says is what counts; everything else only finds candidates for it.

use super::dictionary::Dictionary;
use super::pool::Reading;
use super::remembered::Remembered;
use super::row;
use crate::StoreError;
use crate::condition::{Condition, OfOther, Preparer};
use crate::database::{OptionalRow, Result as Found, Row, damaged, unavailable};
use crate::matches::Candidate;
use crate::packed::{ParameterCode, unpack};
use std::cell::Cell;

use firewarden_access::{Reach, RowFilter};
use firewarden_fhir::definitions::SearchParameter;
use firewarden_fhir::{ResourceType, Timestamp};

/// Judges the candidates of one query, in one snapshot.
pub(crate) struct Judge<'a> {
    pub reading: &'a Reading<'a>,
    pub dictionary: &'a Dictionary,
    /// Whether a resource meets the conjunction of a number.
    pub remembered: Remembered<bool>,
}

/// What a version is judged by, as it is stored.
pub(crate) struct Version {
    pub id: Box<str>,
    pub updated: Timestamp,
    pub packed: Vec<u8>,
}

impl Version {
    /// From three columns: id, time, packed values.
    pub(crate) fn of(found: Row<'_>) -> Found<Self> {
        let id = found.text(0)?.into();
        let packed = found.blob(2)?.to_vec();
        Ok(Self { id, updated: row::updated(found, 1)?, packed })
    }
}

impl<'a> Judge<'a> {
    pub(crate) fn new(reading: &'a Reading<'a>, dictionary: &'a Dictionary) -> Self {
        Self { reading, dictionary, remembered: Remembered::default() }
    }

    /// Whether all of the conditions hold for the candidate.
    pub(crate) fn all(
        &self,
        conditions: &[Condition<'_>],
        candidate: &Candidate<'_>,
    ) -> Result<bool, StoreError> {
        for condition in conditions {
            if !self.holds(condition, candidate)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The same of a version that is still packed.
    pub(crate) fn all_of_version(
        &self,
        conditions: &[Condition<'_>],
        resource_type: ResourceType,
        version: &Version,
    ) -> Result<bool, StoreError> {
        let Version { id, updated, packed } = version;
        let values = unpacked(packed)?;
        let candidate = Candidate { resource_type, id, updated: *updated, values: &values };
        self.all(conditions, &candidate)
    }

    fn holds(
        &self,
        condition: &Condition<'_>,
        candidate: &Candidate<'_>,
    ) -> Result<bool, StoreError> {
        match condition {
            Condition::Comparison(comparison) => Ok(comparison.holds(candidate)),
            Condition::Any(alternatives) => {
                for conditions in alternatives {
                    if self.all(conditions, candidate)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Condition::Chain { parameter, targets } => {
                for (of, conditions) in targets {
                    for id in candidate.references(*parameter, *of) {
                        if self.current_meets(conditions, (*of, id))? {
                            return Ok(true);
                        }
                    }
                }
                Ok(false)
            }
            Condition::Has { source, parameter, referring } => {
                self.is_referred_to(candidate, (*source, *parameter), referring)
            }
        }
    }

    /// Whether the resource is there, not deleted, and meets the conditions.
    pub(crate) fn current_meets(
        &self,
        conditions: &OfOther<'_>,
        (of, id): (ResourceType, &str),
    ) -> Result<bool, StoreError> {
        self.reading.check_time()?;
        if let Some(known) = self.remembered.recall(conditions.number, id) {
            return Ok(known);
        }
        let meets = match self.current(of, id)? {
            Some(version) => self.all_of_version(&conditions.conditions, of, &version)?,
            None => false,
        };
        self.remembered.remember(conditions.number, id, meets);
        Ok(meets)
    }

    /// The current version of a resource that is not deleted.
    pub(crate) fn current(
        &self,
        of: ResourceType,
        id: &str,
    ) -> Result<Option<Version>, StoreError> {
        self.reading
            .session
            .row(
                "SELECT id, updated, packed FROM resource
                 WHERE type = ?1 AND id = ?2 AND deleted = 0",
                (self.dictionary.resource_type(of), id),
                Version::of,
            )
            .optional()
            .map_err(unavailable)
    }

    /// Whether a current resource of the source refers to the candidate and meets the conditions.
    fn is_referred_to(
        &self,
        candidate: &Candidate<'_>,
        (source, parameter): (ResourceType, Option<ParameterCode>),
        conditions: &OfOther<'_>,
    ) -> Result<bool, StoreError> {
        let Some(parameter) = parameter else { return Ok(false) };
        let (source_code, candidate_code) = (
            self.dictionary.resource_type(source),
            self.dictionary.resource_type(candidate.resource_type),
        );
        let mut statement = self
            .reading
            .session
            .prepare(
                "SELECT r.id FROM reference_index AS i JOIN resource AS r ON r.key = i.resource
                 WHERE i.type = ?1 AND i.parameter = ?2 AND i.target = ?3 AND i.target_type = ?4",
            )
            .map_err(unavailable)?;
        let mut found = statement
            .rows((source_code, parameter, candidate.id, candidate_code))
            .map_err(unavailable)?;
        while let Some(referring) = found.next().map_err(unavailable)? {
            let id = referring.text(0).map_err(unavailable)?;
            if self.current_meets(conditions, (source, id))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The values of a blob that this program wrote.
pub(crate) fn unpacked(
    packed: &[u8],
) -> Result<Vec<(ParameterCode, crate::packed::Value<'_>)>, StoreError> {
    unpack(packed).ok_or_else(|| unavailable(damaged(2, "packed values")))
}

/// The number of a parameter in this database, to search by.
pub(crate) fn code_of<'a>(
    reading: &'a Reading<'_>,
    dictionary: &'a Dictionary,
) -> impl Fn(&SearchParameter) -> Result<Option<ParameterCode>, StoreError> + 'a {
    let session = reading.session;
    let is_current = Cell::new(!session.is_shared());
    move |parameter| {
        // INVARIANT: where a newer program indexes, the numbers of an older one stand for values that
        // no resource has any more; what is asked for by their absence would be everything.
        if !is_current.get() {
            dictionary.require_current_to_read(session)?;
            is_current.set(true);
        }
        let SearchParameter { resource_type, code, .. } = parameter;
        dictionary.searched(session, *resource_type, code)
    }
}

/// Judges single rows by a row filter.
pub(crate) struct RowJudge<'a> {
    judge: Judge<'a>,
    rows: Rows<'a>,
}

enum Rows<'a> {
    Nothing,
    Some(Vec<Condition<'a>>),
    Everything,
}

impl<'a> RowJudge<'a> {
    pub(crate) fn new(
        reading: &'a Reading<'a>,
        dictionary: &'a Dictionary,
        rows: &'a RowFilter,
    ) -> Result<Self, StoreError> {
        let judge = Judge::new(reading, dictionary);
        let rows = match rows.reach() {
            Reach::Nothing => Rows::Nothing,
            Reach::Some(criteria) => {
                Rows::Some(Preparer::new(&code_of(reading, dictionary)).conditions(criteria)?)
            }
            Reach::Everything => Rows::Everything,
        };
        Ok(Self { judge, rows })
    }

    /// Whether it lets everything through: then nothing need be read to ask it.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.rows, Rows::Everything)
    }

    /// Whether it lets nothing through.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.rows, Rows::Nothing)
    }

    /// Whether the version is inside the rows.
    pub(crate) fn lets_through(
        &self,
        of: ResourceType,
        version: &Version,
    ) -> Result<bool, StoreError> {
        match &self.rows {
            Rows::Nothing => Ok(false),
            Rows::Some(conditions) => self.judge.all_of_version(conditions, of, version),
            Rows::Everything => Ok(true),
        }
    }
}
