//! One request applied: all its writes, or the reason why none.

mod conditional;
mod kept;

use std::sync::Arc;

use firewarden_access::{Reach, RowFilter};
use firewarden_fhir::{IfMatch, Target, Timestamp, Version};

use super::allowance::Allowance;
use super::dictionary::{Dictionary, Systems, TypeCode};
use super::index_writes::{IndexRow, IndexWrites, Move};
use super::judge::{self, RowJudge};
use super::{row, secrets};
use crate::database::{Failure, OptionalRow, Result as Found, Session, damaged};
use crate::index::{IndexKey, difference, index_rows};
use crate::packed::{ParameterCode, unpack};
use crate::prepare::{Content, PreparedChange, PreparedWrite};
use crate::seal::Seal;
use crate::{HistoryMethod, Stored, WriteError, Written};

pub(crate) use self::kept::{Kept, KeptContent, restore};

/// What a request did.
pub(crate) struct Applied {
    pub written: Vec<Written>,
    /// The index rows that are not written yet. Few writes read them, and so they are left for the
    /// end of the batch.
    pub index: Changes,
    /// Whether a policy, or what policies depend on, has changed.
    pub policies_changed: bool,
    /// Whether it was about such a resource at all.
    pub is_of_policies: bool,
}

/// Why a request was not applied.
pub(crate) enum Failed {
    Refused(WriteError),
    Database(Failure),
}

impl From<Failure> for Failed {
    fn from(error: Failure) -> Self {
        Self::Database(error)
    }
}

/// What writes are applied with.
#[derive(Clone, Copy)]
pub(crate) struct Tools<'a> {
    pub session: &'a Session<'a>,
    pub dictionary: &'a Dictionary,
    pub seal: &'a Seal,
    pub allowance: &'a Allowance,
}

/// Applies the writes in their order. After a failure the caller rolls back.
pub(crate) fn apply(
    tools: Tools<'_>,
    systems: &mut Systems,
    now: Timestamp,
    writes: Vec<PreparedWrite>,
) -> Result<Applied, Failed> {
    let mut applied = Applied {
        written: Vec::with_capacity(writes.len()),
        index: Vec::new(),
        policies_changed: false,
        is_of_policies: false,
    };
    for (index, write) in writes.into_iter().enumerate() {
        if write.reads_index() {
            let before = IndexWrites::of(std::mem::take(&mut applied.index));
            before.write(tools.session, tools.dictionary, systems)?;
        }
        let decides = write.target.resource_type.is_configuration();
        let (written, changes) = conditional::write(tools, (index, now), write)?;
        applied.is_of_policies |= decides;
        applied.policies_changed |= decides && changes_something(&written);
        applied.written.push(written);
        applied.index.extend(changes);
    }
    Ok(applied)
}

/// Applies one write by itself. The index rows are left to the caller.
pub(crate) fn one(
    tools: Tools<'_>,
    (index, now): (usize, Timestamp),
    write: PreparedWrite,
) -> Result<(Written, Changes), Failed> {
    conditional::write(tools, (index, now), write)
}

fn changes_something(written: &Written) -> bool {
    match written {
        Written::Created(_)
        | Written::Updated(_)
        | Written::Deleted(_)
        | Written::DeletedMatches(_) => true,
        Written::Found(_) | Written::NotThere => false,
    }
}

/// One write of a request, to one resource.
struct One<'a> {
    tools: Tools<'a>,
    session: &'a Session<'a>,
    index: usize,
    type_code: TypeCode,
    target: Target,
    now: Timestamp,
}

/// The current version, as the write finds it.
struct Current {
    key: i64,
    version: Version,
    updated: Timestamp,
    deleted: bool,
    packed: Option<Vec<u8>>,
}

/// Changes of index rows.
pub(crate) type Changes = Vec<(IndexRow, Move)>;
type Keys = Vec<(ParameterCode, IndexKey)>;

impl<'a> One<'a> {
    fn new(tools: Tools<'a>, (index, now): (usize, Timestamp), target: Target) -> Self {
        let type_code = tools.dictionary.resource_type(target.resource_type);
        Self { tools, session: tools.session, index, type_code, target, now }
    }

    fn apply(self, rows: &RowFilter, change: PreparedChange) -> Result<(Written, Changes), Failed> {
        // INVARIANT: rows are judged here, in the transaction of the write.
        match change {
            PreparedChange::Create(content) => self.create(rows, content, HistoryMethod::Post),
            PreparedChange::Put(content, if_match) => self.put(rows, content, if_match),
            PreparedChange::Delete(if_match) => self.delete(rows, if_match),
        }
    }

    fn create(
        self,
        rows: &RowFilter,
        content: Content,
        method: HistoryMethod,
    ) -> Result<(Written, Changes), Failed> {
        self.require_inside(rows, &content, None)?;
        if self.current()?.is_some() {
            return Err(Failed::Refused(WriteError::IdTaken { index: self.index }));
        }
        self.insert(content, method)
    }

    /// Creates what a conditional update did not find.
    fn put_new(
        self,
        rows: &RowFilter,
        content: Content,
        if_match: IfMatch,
    ) -> Result<(Written, Changes), Failed> {
        self.require(if_match, None)?;
        self.create(rows, content, HistoryMethod::Put)
    }

    fn put(
        self,
        rows: &RowFilter,
        content: Content,
        if_match: IfMatch,
    ) -> Result<(Written, Changes), Failed> {
        let current = self.current()?;
        if !self.may_put(rows, current.as_ref())? {
            return Err(Failed::Refused(WriteError::NotThere { index: self.index }));
        }
        self.require(if_match, current.as_ref())?;
        self.require_inside(rows, &content, current.as_ref())?;
        match current {
            None => self.insert(content, HistoryMethod::Put),
            Some(current) => self.replace(current, content),
        }
    }

    /// Who may not touch every row of the type updates only what is there and visible: whether an
    /// id was taken by what is hidden would show otherwise.
    fn may_put(&self, rows: &RowFilter, current: Option<&Current>) -> Result<bool, Failed> {
        match rows.reach() {
            Reach::Everything => Ok(true),
            Reach::Nothing => Ok(false),
            Reach::Some(_) => self.is_inside(rows, current),
        }
    }

    fn delete(self, rows: &RowFilter, if_match: IfMatch) -> Result<(Written, Changes), Failed> {
        let current = self.current()?;
        if !self.is_inside(rows, current.as_ref())? {
            return Ok((Written::NotThere, Vec::new()));
        }
        let Some(current) = current else { return Ok((Written::NotThere, Vec::new())) };
        self.require(if_match, Some(&current))?;
        let (version, updated) = self.supersede(&current)?;
        self.session.run(
            "UPDATE resource SET version = ?2, updated = ?3, method = ?4, deleted = 1,
             packed = NULL, body = NULL WHERE key = ?1",
            (
                current.key,
                number(version)?,
                updated.as_millisecond(),
                row::method_code(HistoryMethod::Delete),
            ),
        )?;
        secrets::replace(self.session, self.type_code, &self.target, &[])?;
        let changes = self.changes(current.key, current.index()?, Vec::new());
        Ok((Written::Deleted(version), changes))
    }

    /// Whether the current version is there, not deleted, and inside the rows.
    fn finds_inside(&self, rows: &RowFilter) -> Result<bool, Failed> {
        self.is_inside(rows, self.current()?.as_ref())
    }

    fn is_inside(&self, rows: &RowFilter, current: Option<&Current>) -> Result<bool, Failed> {
        match current {
            Some(Current { updated, packed: Some(packed), deleted: false, .. }) => {
                self.lets_through(rows, *updated, packed)
            }
            Some(_) | None => Ok(false),
        }
    }

    /// Refuses new content that is outside the rows.
    fn require_inside(
        &self,
        rows: &RowFilter,
        content: &Content,
        current: Option<&Current>,
    ) -> Result<(), Failed> {
        let updated = self.time_after(current);
        if self.lets_through(rows, updated, &content.packed)? {
            return Ok(());
        }
        Err(Failed::Refused(WriteError::OutsideRows { index: self.index }))
    }

    fn lets_through(
        &self,
        rows: &RowFilter,
        updated: Timestamp,
        packed: &[u8],
    ) -> Result<bool, Failed> {
        match rows.reach() {
            Reach::Nothing => return Ok(false),
            Reach::Everything => return Ok(true),
            Reach::Some(_) => {}
        }
        let Tools { session, dictionary, allowance, .. } = self.tools;
        let (id, packed) = (Box::from(self.target.id.as_str()), packed.to_vec());
        let version = judge::Version { id, updated, packed };
        let judged = allowance.search(session, |reading| {
            RowJudge::new(reading, dictionary, rows)?
                .lets_through(self.target.resource_type, &version)
        });
        judged.map_err(|error| conditional::failed(self.index, error))
    }

    /// The time of the version after that one. A clock that was set back does not make a version
    /// older than the one it replaces.
    fn time_after(&self, current: Option<&Current>) -> Timestamp {
        let now = whole_milliseconds(self.now);
        current.map_or(now, |current| now.max(current.updated))
    }

    fn insert(self, content: Content, method: HistoryMethod) -> Result<(Written, Changes), Failed> {
        self.require_secrets(&content)?;
        let (version, updated) = (Version(1), whole_milliseconds(self.now));
        let body = content.body.join(version, updated);
        let key = self.session.row(
            "INSERT INTO resource (type, id, version, updated, method, deleted, packed, body)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7) RETURNING key",
            (
                self.type_code,
                self.target.id.as_str(),
                number(version)?,
                updated.as_millisecond(),
                row::method_code(method),
                content.packed.as_slice(),
                body.as_str(),
            ),
            |row| row.get(0),
        )?;
        secrets::replace(self.session, self.type_code, &self.target, &content.secrets)?;
        let changes = self.changes(key, Vec::new(), content.index);
        Ok((Written::Created(self.stored(version, updated, body)), changes))
    }

    fn replace(self, current: Current, content: Content) -> Result<(Written, Changes), Failed> {
        self.require_secrets(&content)?;
        let (version, updated) = self.supersede(&current)?;
        let body = content.body.join(version, updated);
        self.session.run(
            "UPDATE resource SET version = ?2, updated = ?3, method = ?4, deleted = 0,
             packed = ?5, body = ?6 WHERE key = ?1",
            (
                current.key,
                number(version)?,
                updated.as_millisecond(),
                row::method_code(HistoryMethod::Put),
                content.packed.as_slice(),
                body.as_str(),
            ),
        )?;
        secrets::replace(self.session, self.type_code, &self.target, &content.secrets)?;
        let changes = self.changes(current.key, current.index()?, content.index);
        let stored = self.stored(version, updated, body);
        let written =
            if current.deleted { Written::Created(stored) } else { Written::Updated(stored) };
        Ok((written, changes))
    }

    /// Moves the current version to the history, and gives version and time of the next one.
    fn supersede(&self, current: &Current) -> Result<(Version, Timestamp), Failed> {
        self.session.run(
            "INSERT INTO history (key, version, type, updated, method, packed, body)
             SELECT key, version, type, updated, method, packed, body
             FROM resource WHERE key = ?1",
            [current.key],
        )?;
        Ok((Version(current.version.0.saturating_add(1)), self.time_after(Some(current))))
    }

    fn current(&self) -> Found<Option<Current>> {
        let read = "SELECT key, version, updated, deleted, packed FROM resource
                    WHERE type = ?1 AND id = ?2";
        self.session
            .row(read, (self.type_code, self.target.id.as_str()), |found| {
                Ok(Current {
                    key: found.get(0)?,
                    version: row::version(found, 1)?,
                    updated: row::updated(found, 2)?,
                    deleted: found.get(3)?,
                    packed: found.get(4)?,
                })
            })
            .optional()
    }

    fn require(&self, if_match: IfMatch, current: Option<&Current>) -> Result<(), Failed> {
        let holds = match if_match {
            IfMatch::Any => true,
            IfMatch::Version(version) => current.is_some_and(|c| c.version == version),
        };
        let conflict = WriteError::VersionConflict { index: self.index };
        if holds { Ok(()) } else { Err(Failed::Refused(conflict)) }
    }

    fn require_secrets(&self, content: &Content) -> Result<(), Failed> {
        let missing =
            secrets::missing(self.session, self.type_code, &self.target, &content.secrets)?;
        match missing {
            None => Ok(()),
            Some(pointer) => Err(Failed::Refused(WriteError::NoSuchSecret {
                index: self.index,
                pointer: pointer.to_owned(),
            })),
        }
    }

    fn changes(&self, key: i64, old: Keys, new: Keys) -> Changes {
        let (gone, come) = difference(old, new);
        let gone = gone.into_iter().map(|k| (IndexRow::new(self.type_code, k, key), Move::Go));
        let come = come.into_iter().map(|k| (IndexRow::new(self.type_code, k, key), Move::Come));
        gone.chain(come).collect()
    }

    fn stored(self, version: Version, updated: Timestamp, body: String) -> Stored {
        Stored { target: self.target, version, updated, body: Arc::from(body) }
    }
}

impl Current {
    /// The index rows it has.
    fn index(&self) -> Found<Keys> {
        let Some(packed) = &self.packed else { return Ok(Vec::new()) };
        let values = unpack(packed).ok_or_else(|| damaged(4, "packed values"))?;
        Ok(index_rows(&values))
    }
}

/// The time as it is stored and shown.
fn whole_milliseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

fn number(version: Version) -> Found<i64> {
    i64::try_from(version.0).map_err(|e| damaged(0, e))
}
