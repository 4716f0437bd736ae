//! Callers in, permits out: who may do what, and to which rows.
//!
//! Pure: no I/O, no tokens, no HTTP. [`decide`] alone makes a [`Permitted`], and [`Permitted`]
//! and [`SystemTask`] alone make a [`RowFilter`].

mod caller;
mod decide;
mod described;
mod document;
mod element_path;
mod engine;
mod explain;
mod facts;
mod grant;
pub mod limits;
mod lint;
mod nearest;
mod own_reference;
pub mod own_type;
mod permit;
mod permitted_search;
mod policy;
mod policy_database;
pub mod policy_query;
mod policy_set;
mod policy_test;
mod rows;
mod rule;
mod scopes;
mod shadow;
mod system_task;
mod test_policy;
mod try_matcho;
mod verdict;

pub use caller::{Caller, Session};
pub use decide::{Asker, Considered, Denial, DenialReason, decide};
pub use described::Described;
pub use explain::{BodyKept, Explanation, Reason, Reasons, explain, reasons, ruled_by};
pub use facts::RequestFacts;
pub use lint::{Finding, LintRule, NamedIssuer, lint, named_issuers};
pub use permit::{Permitted, PermittedRows};
pub use permitted_search::{NotGranted, PermittedSearch};
pub use policy_database::{Answered, PolicyDatabase, QueryAnswer, Unanswered};
pub use policy_set::{PolicySet, PolicySource};
pub use policy_test::{NoDatabase, PolicyTest, TestedCaller, Unexpected};
pub use rows::{Reach, RowFilter};
pub use shadow::{Shadow, ShadowEffect, shadow_effects};
pub use system_task::SystemTask;
pub use test_policy::{Tested, test_policy};
pub use try_matcho::try_matcho;
pub use verdict::Verdict;
