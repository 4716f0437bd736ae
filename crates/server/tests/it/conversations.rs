//! The conversations of tests/cases, folder by folder.

use crate::cases::each_file;

#[tokio::test]
async fn our_own_types_are_kept_by_their_rules() {
    each_file("own_types").await;
}

#[tokio::test]
async fn resources_are_written_and_read_as_fhir_says() {
    each_file("fhir").await;
}

#[tokio::test]
async fn searches_find_what_matches_and_nothing_else() {
    each_file("search").await;
}

#[tokio::test]
async fn bundles_are_decided_entry_by_entry() {
    each_file("bundles").await;
}

#[tokio::test]
async fn a_change_counts_from_the_next_request_on() {
    each_file("changes").await;
}

#[tokio::test]
async fn a_policy_sees_the_parameters_that_apply() {
    each_file("parameters").await;
}

#[tokio::test]
async fn a_caller_is_who_the_trusted_issuer_may_name() {
    each_file("callers").await;
}

#[tokio::test]
async fn a_token_is_judged_by_what_the_operator_said() {
    each_file("trust").await;
}

#[tokio::test]
async fn administrators_are_told_why_and_nobody_else_is() {
    each_file("explain").await;
}

#[tokio::test]
async fn a_policy_in_sql_asks_what_is_stored() {
    each_file("sql").await;
}

#[tokio::test]
async fn a_save_that_would_make_a_test_of_the_policies_fail_is_refused() {
    each_file("policy_tests").await;
}
