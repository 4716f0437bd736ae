//! The engines against a second, naive interpreter of the same contract, on generated pairs of
//! policies and documents.

mod chance;
mod documents;
mod naive;
mod policies;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use serde_json::Value;

use self::chance::Chance;
use super::Engine;
use crate::document::RequestDocument;
use crate::policy_query::{Bindings, PolicyQuery};
use crate::{PolicyDatabase, QueryAnswer, Unanswered, Verdict};

const PAIRS_DEFAULT: usize = 100_000;
const DOCUMENTS_PER_POLICY: usize = 10;

/// Shares of the pairs, in percent, below which they would show little.
const SHARES: &[(&str, Verdict, usize)] = &[
    ("matcho", Verdict::Satisfied, 20),
    ("matcho", Verdict::NotSatisfied, 30),
    ("matcho", Verdict::Failed, 2),
    ("json-schema", Verdict::Satisfied, 20),
    ("json-schema", Verdict::NotSatisfied, 30),
    ("json-schema", Verdict::Failed, 2),
    ("complex", Verdict::Satisfied, 20),
    ("complex", Verdict::NotSatisfied, 20),
    ("complex", Verdict::Failed, 5),
    ("allow", Verdict::Satisfied, 100),
];

#[derive(Debug)]
struct NoDatabase;

#[async_trait]
impl PolicyDatabase for NoDatabase {
    async fn evaluate(
        &self,
        _query: &PolicyQuery,
        _bindings: &Bindings,
    ) -> Result<QueryAnswer, Unanswered> {
        Err(Unanswered::Failed)
    }
}

/// How many pairs are judged: fewer where the test runs for every mutant.
#[expect(clippy::disallowed_methods, reason = "the test reads it, not the code under test")]
fn pairs() -> usize {
    let said = std::env::var("FIREWARDEN_TEST_PAIRS");
    said.map_or(PAIRS_DEFAULT, |pairs| pairs.parse().unwrap())
}

/// What the engine says of the documents. A rule that does not compile fails on each.
fn real(policy: &Value, documents: &[Value]) -> Vec<Verdict> {
    let Ok((engine, _)) = Engine::compile(policy.as_object().unwrap()) else {
        return vec![Verdict::Failed; documents.len()];
    };
    let verdict = |document: &Value| {
        let whole = RequestDocument::as_it_stands(document.clone());
        let explained = engine.explain(&whole, &NoDatabase).now_or_never().unwrap().0;
        let lazy = LazyLock::new(Box::new(move || whole) as Box<dyn FnOnce() -> _ + Send>);
        let verdict = engine.verdict(&lazy, &NoDatabase).now_or_never().unwrap();
        assert_eq!(verdict, explained, "{policy} on {document}");
        verdict
    };
    documents.iter().map(verdict).collect()
}

#[test]
fn the_engines_say_what_a_naive_interpreter_says() {
    let rounds = pairs() / DOCUMENTS_PER_POLICY / 2;
    // One half is always the same; the other never was.
    let fresh = RandomState::new().hash_one(0);
    let mut tally: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for seed in [1, fresh] {
        let mut chance = Chance::of(seed);
        for _ in 0..rounds {
            let mut documents = vec![documents::any(&mut chance)];
            let policy = policies::any(&mut chance, &documents[0]);
            while documents.len() < DOCUMENTS_PER_POLICY {
                let like = documents::like(&mut chance, &documents[0]);
                documents.push(like);
            }
            let engine = policy["engine"].as_str().unwrap();
            for (document, verdict) in documents.iter().zip(real(&policy, &documents)) {
                let expected = naive::verdict(&policy, document);
                assert_eq!(verdict, expected, "seed {seed}: {policy} on {document}");
                *tally.entry((engine.to_owned(), verdict.name())).or_default() += 1;
            }
        }
    }
    println!("{tally:?}");
    assert_eq!(tally.values().sum::<usize>(), rounds * DOCUMENTS_PER_POLICY * 2);
    if rounds * DOCUMENTS_PER_POLICY * 2 < PAIRS_DEFAULT {
        // Of few pairs the shares are chance.
        return;
    }
    for (engine, verdict, least) in SHARES {
        let of_engine = tally.iter().filter(|((of, _), _)| of == engine);
        let all: usize = of_engine.map(|(_, count)| count).sum();
        let count = tally.get(&((*engine).to_owned(), verdict.name())).copied().unwrap_or(0);
        let share = count * 100 / all;
        assert!(share >= *least, "{engine}: {share} % {}, of {all}", verdict.name());
    }
}
