//! The conversations of tests/cases, folder by folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use firewarden_fhir::yaml;
use serde_json::Value;

use crate::cases::{each_file, each_file_of};

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
async fn what_is_reached_on_the_way_is_what_the_caller_may_search() {
    each_file("reach").await;
}

#[tokio::test]
async fn a_policy_in_sql_asks_what_is_stored() {
    each_file("sql").await;
}

#[tokio::test]
async fn a_save_that_would_make_a_test_of_the_policies_fail_is_refused() {
    each_file("policy_tests").await;
}

fn documentation() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

#[tokio::test]
async fn the_policy_examples_grant_and_refuse_as_they_say() {
    each_file_of(&documentation().join("policy-examples")).await;
}

#[test]
fn the_worked_examples_of_the_documentation_are_the_ones_that_are_run() {
    let page = std::fs::read_to_string(documentation().join("access-policies.md")).unwrap();
    let (_, examples) = page.split_once("## Worked examples").unwrap();
    let examples = examples.split("\n## ").next().unwrap();
    let policies = |text: &str| {
        let value = yaml::parse(text.as_bytes()).unwrap();
        value.as_array().map_or_else(|| vec![value.clone()], Vec::clone)
    };
    let shown: BTreeSet<String> = examples
        .split("```yaml\n")
        .skip(1)
        .flat_map(|rest| policies(rest.split("```").next().unwrap()))
        .map(|policy| policy.to_string())
        .collect();
    let mut run = BTreeSet::new();
    for file in std::fs::read_dir(documentation().join("policy-examples")).unwrap() {
        let text = std::fs::read(file.unwrap().path()).unwrap();
        let example = yaml::parse(&text).unwrap();
        run.extend(example["policies"].as_array().unwrap().iter().map(Value::to_string));
    }
    assert_eq!(shown, run);
}
