//! What every store is asked for.

#[path = "../it/conditional.rs"]
mod conditional;
#[path = "../it/histories.rs"]
mod histories;
#[path = "jobs.rs"]
mod jobs;
#[path = "../it/limited.rs"]
mod limited;
#[path = "../it/matching.rs"]
mod matching;
#[path = "../it/policies.rs"]
mod policies;
#[path = "../it/random.rs"]
mod random;
#[path = "../it/rows.rs"]
mod rows;
#[path = "../it/searches.rs"]
mod searches;
#[path = "starting.rs"]
mod starting;
#[path = "../it/writes.rs"]
mod writes;
