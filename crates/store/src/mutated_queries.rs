//! Queries by chance, for the tests of the rules of `sql` policies: those of the cases, changed.

use std::path::Path;

use firewarden_fhir::yaml;
use proptest::prelude::*;

/// The queries of all cases.
fn queries() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/policies");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let cases = files.map(|file| yaml::parse(&std::fs::read(file).unwrap()).unwrap());
    let queries = cases.flat_map(|cases| {
        let named = cases["queries"].as_object().cloned().unwrap_or_default();
        let own = cases["cases"].as_array().unwrap().iter().map(|case| case["query"].clone());
        own.chain(named.into_iter().map(|(_, query)| query)).collect::<Vec<_>>()
    });
    queries.map(|query| query.as_str().unwrap().to_owned()).collect()
}

/// A query of the cases, some of whose words are words of others.
pub(crate) fn mutated() -> impl Strategy<Value = String> {
    let queries = queries();
    let words: Vec<String> =
        queries.iter().flat_map(|query| query.split(' ').map(str::to_owned)).collect();
    let change = (any::<prop::sample::Index>(), 0..3, prop::sample::select(words));
    (prop::sample::select(queries), prop::collection::vec(change, 0..4)).prop_map(
        |(query, changes)| {
            let mut words: Vec<String> = query.split(' ').map(str::to_owned).collect();
            for (at, how, word) in changes {
                let at = at.index(words.len());
                match how {
                    0 => words.insert(at, word),
                    1 => words[at] = word,
                    _ => words[at].push_str(&word),
                }
            }
            words.join(" ")
        },
    )
}
