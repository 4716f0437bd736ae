//! A write on a condition: the search for what it is about is made where it is applied, so that of
//! two writes on the same condition the second sees the first.

use firewarden_access::RowFilter;
use firewarden_fhir::{IfMatch, Target, Timestamp};

use super::{Changes, Failed, One, Tools};
use crate::database::damaged;
use crate::engine::pool::Reading;
use crate::engine::{point, search};
use crate::prepare::{Content, PreparedChange, PreparedWrite};
use crate::{Matching, Read, StoreError, Stored, WriteError, Written};

/// Applies one write, to what its condition leads to.
pub(super) fn write(
    tools: Tools<'_>,
    (index, now): (usize, Timestamp),
    write: PreparedWrite,
) -> Result<(Written, Changes), Failed> {
    let PreparedWrite { target, matching, rows, change } = write;
    let Some(matching) = matching else {
        return One::new(tools, (index, now), target).apply(&rows, change);
    };
    let conditional = Conditional { tools, index, now, target, matching, rows };
    match change {
        PreparedChange::Create(content) => conditional.create(content),
        PreparedChange::Put(content, if_match) => conditional.put(content, if_match),
        PreparedChange::Delete(if_match) => conditional.delete(if_match),
    }
}

/// A conditional write.
struct Conditional<'a> {
    tools: Tools<'a>,
    index: usize,
    now: Timestamp,
    target: Target,
    matching: Matching,
    rows: RowFilter,
}

impl<'a> Conditional<'a> {
    fn create(self, content: Content) -> Result<(Written, Changes), Failed> {
        match self.find(1)?.pop() {
            Some(found) => {
                self.expect(&found)?;
                Ok((Written::Found(self.read(&found)?), Vec::new()))
            }
            None => {
                self.expect(&self.target)?;
                self.one(&self.target).apply(&self.rows, PreparedChange::Create(content))
            }
        }
    }

    fn put(self, content: Content, if_match: IfMatch) -> Result<(Written, Changes), Failed> {
        match self.find(1)?.pop() {
            Some(found) => {
                self.expect(&found)?;
                self.require_inside(&found)?;
                let content = content.moved(&self.target, &found, self.tools.seal);
                let content = content.map_err(|_| {
                    WriteError::Unavailable("a secret could not be sealed".to_owned())
                });
                let change = PreparedChange::Put(content.map_err(Failed::Refused)?, if_match);
                self.one(&found).apply(&self.rows, change)
            }
            None => {
                self.expect(&self.target)?;
                let one = self.one(&self.target);
                if self.matching.id_sent && !one.may_put(&self.rows, None)? {
                    return Err(Failed::Refused(WriteError::NotThere { index: self.index }));
                }
                one.put_new(&self.rows, content, if_match)
            }
        }
    }

    fn delete(self, if_match: IfMatch) -> Result<(Written, Changes), Failed> {
        let found = self.find(self.matching.matches_max)?;
        // INVARIANT: each match is judged before the first is touched.
        for target in &found {
            self.expect(target)?;
            self.require_inside(target)?;
        }
        if found.is_empty() {
            return Ok((Written::NotThere, Vec::new()));
        }
        let (mut deleted, mut changes) = (Vec::new(), Vec::new());
        for target in found {
            let change = PreparedChange::Delete(if_match);
            let (written, more) = self.one(&target).apply(&self.rows, change)?;
            if let Written::Deleted(version) = written {
                deleted.push((target, version));
            }
            changes.extend(more);
        }
        Ok((Written::DeletedMatches(deleted), changes))
    }

    fn one(&self, target: &Target) -> One<'a> {
        One::new(self.tools, (self.index, self.now), target.clone())
    }

    /// What matches; refused when it is more than may be touched.
    fn find(&self, matches_max: usize) -> Result<Vec<Target>, Failed> {
        let Tools { session, dictionary, allowance, .. } = self.tools;
        let matches_max = matches_max.min(self.matching.matches_max);
        let found = allowance.search(session, |reading| {
            search::first(reading, dictionary, &self.matching.search, matches_max + 1)
        });
        let found = found.map_err(|error| failed(self.index, error))?;
        if found.len() > matches_max {
            return Err(Failed::Refused(WriteError::SeveralMatches { index: self.index }));
        }
        Ok(found)
    }

    /// What was found in this transaction.
    fn read(&self, found: &Target) -> Result<Stored, Failed> {
        let Tools { session, dictionary, .. } = self.tools;
        match point::any(&Reading::short(session), dictionary, found) {
            Ok(Read::Found(stored)) => Ok(stored),
            Ok(Read::Deleted(_) | Read::Absent) => {
                Err(Failed::Database(damaged(0, "a match that is not there")))
            }
            Err(error) => Err(failed(self.index, error)),
        }
    }

    fn expect(&self, touched: &Target) -> Result<(), Failed> {
        match &self.matching.expected {
            Some(expected) if expected != touched => {
                Err(Failed::Refused(WriteError::UnexpectedMatch { index: self.index }))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn require_inside(&self, target: &Target) -> Result<(), Failed> {
        if self.one(target).finds_inside(&self.rows)? {
            return Ok(());
        }
        Err(Failed::Refused(WriteError::OutsideRows { index: self.index }))
    }
}

/// What a failed search makes of the write.
pub(super) fn failed(index: usize, error: StoreError) -> Failed {
    Failed::Refused(match error {
        StoreError::TooExpensive => WriteError::TooExpensive { index },
        StoreError::NotIndexed => WriteError::NotIndexed { index },
        StoreError::Unavailable(why) => WriteError::Unavailable(why),
        StoreError::BadCursor => WriteError::Unavailable("a condition has a cursor".to_owned()),
    })
}
