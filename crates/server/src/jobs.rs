//! Runs jobs beside requests: a few at a time, each until it is done, is told to end, or the server
//! stops, and then from where it was.

mod reindex;

use std::sync::Arc;

use firewarden_store::{JobEnd, JobLease};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tracing::{info, warn};

use crate::app::{App, new_id, now};
use crate::limits;

pub(crate) use reindex::index_own_types;

/// The kinds of jobs that this program runs. Another version's kinds are left to it.
const KINDS: &[&str] = &[reindex::KIND];

/// Runs jobs until it is told to stop.
pub(crate) struct JobRunner {
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl JobRunner {
    pub(crate) fn start(app: Arc<App>) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { stop, running: tokio::spawn(run(app, Stopped(stopped))) }
    }

    /// Lets every job end its step and be left off.
    pub(crate) async fn stop(self) {
        // It is heard by those who still run.
        let _ = self.stop.send(true);
        if let Err(error) = self.running.await {
            warn!(%error, "the runner of jobs ended by itself");
        }
    }
}

/// Whether jobs are to be left off.
#[derive(Clone)]
struct Stopped(watch::Receiver<bool>);

impl Stopped {
    fn is_so(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits, but no longer than until it is so.
    async fn or_after(&mut self, time: std::time::Duration) {
        // One that can no longer be told has been dropped with the server.
        let told = async { self.0.wait_for(|stopped| *stopped).await.map(drop) };
        let _ = tokio::time::timeout(time, told).await;
    }
}

async fn run(app: Arc<App>, mut stopped: Stopped) {
    let owner = new_id().to_string();
    let mut is_queued = false;
    let mut running = JoinSet::new();
    let mut looks = 0_u64;
    while !stopped.is_so() {
        if looks.is_multiple_of(limits::JOB_LOOKS_BETWEEN_SWEEPS)
            && let Err(error) = app.store.forget_jobs(now()).await
        {
            warn!(%error, "jobs that ended long ago were not forgotten");
        }
        looks = looks.wrapping_add(1);
        if !is_queued {
            is_queued = reindex::queue(&app).await;
        }
        while running.len() < limits::JOBS_AT_ONCE {
            match app.store.take_job(&owner, KINDS, now()).await {
                Ok(Some(lease)) => {
                    running.spawn(one(Arc::clone(&app), lease, stopped.clone()));
                }
                Ok(None) => break,
                Err(error) => {
                    warn!(%error, "no job could be taken");
                    break;
                }
            }
        }
        tokio::select! {
            () = stopped.or_after(limits::JOB_LOOK_S) => {}
            Some(_) = running.join_next(), if !running.is_empty() => {}
        }
    }
    while running.join_next().await.is_some() {}
}

/// Runs one job, and notes how it ended. An end that cannot be noted comes with the end of the lease.
async fn one(app: Arc<App>, lease: JobLease, stopped: Stopped) {
    let (id, kind) = (lease.job.id.clone(), lease.job.kind.clone());
    info!(job = id, kind, attempt = lease.job.attempts, "a job is taken");
    let end = match kind.as_str() {
        reindex::KIND => reindex::run(&app, &lease, stopped).await,
        _ => Some(JobEnd::Failed("this program does not know such a job".to_owned())),
    };
    match &end {
        Some(JobEnd::Done) => info!(job = id, kind, "a job is done"),
        Some(JobEnd::Cancelled) => info!(job = id, kind, "a job was cancelled"),
        Some(JobEnd::LeftOff) => info!(job = id, kind, "a job is left off"),
        Some(JobEnd::Failed(why)) => warn!(job = id, kind, why, "a job failed"),
        None => warn!(job = id, kind, "a job was taken over by another process"),
    }
    if let Some(end) = end
        && let Err(error) = app.store.end_job(lease, end, now()).await
    {
        warn!(job = id, %error, "the end of a job was not noted");
    }
}
