//! Callers in, permits out: who may do what, and to which rows.
//!
//! Pure: no I/O, no tokens, no HTTP. [`decide`] alone makes a [`Permitted`], and [`Permitted`]
//! and [`SystemTask`] alone make a [`RowFilter`].

mod caller;
mod decide;
mod facts;
mod permit;
mod policy_set;
mod rows;
mod system_task;

pub use caller::{Caller, Session};
pub use decide::{Considered, Denial, Verdict, decide};
pub use facts::RequestFacts;
pub use permit::Permitted;
pub use policy_set::{PolicySet, PolicySource};
pub use rows::{Reach, RowFilter};
pub use system_task::SystemTask;
