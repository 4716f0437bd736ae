//! The store's face to jobs.

use firewarden_fhir::{ResourceType, Timestamp};

use super::Store;
use crate::{
    Job, JobEnd, JobGoes, JobLease, JobProgress, JobState, NewJob, ReindexStep, StoreError,
    WriteError,
};

impl Store {
    /// Queues a job. One of the same id that has ended is begun anew, one that has not is left as
    /// it is.
    pub async fn queue_job(&self, new: NewJob, now: Timestamp) -> Result<(), WriteError> {
        self.engine.queue_job(new, now).await
    }

    /// Takes the oldest job of these kinds that waits, or whose runner is gone, if there is one.
    pub async fn take_job(
        &self,
        owner: &str,
        kinds: &'static [&'static str],
        now: Timestamp,
    ) -> Result<Option<JobLease>, WriteError> {
        self.engine.take_job(owner, kinds, now).await
    }

    /// Notes how far a job came, and renews its lease.
    pub async fn advance_job(
        &self,
        lease: &JobLease,
        progress: JobProgress,
        now: Timestamp,
    ) -> Result<JobGoes, WriteError> {
        self.engine.advance_job(lease, progress, now).await
    }

    /// Ends an attempt. A lease that is over ends nothing.
    pub async fn end_job(
        &self,
        lease: JobLease,
        end: JobEnd,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        self.engine.end_job(lease, end, now).await
    }

    /// Tells a job to end: at once if nobody runs it. The job, if there is one.
    pub async fn cancel_job(&self, id: &str, now: Timestamp) -> Result<Option<Job>, WriteError> {
        self.engine.cancel_job(id.to_owned(), now).await
    }

    /// Forgets jobs that ended long ago.
    pub async fn forget_jobs(&self, now: Timestamp) -> Result<(), WriteError> {
        self.engine.forget_jobs(now).await
    }

    /// The job of an id.
    pub async fn job(&self, id: &str) -> Result<Option<Job>, StoreError> {
        self.engine.job(id.to_owned()).await
    }

    /// The newest jobs.
    pub async fn jobs(&self) -> Result<Vec<Job>, StoreError> {
        self.engine.jobs().await
    }

    /// How many jobs there are of each kind and state.
    pub async fn job_counts(&self) -> Result<Vec<(String, JobState, u64)>, StoreError> {
        self.engine.job_counts().await
    }

    /// The types of which not everything is indexed as this program indexes it, in the order in
    /// which they are to be; and the number of that way to index.
    pub async fn unindexed(&self) -> Result<(Vec<ResourceType>, u64), StoreError> {
        self.engine.unindexed().await
    }

    /// Indexes the next few resources of a job anew, from where it stands.
    pub async fn reindex(
        &self,
        lease: &JobLease,
        progress: JobProgress,
        now: Timestamp,
    ) -> Result<ReindexStep, WriteError> {
        self.engine.reindex(lease, progress, now).await
    }
}
