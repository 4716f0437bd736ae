//! Queries that are served, changed at random.

use proptest::prelude::*;

use super::{SERVED, check};
use crate::policy_query::{Rows, Table, tables};

/// Pieces of queries, allowed and not.
const PIECES: &[&str] = &[
    "select",
    "from",
    "where",
    "patient",
    "user",
    "\"user\"",
    "sqlite_master",
    "secret",
    "pg_sleep(1)",
    "union",
    "all",
    "with",
    "x",
    "as",
    "(",
    ")",
    ",",
    ";",
    "'",
    "\"",
    "$$",
    "$a$",
    "--",
    "/*",
    "*/",
    "{{",
    "}}",
    "{{!",
    "{{user.id}}",
    "{{!uri}}",
    "->",
    "->>",
    "@>",
    "||",
    "=",
    "and",
    "or",
    "not",
    "is",
    "null",
    "true",
    "1",
    "'a'",
    "::text",
    "::jsonb",
    "in",
    "exists",
    "like",
    "limit 1",
    "for update",
    "into",
    "delete",
    "insert",
    "drop table",
    "attach",
    "pragma",
    "id",
    "resource",
    "count(*)",
    "join",
    "on",
    "jsonb_array_elements",
    "lateral",
    "\\",
    "\u{1}0",
    "\u{0}",
    "E'",
    "U&'",
    "$1",
    "?",
    ":x",
    "é",
    "\n",
    ".",
];

fn piece() -> impl Strategy<Value = String> {
    let fixed = PIECES.to_vec();
    prop::sample::select(fixed).prop_map(str::to_owned)
}

fn mutated() -> impl Strategy<Value = String> {
    let queries: Vec<&str> = SERVED.to_vec();
    let change = (any::<prop::sample::Index>(), 0_usize..4, piece());
    (prop::sample::select(queries), prop::collection::vec(change, 0..5)).prop_map(
        |(query, changes)| {
            let mut words: Vec<String> = query.split(' ').map(str::to_owned).collect();
            for (at, how, piece) in changes {
                let at = at.index(words.len());
                match how {
                    0 => words.insert(at, piece),
                    1 => words[at] = piece,
                    2 => words[at].push_str(&piece),
                    _ => drop(words.remove(at)),
                }
                if words.is_empty() {
                    words.push(String::new());
                }
            }
            words.join(" ")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_reaches_a_table_that_is_not_listed_or_panics(query in mutated()) {
        if let Ok((checked, _)) = check(&query) {
            prop_assert!(query.to_lowercase().contains("select"));
            for source in &checked.select().sources {
                if let Rows::Table(Table::Of(of)) = &source.rows {
                    prop_assert!(tables().any(|listed| listed == *of));
                }
            }
        }
    }

    #[test]
    fn no_sequence_of_pieces_panics(pieces in prop::collection::vec(piece(), 0..20)) {
        drop(check(&pieces.join(" ")));
        drop(check(&pieces.concat()));
    }
}
