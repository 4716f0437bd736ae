//! Imports files: read, prepared and committed beside each other.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use firewarden_store::{Loader, Store};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use super::committing::{Committing, Counts};
use super::preparing::{Preparing, ReadyChunk};
use super::reading::{Chunk, Reading, Sizes};
use super::rejected::{REJECTED, RejectedFile};
use super::sources::{Source, sources};
use super::{TransferError, TransferProgress};
use crate::app::App;
use crate::limits::IMPORT_CHUNKS_AT_ONCE;
use crate::run;
use crate::settings::Settings;

/// What is imported.
pub struct ImportRequest {
    /// Files and folders. None, to finish what an import has left.
    pub paths: Vec<PathBuf>,
    /// Where what is rejected is written; `import-rejected.ndjson` where it is not said.
    pub rejected: Option<PathBuf>,
}

/// What came of an import that came to its end.
#[derive(Debug)]
pub struct Imported {
    /// Resources, or versions, that were not there before.
    pub created: u64,
    /// Those that were, and are replaced or deleted.
    pub updated: u64,
    /// Versions that were there already.
    pub already_there: u64,
    /// Lines and entries that were rejected.
    pub rejected: u64,
    /// Where they are told, if there are any.
    pub rejected_file: Option<PathBuf>,
}

/// Imports files into the database of the settings.
pub async fn import(
    settings: Settings,
    request: ImportRequest,
    progress: Arc<TransferProgress>,
) -> Result<Imported, TransferError> {
    let sources = Arc::new(sources(&request.paths)?);
    let bytes_total = sources.iter().map(|source| source.bytes).sum();
    progress.bytes_total.store(bytes_total, Ordering::Relaxed);
    let app = run::open_for_transfer(settings, Store::open_to_load).await;
    let app = Arc::new(app.map_err(TransferError::opening)?);
    let rejected = RejectedFile::new(request.rejected.unwrap_or_else(|| REJECTED.into()));
    let done = import_into(&app, sources, rejected, progress).await;
    let closed = app.store.close().await;
    let done = done?;
    closed?;
    Ok(done)
}

async fn import_into(
    app: &Arc<App>,
    sources: Arc<Vec<Source>>,
    rejected: RejectedFile,
    progress: Arc<TransferProgress>,
) -> Result<Imported, TransferError> {
    let loader = app.store.loader().await?;
    let mut committing = Committing::new(
        Arc::clone(app),
        loader.clone(),
        Arc::clone(&sources),
        rejected,
        Arc::clone(&progress),
    );
    let pipeline = Pipeline::start(app, &sources, loader, progress).await?;
    pipeline.commit(&mut committing).await?;
    committing.flush().await?;
    committing.build_index().await?;
    let files = sources.iter().map(|source| source.key).collect();
    committing.loader.forget(files).await?;
    let Counts { created, updated, already_there, rejected } = committing.counts;
    let rejected_file = committing.rejected.written();
    Ok(Imported { created, updated, already_there, rejected, rejected_file })
}

/// The threads that read and prepare.
struct Pipeline {
    ready: mpsc::UnboundedReceiver<ReadyChunk>,
    reading: tokio::task::JoinHandle<Result<(), TransferError>>,
}

impl Pipeline {
    async fn start(
        app: &Arc<App>,
        sources: &Arc<Vec<Source>>,
        loader: Loader,
        progress: Arc<TransferProgress>,
    ) -> Result<Self, TransferError> {
        let threads = std::thread::available_parallelism().map_or(2, |threads| threads.get());
        let (chunks, unprepared) = sync_channel(threads);
        let unprepared = Arc::new(Mutex::new(unprepared));
        // As many chunks as places are held at a time, so the queue is bounded by them.
        let (send, ready) = mpsc::unbounded_channel();
        let snapshot = app.configuration.current().await?;
        let preparing = Preparing { app: Arc::clone(app), snapshot, loader: loader.clone() };
        for _ in 0..threads {
            let (preparing, unprepared, send) =
                (preparing.clone(), Arc::clone(&unprepared), send.clone());
            tokio::task::spawn_blocking(move || {
                while let Some(chunk) = next(&unprepared) {
                    if send.send(preparing.chunk(chunk)).is_err() {
                        return;
                    }
                }
            });
        }
        let sizes = Sizes {
            line_bytes_max: app.settings.body_bytes_max,
            document_bytes_max: app.settings.bundle_bytes_max,
        };
        let reading = Reading {
            sources: Arc::clone(sources),
            sizes,
            loader,
            places: Arc::new(Semaphore::new(IMPORT_CHUNKS_AT_ONCE)),
            runtime: Handle::current(),
            progress,
            chunks,
        };
        let reading = tokio::task::spawn_blocking(move || reading.all());
        Ok(Self { ready, reading })
    }

    /// Commits what is ready until everything is.
    async fn commit(mut self, committing: &mut Committing) -> Result<(), TransferError> {
        while let Some(chunk) = self.ready.recv().await {
            committing.take(chunk).await?;
        }
        let ended = |_| TransferError::Database("the files were not read to their end".to_owned());
        self.reading.await.map_err(ended)?
    }
}

fn next(unprepared: &Mutex<Receiver<Chunk>>) -> Option<Chunk> {
    unprepared.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
