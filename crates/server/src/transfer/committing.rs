//! Commits what is ready, in the order it was read in, with how far each file was read by then.

use std::collections::BTreeMap;
use std::sync::Arc;

use firewarden_access::SystemTask;
use firewarden_fhir::{IfMatch, Interaction, Issue, Resource, Target, operation_outcome};
use firewarden_interactions::{Failure, perform};
use firewarden_store::{FileKey, LoadRefusal, Loaded, Loader, PreparedLoad, WriteError};
use serde_json::Value;

use super::preparing::{Ready, ReadyChunk, is_imported, not_imported};
use super::rejected::{Rejected, RejectedFile};
use super::sources::Source;
use super::{TransferError, TransferProgress};
use crate::app::{App, now};
use crate::bootstrap;
use crate::failure::Refusal;
use crate::limits::{IMPORT_BATCH_BYTES, IMPORT_BATCH_ITEMS};
use crate::own_types::Force;

/// What an import has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) created: u64,
    pub(super) updated: u64,
    pub(super) already_there: u64,
    pub(super) rejected: u64,
}

pub(super) struct Committing {
    pub(super) app: Arc<App>,
    pub(super) loader: Loader,
    pub(super) sources: Arc<Vec<Source>>,
    pub(super) rejected: RejectedFile,
    pub(super) progress: Arc<TransferProgress>,
    pub(super) counts: Counts,
    /// Chunks that are ready before their turn.
    waiting: BTreeMap<u64, ReadyChunk>,
    next: u64,
    batch: Vec<PreparedLoad>,
    origins: Vec<Origin>,
    batch_bytes: usize,
    read: BTreeMap<FileKey, u64>,
}

/// Where an item of the batch was read.
struct Origin {
    file: usize,
    line: u64,
    entry: Option<usize>,
    text: Option<String>,
}

impl Committing {
    pub(super) fn new(
        app: Arc<App>,
        loader: Loader,
        sources: Arc<Vec<Source>>,
        rejected: RejectedFile,
        progress: Arc<TransferProgress>,
    ) -> Self {
        Self {
            app,
            loader,
            sources,
            rejected,
            progress,
            counts: Counts::default(),
            waiting: BTreeMap::new(),
            next: 0,
            batch: Vec::new(),
            origins: Vec::new(),
            batch_bytes: 0,
            read: BTreeMap::new(),
        }
    }

    /// Takes a chunk, and commits what is a batch.
    pub(super) async fn take(&mut self, chunk: ReadyChunk) -> Result<(), TransferError> {
        self.waiting.insert(chunk.number, chunk);
        while let Some(chunk) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.in_order(chunk).await?;
        }
        Ok(())
    }

    async fn in_order(&mut self, chunk: ReadyChunk) -> Result<(), TransferError> {
        let file = chunk.file;
        for ready in chunk.items {
            match ready {
                Ready::Load { line, entry, item, text } => {
                    self.batch_bytes += item.bytes();
                    self.batch.push(item);
                    self.origins.push(Origin { file, line, entry, text });
                }
                Ready::Rejected(rejected) => self.reject(file, &rejected)?,
                Ready::Own { line, entry, target, resource } => {
                    self.read_to(file, line.saturating_sub(1));
                    self.flush().await?;
                    self.own(file, (line, entry), target, resource).await?;
                }
                Ready::Bundle { line, bundle } => {
                    self.read_to(file, line.saturating_sub(1));
                    self.flush().await?;
                    self.bundle(file, line, bundle).await?;
                }
            }
        }
        self.read_to(file, chunk.last);
        if self.batch.len() >= IMPORT_BATCH_ITEMS || self.batch_bytes >= IMPORT_BATCH_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    fn read_to(&mut self, file: usize, line: u64) {
        if let Some(source) = self.sources.get(file) {
            self.read.insert(source.key, line);
        }
    }

    fn reject(&mut self, file: usize, rejected: &Rejected) -> Result<(), TransferError> {
        let Some(source) = self.sources.get(file) else { return Ok(()) };
        self.counts.rejected += 1;
        TransferProgress::add(&self.progress.rejected, 1);
        self.rejected.write(&source.path, rejected)
    }

    /// Commits what was gathered. What was rejected so far is on the disk before.
    pub(super) async fn flush(&mut self) -> Result<(), TransferError> {
        self.rejected.sync()?;
        let items = std::mem::take(&mut self.batch);
        let origins = std::mem::take(&mut self.origins);
        let read = std::mem::take(&mut self.read);
        self.batch_bytes = 0;
        if items.is_empty() && read.is_empty() {
            return Ok(());
        }
        let loaded = self.loader.commit(items, read.into_iter().collect()).await?;
        for (loaded, origin) in loaded.into_iter().zip(origins) {
            self.loaded(loaded, origin)?;
        }
        Ok(())
    }

    fn loaded(&mut self, loaded: Loaded, origin: Origin) -> Result<(), TransferError> {
        match loaded {
            Loaded::Created => self.counts.created += 1,
            Loaded::Updated => self.counts.updated += 1,
            Loaded::AlreadyThere => self.counts.already_there += 1,
            Loaded::Refused(LoadRefusal::Write(WriteError::Unavailable(why))) => {
                return Err(TransferError::Database(why));
            }
            Loaded::Refused(refusal) => {
                let Origin { file, line, entry, text } = origin;
                let issue = Issue::error("conflict", refusal.to_string());
                let outcome = operation_outcome(&[issue]);
                return self.reject(file, &Rejected { line, entry, outcome, text });
            }
        }
        TransferProgress::add(&self.progress.resources, 1);
        Ok(())
    }

    /// Performs the update of a resource of ours: one by one, for each is checked against those
    /// before it.
    async fn own(
        &mut self,
        file: usize,
        (line, entry): (u64, Option<usize>),
        target: Target,
        resource: Resource,
    ) -> Result<(), TransferError> {
        let refused = not_imported(line, entry, &target);
        if !is_imported(&target) {
            return self.reject(file, &refused);
        }
        let update = Interaction::Update(target, resource, IfMatch::Any);
        let Some(permitted) = SystemTask::Import.permit(update) else {
            return self.reject(file, &refused);
        };
        let now = now();
        let snapshot = self.app.configuration.current().await?;
        let own_rules = self.app.own_rules(&snapshot, now, Force::Yes);
        match perform(self.app.ports(&own_rules, "import", now), permitted).await {
            Ok(outcome) => {
                if matches!(outcome, firewarden_interactions::Outcome::Created(_)) {
                    self.counts.created += 1;
                } else {
                    self.counts.updated += 1;
                }
                TransferProgress::add(&self.progress.resources, 1);
                Ok(())
            }
            Err(Failure::Unavailable(why) | Failure::Unknown(why)) => {
                Err(TransferError::Database(why))
            }
            Err(failure) => {
                let outcome = Refusal::Failed(failure).told().outcome;
                self.reject(file, &Rejected { line, entry, outcome, text: None })
            }
        }
    }

    /// Performs a Bundle as the transaction or batch that it is. Its conditions are searches, for
    /// which the index has to be there.
    async fn bundle(&mut self, file: usize, line: u64, bundle: Value) -> Result<(), TransferError> {
        self.build_index().await?;
        let entries = bundle.get("entry").and_then(Value::as_array).map_or(0, Vec::len) as u64;
        match bootstrap::apply_bundle(&self.app, bundle, SystemTask::Import).await {
            Ok(()) => {
                self.counts.updated += entries;
                TransferProgress::add(&self.progress.resources, entries);
                Ok(())
            }
            Err(why) => self.reject(file, &Rejected::new(line, &[Issue::error("processing", why)])),
        }
    }

    /// Builds the index, if that was left for the end.
    pub(super) async fn build_index(&mut self) -> Result<(), TransferError> {
        use std::sync::atomic::Ordering::Relaxed;
        let progress = Arc::clone(&self.progress);
        let watch = move |indexed: u64, total: u64| {
            progress.to_index.store(total, Relaxed);
            progress.indexed.store(indexed, Relaxed);
        };
        Ok(self.loader.build_index(watch).await?)
    }
}
