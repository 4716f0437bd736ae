//! What is answered besides FHIR's interactions.

mod health;
mod test_policy;
mod userinfo;

pub(crate) use health::{health_details, live, ready};
pub(crate) use test_policy::test_policy;
pub(crate) use userinfo::userinfo;
