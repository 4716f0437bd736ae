//! `GET /auth/jobs`, `GET /auth/jobs/[id]` and `DELETE /auth/jobs/[id]`: what is done beside requests,
//! for administrators.

use firewarden_fhir::request::NotServed;
use firewarden_fhir::{AskedOfJobs, instant_text};
use firewarden_interactions::{Failure, Outcome};
use firewarden_store::Job;
use serde_json::{Map, Value, json};

use crate::failure::Refusal;
use crate::pipeline::Moment;

/// Tells of the jobs, or ends one. One that runs ends after its current step: the answer says
/// whether it has.
pub(crate) async fn jobs(moment: &Moment<'_>, asked: &AskedOfJobs) -> Result<Outcome, Refusal> {
    let store = &moment.app.store;
    let unknown = || Refusal::NotServed(NotServed::NotFound);
    let answer = match asked {
        AskedOfJobs::List => {
            let jobs = store.jobs().await.map_err(Failure::from)?;
            json!({"jobs": jobs.iter().map(told).collect::<Vec<_>>()})
        }
        AskedOfJobs::Read(id) => {
            let job = store.job(id).await.map_err(Failure::from)?;
            told(&job.ok_or_else(unknown)?)
        }
        AskedOfJobs::Cancel(id) => {
            let job = store.cancel_job(id, moment.now).await.map_err(Failure::from)?;
            told(&job.ok_or_else(unknown)?)
        }
    };
    Ok(Outcome::Made(answer.to_string()))
}

fn told(job: &Job) -> Value {
    let mut told = Map::new();
    let mut tell = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            told.insert(name.to_owned(), value);
        }
    };
    let known = |count: u64| (count > 0).then(|| count.into());
    tell("id", Some(job.id.as_str().into()));
    tell("kind", Some(job.kind.as_str().into()));
    tell("state", Some(job.state.name().into()));
    tell("cancelling", (job.cancelling && !job.state.is_ended()).then_some(Value::Bool(true)));
    tell("done", Some(job.progress.done.into()));
    tell("total", known(job.progress.total));
    tell("attempts", Some(job.attempts.into()));
    tell("owner", job.owner.as_deref().map(Value::from));
    tell("error", job.error.as_deref().map(Value::from));
    tell("created", Some(instant_text(job.created).into()));
    tell("updated", Some(instant_text(job.updated).into()));
    tell("ended", job.ended.map(|at| instant_text(at).into()));
    Value::Object(told)
}
