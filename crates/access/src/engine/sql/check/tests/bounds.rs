//! How large a query may be.

use super::{checked, refusal};
use crate::limits::{
    QUERY_ARGUMENTS_MAX, QUERY_BYTES_MAX, QUERY_DEPTH_MAX, QUERY_EXPRESSIONS_MAX, QUERY_PATHS_MAX,
    QUERY_SOURCES_MAX,
};

#[test]
fn large_queries_are_refused_before_they_exhaust_the_stack() {
    let deep = |n: usize| format!("select {}true{}", "(".repeat(n), ")".repeat(n));
    checked(&deep(15));
    let nots = format!("select {} true", "not ".repeat(500));
    let selects = format!("select {}true{}", "exists (select ".repeat(100), ")".repeat(100));
    let minus = format!("select {}1", "- ".repeat(2_000));
    let long_chain = format!("select true{}", " and true".repeat(QUERY_EXPRESSIONS_MAX));
    let arrows = format!("select '[]'::jsonb{} is null", "->0".repeat(QUERY_DEPTH_MAX + 1));
    let casts = format!("select 1{} = 1", "::int".repeat(QUERY_DEPTH_MAX + 1));
    let longest = "||a".repeat((QUERY_BYTES_MAX - 10) / 3);
    let longest = format!("select a{longest}");
    let arguments = format!("select coalesce({}1)", "1,".repeat(QUERY_ARGUMENTS_MAX));
    let values = "{{uri}}=".repeat(QUERY_PATHS_MAX + 1);
    let from = vec!["patient"; QUERY_SOURCES_MAX + 1];
    let from: Vec<String> = from.iter().enumerate().map(|(i, t)| format!("{t} t{i}")).collect();
    let from = format!("select true from {} limit 1", from.join(","));
    let parens = deep(QUERY_BYTES_MAX / 2 - 20);
    for query in [
        deep(QUERY_DEPTH_MAX),
        parens,
        nots,
        selects,
        minus,
        long_chain,
        arrows,
        casts,
        longest,
        arguments,
        values,
        from,
    ] {
        refusal(&query);
    }
    checked(&format!("select true{}", " and true".repeat(QUERY_EXPRESSIONS_MAX - 10)));
}
