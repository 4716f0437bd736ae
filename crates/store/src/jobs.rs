//! Work that is done beside requests, on any node: queued, taken on lease, resumed where it stopped.

pub(crate) mod table;

use firewarden_fhir::Timestamp;

/// A job to be done.
pub struct NewJob {
    /// Its id. One that is queued already, or runs, is not queued again.
    pub id: String,
    /// What is to be done.
    pub kind: String,
    /// On what, as its kind reads it: JSON.
    pub settings: String,
}

/// A job, as it stands.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// What is done.
    pub kind: String,
    /// On what, as its kind reads it: JSON.
    pub settings: String,
    /// How far it came.
    pub state: JobState,
    /// Whether it was told to end.
    pub cancelling: bool,
    /// How much is done, and where it goes on.
    pub progress: JobProgress,
    /// Who runs it.
    pub owner: Option<String>,
    /// How often it was begun since it last got on.
    pub attempts: u64,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// When it was queued.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// The states of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobState {
    /// Nobody runs it yet, or again.
    Waiting,
    /// Somebody runs it.
    Running,
    /// It is done.
    Done,
    /// It was given up.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

impl JobState {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Waiting, Self::Running, Self::Done, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|state| state.name() == name)
    }

    /// Whether nothing happens to it any more.
    pub fn is_ended(self) -> bool {
        match self {
            Self::Waiting | Self::Running => false,
            Self::Done | Self::Failed | Self::Cancelled => true,
        }
    }
}

/// How far a job came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobProgress {
    /// How much is done.
    pub done: u64,
    /// Of how much; 0 while that is not known.
    pub total: u64,
    /// Where it goes on, as its kind writes it; empty at its beginning.
    pub position: String,
}

/// The right to run a job, for as long as it is renewed.
#[derive(Clone, Debug)]
pub struct JobLease {
    /// The job, as it was taken.
    pub job: Job,
    /// Tells this lease from those before and after it.
    pub(crate) takes: i64,
}

/// Whether a job goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobGoes {
    /// It goes on.
    On,
    /// Somebody wants it to end.
    Cancelled,
    /// The lease is over, and somebody else may have the job: nothing was noted.
    Lost,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEnd {
    /// All of it is done.
    Done,
    /// It failed, in words without a resource's content. It is tried again later, if it was not
    /// tried too often.
    Failed(String),
    /// It was told to end.
    Cancelled,
    /// It is left to whoever takes it next: this process stops.
    LeftOff,
}

/// What came of indexing a few resources anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReindexStep {
    /// They are indexed, unless the lease was lost; how far the job is.
    Went(JobGoes, JobProgress),
    /// Everything is indexed.
    Finished,
}
