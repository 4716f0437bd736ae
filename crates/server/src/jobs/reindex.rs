//! The job that indexes resources anew, where this program selects other values than they were
//! written with.

use std::time::Instant;

use firewarden_store::{JobEnd, JobGoes, JobLease, NewJob, ReindexStep, StoreError, WriteError};
use tracing::{info, warn};

use super::Stopped;
use crate::app::{App, now};
use crate::limits;

pub(super) const KIND: &str = "reindex";

/// Queues it, if there is something to be indexed anew; whether that was done.
pub(super) async fn queue(app: &App) -> bool {
    let queued = try_queue(app).await;
    if let Err(error) = &queued {
        warn!(%error, "the job that completes the index was not queued");
    }
    queued.is_ok()
}

async fn try_queue(app: &App) -> Result<(), WriteError> {
    let unavailable = |error: StoreError| WriteError::Unavailable(error.to_string());
    let (types, generation) = app.store.unindexed().await.map_err(unavailable)?;
    let id = format!("{KIND}-{generation}");
    for job in app.store.jobs().await.map_err(unavailable)? {
        // One for an earlier way to index would do the same.
        if job.kind == KIND && job.id != id && !job.state.is_ended() {
            app.store.cancel_job(&job.id, now()).await?;
        }
    }
    if types.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = types.iter().map(|of| of.name()).collect();
    warn!(
        types = names.join(" "),
        "resources are indexed anew; searches by what is not indexed yet are answered 503"
    );
    let new = NewJob { id, kind: KIND.to_owned(), settings: "{}".to_owned() };
    app.store.queue_job(new, now()).await
}

/// Runs it; `None` when somebody else has it now.
pub(super) async fn run(app: &App, lease: &JobLease, mut stopped: Stopped) -> Option<JobEnd> {
    let mut progress = lease.job.progress.clone();
    while !stopped.is_so() {
        let began = monotonic_now();
        match app.store.reindex(lease, progress.clone(), now()).await {
            Ok(ReindexStep::Finished) => return Some(JobEnd::Done),
            Ok(ReindexStep::Went(JobGoes::On, further)) => progress = further,
            Ok(ReindexStep::Went(JobGoes::Cancelled, _)) => return Some(JobEnd::Cancelled),
            Ok(ReindexStep::Went(JobGoes::Lost, _)) => return None,
            // Requests come first.
            Err(WriteError::Busy) => {}
            Err(error) => return Some(JobEnd::Failed(error.to_string())),
        }
        // The writer is others' for as long as it was this job's.
        stopped.or_after(began.elapsed().min(limits::JOB_REST_S_MAX)).await;
    }
    Some(JobEnd::LeftOff)
}

/// Queues what is to be indexed anew, and waits until what callers are known by is: before that,
/// nobody could be let in.
pub(crate) async fn index_own_types(app: &App) -> Result<(), StoreError> {
    // Before the wait: a job that ended when the server ran last is not taken for this one.
    queue(app).await;
    let mut told = false;
    loop {
        let (types, generation) = app.store.unindexed().await?;
        if !types.iter().any(|of| of.is_own()) {
            return Ok(());
        }
        if !told {
            info!("waiting until users, clients and the like are indexed anew");
            told = true;
        }
        let job = app.store.job(&format!("{KIND}-{generation}")).await?;
        if job.is_some_and(|job| job.state.is_ended()) {
            warn!("the index of users, clients and the like is not complete: see the failed job");
            return Ok(());
        }
        tokio::time::sleep(limits::INDEX_LOOK_S).await;
    }
}

/// A time that only goes forward, to measure by.
#[expect(clippy::disallowed_methods, reason = "the server is where the clock is read")]
fn monotonic_now() -> Instant {
    Instant::now()
}
