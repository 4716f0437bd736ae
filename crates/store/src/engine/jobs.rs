//! Jobs, as the rest of the program deals with them.

use super::chore::perform;
use super::pool::Reading;
use super::{Engine, dictionary, reindex};
use crate::database::{Session, unavailable};
use crate::jobs::table;
use crate::{
    Job, JobEnd, JobGoes, JobLease, JobProgress, JobState, NewJob, ReindexStep, StoreError,
    WriteError,
};
use firewarden_fhir::{ResourceType, Timestamp};

impl Engine {
    pub(crate) async fn queue_job(&self, new: NewJob, now: Timestamp) -> Result<(), WriteError> {
        perform(&self.writer, now, move |tools| {
            table::queue(tools.session, &new, now).map(|()| ((), Vec::new()))
        })
        .await
    }

    /// Takes a job, if one waits: the writer is only asked then.
    pub(crate) async fn take_job(
        &self,
        owner: &str,
        kinds: &'static [&'static str],
        now: Timestamp,
    ) -> Result<Option<JobLease>, WriteError> {
        let waits = self.look(move |session| table::waits(session, kinds, now)).await;
        if !waits.map_err(|error| WriteError::Unavailable(error.to_string()))? {
            return Ok(None);
        }
        let owner = owner.to_owned();
        perform(&self.writer, now, move |tools| {
            table::take(tools.session, &owner, kinds, now).map(|taken| (taken, Vec::new()))
        })
        .await
    }

    pub(crate) async fn advance_job(
        &self,
        lease: &JobLease,
        progress: JobProgress,
        now: Timestamp,
    ) -> Result<JobGoes, WriteError> {
        let lease = lease.clone();
        perform(&self.writer, now, move |tools| {
            table::advance(tools.session, &lease, &progress, now).map(|goes| (goes, Vec::new()))
        })
        .await
    }

    pub(crate) async fn end_job(
        &self,
        lease: JobLease,
        end: JobEnd,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        perform(&self.writer, now, move |tools| {
            table::end(tools.session, &lease, &end, now).map(|()| ((), Vec::new()))
        })
        .await
    }

    pub(crate) async fn cancel_job(
        &self,
        id: String,
        now: Timestamp,
    ) -> Result<Option<Job>, WriteError> {
        perform(&self.writer, now, move |tools| {
            table::cancel(tools.session, &id, now).map(|job| (job, Vec::new()))
        })
        .await
    }

    pub(crate) async fn forget_jobs(&self, now: Timestamp) -> Result<(), WriteError> {
        perform(&self.writer, now, move |tools| {
            table::forget(tools.session, now).map(|()| ((), Vec::new()))
        })
        .await
    }

    pub(crate) async fn job(&self, id: String) -> Result<Option<Job>, StoreError> {
        self.look(move |session| table::one(session, &id)).await
    }

    pub(crate) async fn jobs(&self) -> Result<Vec<Job>, StoreError> {
        self.look(table::list).await
    }

    pub(crate) async fn job_counts(&self) -> Result<Vec<(String, JobState, u64)>, StoreError> {
        self.look(table::count).await
    }

    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Session<'_>) -> crate::database::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.pool.run(|reading: &Reading<'_>| look(reading.session).map_err(unavailable)).await
    }

    /// When the database was restored, while nobody has looked at what came back.
    pub(crate) async fn restored(&self) -> Result<Option<Timestamp>, StoreError> {
        let restored = |session: &Session<'_>| {
            session.row("SELECT restored FROM state", (), |row| row.get::<i64>(0))
        };
        let at = self.look(restored).await?;
        Ok((at > 0).then(|| Timestamp::from_millisecond(at).unwrap_or_default()))
    }

    /// The types whose resources are not all indexed, and which generation of indexes this is.
    pub(crate) async fn unindexed(&self) -> Result<(Vec<ResourceType>, u64), StoreError> {
        let known = self.dictionary.clone();
        let look = move |reading: &Reading<'_>| {
            let types = known.unindexed(reading.session).map_err(unavailable)?;
            let generation = dictionary::generation(reading.session).map_err(unavailable)?;
            Ok((types, generation))
        };
        self.pool.run(look).await
    }

    /// Indexes the next resources of a job anew.
    pub(crate) async fn reindex(
        &self,
        lease: &JobLease,
        progress: JobProgress,
        now: Timestamp,
    ) -> Result<ReindexStep, WriteError> {
        let (dictionary, base_url) = (self.dictionary.clone(), self.base_url.clone());
        let prepare = move |reading: &Reading<'_>| {
            reindex::prepare(reading, &dictionary, &base_url, &progress)
        };
        let prepared = self.pool.run(prepare).await;
        let prepared = prepared.map_err(|error| WriteError::Unavailable(error.to_string()))?;
        let Some(prepared) = prepared else { return Ok(ReindexStep::Finished) };
        let lease = lease.clone();
        perform(&self.writer, now, move |tools| {
            let goes = table::advance(tools.session, &lease, &prepared.progress, now)?;
            let changes = match goes {
                JobGoes::Lost => Vec::new(),
                JobGoes::On | JobGoes::Cancelled => reindex::apply(tools, &prepared)?,
            };
            Ok((ReindexStep::Went(goes, prepared.progress.clone()), changes))
        })
        .await
    }
}
