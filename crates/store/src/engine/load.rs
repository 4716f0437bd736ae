//! Loading: what the writer's thread does for it, each task in one transaction.

mod build;
mod encoded;
mod runs;

pub(crate) use self::build::folder_of;

use std::collections::HashMap;
use std::sync::Arc;

use firewarden_access::Reach;
use firewarden_fhir::{ResourceType, Timestamp};
use tokio::sync::oneshot;

use super::Engine;
use super::apply::{self, Failed, KeptContent, Tools};
use super::dictionary::{Dictionary, Systems};
use super::index_writes::{IndexRow, IndexWrites};
use crate::database::{OptionalRow, Result as Found, Session};
use crate::load::{FileKey, KeptVersion, LoadItem, LoadRefusal, Loaded};
use crate::prepare::{Content, PreparedChange, PreparedWrite, SealedChange};
use crate::{WriteError, WriteRequest, Written};

/// What the writer is asked to do for a load.
#[derive(Clone)]
pub(crate) enum LoadTask {
    /// Begins, or goes on with, a load.
    Begin,
    /// Loads items.
    Items { items: Vec<PreparedItem>, files: Vec<(FileKey, u64)>, staged: bool },
    /// Empties the index of what is indexed at the end.
    ClearIndex,
    /// Adds rows to it, in order.
    Index(Arc<Vec<IndexRow>>),
    /// Says that it is whole.
    IndexFinished,
    /// Forgets how far files were read.
    Forget(Vec<FileKey>),
}

/// What came of a task.
#[derive(Default)]
pub(crate) struct LoadDone {
    pub staged: bool,
    pub items_read: HashMap<FileKey, u64>,
    pub loaded: Vec<Loaded>,
    /// Whether a policy, or what policies depend on, has changed.
    pub policies_changed: bool,
}

/// A task for the writer, and where its outcome arrives.
pub(crate) struct LoadJob {
    pub task: LoadTask,
    pub answer: oneshot::Sender<Result<LoadDone, WriteError>>,
}

/// One item, ready.
#[derive(Clone)]
pub(crate) enum PreparedItem {
    Write(Box<PreparedWrite>, Timestamp),
    Kept(apply::Kept),
}

impl PreparedItem {
    pub(crate) fn bytes(&self) -> usize {
        let content = match self {
            Self::Write(write, _) => match &write.change {
                PreparedChange::Create(content) | PreparedChange::Put(content, _) => Some(content),
                PreparedChange::Delete(_) => None,
            },
            Self::Kept(kept) => match &kept.content {
                KeptContent::Resource(content) => Some(&**content),
                KeptContent::Deletion => None,
            },
        };
        content.map_or(0, Content::bytes)
    }

    fn resource_type(&self) -> ResourceType {
        match self {
            Self::Write(write, _) => write.target.resource_type,
            Self::Kept(kept) => kept.target.resource_type,
        }
    }
}

impl Engine {
    /// Has a task done by the writer.
    pub(crate) async fn load(&self, task: LoadTask) -> Result<LoadDone, WriteError> {
        let (answer, done) = oneshot::channel();
        self.writer.load(LoadJob { task, answer }).await?;
        let lost = |_| WriteError::Unknown("the writer ended before it answered".to_owned());
        done.await.map_err(lost)?
    }

    /// Makes an item ready for the writer.
    pub(crate) fn prepare_load(&self, item: LoadItem) -> Result<PreparedItem, LoadRefusal> {
        match item {
            LoadItem::Write(write, now) => {
                if !matches!(write.rows.reach(), Reach::Everything) {
                    return Err(LoadRefusal::Type);
                }
                let request = WriteRequest { policy_version: None, now, writes: vec![write] };
                let prepared = self.prepared(request)?;
                let none = || WriteError::Unavailable("a write was not prepared".to_owned());
                let write = prepared.writes.into_iter().next().ok_or_else(none)?;
                Ok(PreparedItem::Write(Box::new(write), prepared.now))
            }
            LoadItem::Kept(kept) => self.prepare_kept(kept).map(PreparedItem::Kept),
        }
    }

    fn prepare_kept(&self, kept: KeptVersion) -> Result<apply::Kept, LoadRefusal> {
        let KeptVersion { target, rows, version, previous, updated, method, .. } = kept;
        if !matches!(rows.reach(), Reach::Everything) {
            return Err(LoadRefusal::Type);
        }
        let mut secrets = Vec::with_capacity(kept.sealed.len());
        for (pointer, sealed) in kept.sealed {
            // One that opens here and in this place is kept as it is.
            match self.seal.unseal(&target, &pointer, &sealed) {
                Ok(_) => secrets.push((pointer, SealedChange::Set(sealed))),
                Err(_) => return Err(LoadRefusal::Secret(pointer)),
            }
        }
        let content = match kept.resource {
            None => KeptContent::Deletion,
            Some(resource) => {
                let content = self.content(&target, &resource)?;
                KeptContent::Resource(Box::new(Content { secrets, ..content }))
            }
        };
        Ok(apply::Kept { target, version, previous, updated, method, content })
    }
}

/// Does a task, in the transaction of the session.
pub(crate) fn run(task: LoadTask, tools: Tools<'_>, systems: &mut Systems) -> Found<LoadDone> {
    let Tools { session, dictionary, .. } = tools;
    match task {
        LoadTask::Begin => begin(session, dictionary),
        LoadTask::Items { items, files, staged } => {
            let done = load(items, staged, tools, systems)?;
            for (file, items) in files {
                let items = i64::try_from(items).unwrap_or(i64::MAX);
                session.run(
                    "INSERT INTO import_file (file, items) VALUES (?1, ?2)
                     ON CONFLICT (file) DO UPDATE SET items = excluded.items",
                    [file.as_slice().into(), crate::database::Sql::from(items)],
                )?;
            }
            Ok(done)
        }
        LoadTask::ClearIndex => clear_index(session, dictionary),
        LoadTask::Index(rows) => {
            IndexWrites::insert(&rows, session, dictionary, systems)?;
            Ok(LoadDone::default())
        }
        LoadTask::IndexFinished => {
            session.run("UPDATE state SET index_unfinished = 0", ())?;
            Ok(LoadDone::default())
        }
        LoadTask::Forget(files) => {
            for file in files {
                session.run("DELETE FROM import_file WHERE file = ?1", [file.as_slice()])?;
            }
            Ok(LoadDone::default())
        }
    }
}

/// Whether resources are there that the index does not name.
pub(crate) fn index_unfinished(session: &Session<'_>) -> Found<bool> {
    session.row("SELECT index_unfinished FROM state", (), |row| row.get(0))
}

fn begin(session: &Session<'_>, dictionary: &Dictionary) -> Found<LoadDone> {
    let staged = match session {
        // Nobody else has it open.
        Session::Sqlite(_) => index_unfinished(session)? || is_empty(session, dictionary)?,
        // Other nodes may serve it meanwhile.
        Session::Postgres(_) => false,
    };
    if staged {
        session.run("UPDATE state SET index_unfinished = 1", ())?;
    }
    let read = session.every("SELECT file, items FROM import_file", (), |row| {
        Ok((FileKey::try_from(row.blob(0)?).ok(), row.get::<i64>(1)?.unsigned_abs()))
    })?;
    let items_read = read.into_iter().filter_map(|(file, items)| Some((file?, items))).collect();
    Ok(LoadDone { staged, items_read, ..LoadDone::default() })
}

/// The types whose resources are indexed at the end. Ours are searched while others are loaded.
fn staged_types() -> impl Iterator<Item = ResourceType> {
    ResourceType::all().filter(|of| !of.is_own())
}

/// Whether there is no resource of those types.
fn is_empty(session: &Session<'_>, dictionary: &Dictionary) -> Found<bool> {
    for of in staged_types() {
        let one = "SELECT key FROM resource WHERE type = ?1";
        let found: Option<i64> =
            session.row(one, [dictionary.resource_type(of)], |row| row.get(0)).optional()?;
        if found.is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn clear_index(session: &Session<'_>, dictionary: &Dictionary) -> Found<LoadDone> {
    for of in staged_types() {
        IndexWrites::clear(session, dictionary.resource_type(of))?;
    }
    Ok(LoadDone::default())
}

fn load(
    items: Vec<PreparedItem>,
    staged: bool,
    tools: Tools<'_>,
    systems: &mut Systems,
) -> Found<LoadDone> {
    let mut done = LoadDone::default();
    let mut changes = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let of = item.resource_type();
        let applied = match item {
            PreparedItem::Write(write, now) => {
                let written = apply::one(tools, (index, now), *write);
                written.map(|(written, changes)| (loaded(&written), changes))
            }
            PreparedItem::Kept(kept) => apply::restore(tools, kept),
        };
        match applied {
            Ok((loaded, moved)) => {
                if !staged || of.is_own() {
                    changes.extend(moved);
                }
                done.policies_changed |= of.is_configuration();
                done.loaded.push(loaded);
            }
            Err(Failed::Refused(refusal)) => {
                done.loaded.push(Loaded::Refused(LoadRefusal::Write(refusal)));
            }
            Err(Failed::Database(failure)) => return Err(failure),
        }
    }
    IndexWrites::of(changes).write(tools.session, tools.dictionary, systems)?;
    Ok(done)
}

fn loaded(written: &Written) -> Loaded {
    match written {
        Written::Created(_) => Loaded::Created,
        Written::Updated(_) | Written::Deleted(_) | Written::DeletedMatches(_) => Loaded::Updated,
        Written::Found(_) | Written::NotThere => Loaded::AlreadyThere,
    }
}
