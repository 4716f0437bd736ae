//! Makes the values and index rows of stored versions anew, a few at a time, where the program
//! selects other values than they were written with.
//!
//! Type by type, the current versions first: when they are done, no values of the older kind can move
//! to the history any more, and the history is done next. Then the type's parameters are ready.

use firewarden_fhir::{ResourceType, extract, json};

use super::apply::{Changes, Tools};
use super::dictionary::{Dictionary, TypeCode};
use super::index_writes::{IndexRow, Move};
use super::pool::Reading;
use crate::database::{OptionalRow, Result as Done, Row, Session, damaged, unavailable};
use crate::index::{difference, index_rows};
use crate::limits::{REINDEXED_BYTES_MAX, REINDEXED_TOGETHER_MAX};
use crate::packed::{pack, unpack};
use crate::prepare::packable;
use crate::{JobProgress, StoreError};

/// Versions with their new values, and how far the job is when they are written.
pub(crate) struct Reindexed {
    type_code: TypeCode,
    stage: Stage,
    versions: Vec<(At, Vec<u8>)>,
    pub progress: JobProgress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Current,
    History,
    /// Nothing of the type is left to be done.
    Ready,
}

/// A version's place: its time, its resource and its number.
type At = (i64, i64, i64);
const BEGINNING: At = (i64::MIN, i64::MIN, i64::MIN);

/// Where a job goes on: in which type and stage, after which version.
struct Position {
    of: ResourceType,
    stage: Stage,
    after: At,
}

impl Position {
    fn beginning(of: ResourceType) -> Self {
        Self { of, stage: Stage::Current, after: BEGINNING }
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let of = ResourceType::parse(parts.next()?)?;
        let stage = match parts.next()? {
            "current" => Stage::Current,
            "history" => Stage::History,
            _ => return None,
        };
        let mut number = || parts.next()?.parse::<i64>().ok();
        Some(Self { of, stage, after: (number()?, number()?, number()?) })
    }

    fn text(&self) -> String {
        let Self { of, stage, after: (updated, key, version) } = self;
        let stage = match stage {
            Stage::Current => "current",
            Stage::History | Stage::Ready => "history",
        };
        format!("{of} {stage} {updated} {key} {version}")
    }
}

/// Reads the next versions and selects their values. `None` when everything is indexed.
pub(crate) fn prepare(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    base_url: &str,
    progress: &JobProgress,
) -> Result<Option<Reindexed>, StoreError> {
    let unindexed = dictionary.unindexed(reading.session).map_err(unavailable)?;
    let Some(first) = unindexed.first() else { return Ok(None) };
    // The position may be one in a type that is ready, or of a program with other types.
    let position = Position::read(&progress.position).filter(|at| unindexed.contains(&at.of));
    let mut position = position.unwrap_or_else(|| Position::beginning(*first));
    let total = match progress.total {
        0 => total(reading, dictionary, &unindexed)?,
        known => known,
    };
    let type_code = dictionary.resource_type(position.of);
    let mut versions = next(reading, dictionary, base_url, &position)?;
    if versions.is_empty() && position.stage == Stage::Current {
        position = Position { stage: Stage::History, after: BEGINNING, ..position };
        versions = next(reading, dictionary, base_url, &position)?;
    }
    match versions.last() {
        Some((last, _)) => position.after = *last,
        None => position.stage = Stage::Ready,
    }
    let done = progress.done.saturating_add(versions.len() as u64);
    let progress = JobProgress { done, total, position: position.text() };
    Ok(Some(Reindexed { type_code, stage: position.stage, versions, progress }))
}

/// How many versions there are of the types; 0 when it takes too long to count them.
fn total(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    types: &[ResourceType],
) -> Result<u64, StoreError> {
    let mut total = 0_i64;
    for of in types {
        for count in [
            "SELECT count(*) FROM resource WHERE type = ?1 AND deleted = 0",
            "SELECT count(*) FROM history WHERE type = ?1 AND body IS NOT NULL",
        ] {
            let type_code = dictionary.resource_type(*of);
            match reading.session.row(count, [type_code], |row| row.get::<i64>(0)) {
                Ok(count) => total = total.saturating_add(count),
                Err(failure) if failure.is_interruption() => return Ok(0),
                Err(failure) => return Err(unavailable(failure)),
            }
        }
    }
    Ok(u64::try_from(total).unwrap_or_default())
}

/// The next versions of a type in a stage, each with its values.
fn next(
    reading: &Reading<'_>,
    dictionary: &Dictionary,
    base_url: &str,
    position: &Position,
) -> Result<Vec<(At, Vec<u8>)>, StoreError> {
    let (updated, key, version) = position.after;
    let type_code = dictionary.resource_type(position.of);
    let prepare = |sql: &str| reading.session.prepare(sql).map_err(unavailable);
    let mut statement;
    let mut rows = match position.stage {
        Stage::Current => {
            statement = prepare(
                "SELECT 0, key, version, body FROM resource
                 WHERE type = ?1 AND deleted = 0 AND key > ?2 ORDER BY key",
            )?;
            statement.rows_with_bodies((type_code, key))
        }
        Stage::History | Stage::Ready => {
            statement = prepare(
                "SELECT updated, key, version, body FROM history
                 WHERE type = ?1 AND (updated, key, version) > (?2, ?3, ?4)
                   AND body IS NOT NULL
                 ORDER BY updated, key, version",
            )?;
            statement.rows_with_bodies((type_code, updated, key, version))
        }
    }
    .map_err(unavailable)?;
    let (mut versions, mut bytes) = (Vec::new(), 0);
    while versions.len() < REINDEXED_TOGETHER_MAX && bytes < REINDEXED_BYTES_MAX {
        let Some(row) = rows.next().map_err(unavailable)? else { break };
        let selected = selected(row, position.of, dictionary, base_url);
        let (at, packed, length) = selected.map_err(unavailable)?;
        versions.push((at, packed));
        bytes += length;
    }
    Ok(versions)
}

/// A version's place, its values, and the length of its body.
fn selected(
    row: Row<'_>,
    of: ResourceType,
    dictionary: &Dictionary,
    base_url: &str,
) -> Done<(At, Vec<u8>, usize)> {
    let body = row.text(3)?;
    let resource = json::parse(body.as_bytes()).map_err(|_| damaged(3, "no JSON"))?;
    let resource = resource.as_object().ok_or_else(|| damaged(3, "no object"))?;
    let extracted = extract::extract(of, resource, base_url);
    let packed = pack(&packable(&extracted, &|name| dictionary.parameter(of, name)));
    Ok(((row.get(0)?, row.get(1)?, row.get(2)?), packed, body.len()))
}

/// Writes the values of those versions that are still what they were: of the others, a write has
/// made them anew already.
pub(crate) fn apply(tools: Tools<'_>, reindexed: &Reindexed) -> Done<Changes> {
    let Reindexed { type_code, stage, versions, .. } = reindexed;
    let session = tools.session;
    let mut changes = Vec::new();
    match stage {
        Stage::Current => {
            for ((_, key, version), packed) in versions {
                changes.extend(current(session, *type_code, (*key, *version), packed)?);
            }
        }
        Stage::History => {
            let write = "UPDATE history SET packed = ?3 WHERE key = ?1 AND version = ?2";
            for ((_, key, version), packed) in versions {
                session.run(write, (*key, *version, packed.as_slice()))?;
            }
        }
        Stage::Ready => {
            let ready = "UPDATE parameter SET ready = 1 WHERE type = ?1 AND ready = 0";
            session.run(ready, [*type_code])?;
        }
    }
    Ok(changes)
}

fn current(
    session: &Session<'_>,
    type_code: TypeCode,
    (key, version): (i64, i64),
    packed: &[u8],
) -> Done<Changes> {
    let read = "SELECT packed FROM resource WHERE key = ?1 AND version = ?2 AND deleted = 0";
    let stored = session.row(read, (key, version), |row| row.get::<Vec<u8>>(0)).optional()?;
    let Some(stored) = stored.filter(|stored| stored != packed) else { return Ok(Vec::new()) };
    session.run("UPDATE resource SET packed = ?2 WHERE key = ?1", (key, packed))?;
    let unreadable = || damaged(0, "packed values");
    let old = index_rows(&unpack(&stored).ok_or_else(unreadable)?);
    let new = index_rows(&unpack(packed).ok_or_else(unreadable)?);
    let (gone, come) = difference(old, new);
    let row = |key_of| IndexRow::new(type_code, key_of, key);
    let gone = gone.into_iter().map(|key_of| (row(key_of), Move::Go));
    Ok(gone.chain(come.into_iter().map(|key_of| (row(key_of), Move::Come))).collect())
}
