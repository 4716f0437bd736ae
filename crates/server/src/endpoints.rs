//! What is answered besides FHIR's interactions.

mod discovery;
mod explain;
mod health;
mod jobs;
mod metrics;
mod named_caller;
mod policy_tests;
mod test_matcho;
mod test_policy;
mod test_token;
mod token;
mod userinfo;

pub(crate) use discovery::{metadata_url, protected_resource, smart_configuration};
pub(crate) use explain::explain;
pub(crate) use health::{health_details, live, ready};
pub(crate) use jobs::jobs;
pub(crate) use metrics::metrics;
use policy_tests::policy_tests;
pub(crate) use test_matcho::test_matcho;
pub(crate) use test_policy::test_policy;
pub(crate) use test_token::test_token;
pub(crate) use token::{TokenAnswer, TokenRefusal, token};
pub(crate) use userinfo::userinfo;
