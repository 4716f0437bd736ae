//! The words of random requests, and the ids that they guess.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use firewarden_fhir::yaml;
use regex::{Captures, Regex};
use serde_json::Value;

use crate::hidden::HIDDEN_IDS;
use crate::random::Random;
use crate::world::visible_rows;

/// `{word}` and `{Type}`, and nothing that JSON has.
static PLACES: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\{([A-Za-z-]+)\}").unwrap());

/// What requests are made of.
pub(crate) struct Vocabulary {
    words: BTreeMap<String, Vec<String>>,
    types: Vec<TypeWords>,
    callers: Vec<Caller>,
    /// The ids of the visible rows of each type.
    visible: BTreeMap<String, Vec<String>>,
}

/// Who asks.
pub(crate) struct Caller {
    pub(crate) name: String,
    weight: usize,
    reads: Vec<String>,
    writes: Vec<String>,
}

/// What is said of one type.
pub(crate) struct TypeWords {
    pub(crate) name: String,
    weight: usize,
    pub(crate) criteria: Vec<String>,
    pub(crate) includes: Vec<String>,
    pub(crate) sorts: Vec<String>,
    pub(crate) conditions: Vec<String>,
    pub(crate) bodies: Vec<Value>,
}

impl Vocabulary {
    pub(crate) fn read() -> Self {
        let read = yaml::parse(include_bytes!("vocabulary.yaml")).unwrap();
        let words = read["words"].as_object().unwrap();
        let words = words.iter().map(|(word, texts)| (word.clone(), all_texts(texts))).collect();
        let types = read["types"].as_object().unwrap();
        let types = types.iter().map(|(name, said)| TypeWords {
            name: name.clone(),
            weight: said["weight"].as_u64().unwrap() as usize,
            criteria: all_texts(&said["criteria"]),
            includes: all_texts(&said["includes"]),
            sorts: all_texts(&said["sorts"]),
            conditions: all_texts(&said["conditions"]),
            bodies: said["bodies"].as_array().unwrap().clone(),
        });
        let callers = read["callers"].as_object().unwrap();
        let callers = callers.iter().map(|(name, said)| Caller {
            name: name.clone(),
            weight: said["weight"].as_u64().unwrap() as usize,
            reads: all_texts(&said["reads"]),
            writes: all_texts(&said["writes"]),
        });
        let mut visible: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (of, id) in visible_rows() {
            visible.entry(of).or_default().push(id);
        }
        Self { words, types: types.collect(), callers: callers.collect(), visible }
    }

    pub(crate) fn any_caller(&self, random: &mut Random) -> &Caller {
        by_weight(&self.callers, |caller| caller.weight, random)
    }

    /// A type to read or write, mostly one that the caller may.
    pub(crate) fn any_type(&self, caller: &str, writes: bool, random: &mut Random) -> &TypeWords {
        let caller = self.callers.iter().find(|known| known.name == caller).unwrap();
        let granted = if writes { &caller.writes } else { &caller.reads };
        let is_granted = |of: &TypeWords| granted.contains(&of.name);
        let mostly = !granted.is_empty() && random.percent(85);
        let weight = |of: &TypeWords| if mostly && !is_granted(of) { 0 } else { of.weight };
        by_weight(&self.types, weight, random)
    }

    /// The text with every `{word}` and `{Type}` replaced. `made` are the types of the rows that
    /// requests have made.
    pub(crate) fn filled(&self, text: &str, random: &mut Random, made: &[String]) -> String {
        let one = |place: &Captures<'_>| match self.words.get(&place[1]) {
            Some(texts) => {
                let text = random.pick(texts).clone();
                self.filled(&text, random, made)
            }
            None => self.id(&place[1], random, made),
        };
        PLACES.replace_all(text, one).into_owned()
    }

    /// An id of that type: visible to somebody, hidden, made, or of none.
    fn id(&self, of: &str, random: &mut Random, made: &[String]) -> String {
        let visible = self.visible.get(of).map(Vec::as_slice).unwrap_or_default();
        match random.below(100) {
            0..64 if !visible.is_empty() => random.pick(visible).clone(),
            64..80 => {
                let ours: Vec<usize> =
                    (0..made.len()).rev().filter(|at| made[*at] == of).take(30).collect();
                match ours.is_empty() {
                    true => "never".to_owned(),
                    false => format!("-made-{}-", random.pick(&ours)),
                }
            }
            80..83 => "never".to_owned(),
            _ => format!("z{}", random.below(HIDDEN_IDS + 1)),
        }
    }
}

fn all_texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// One of these, each as often as its weight says.
pub(crate) fn by_weight<'a, T>(
    of: &'a [T],
    weight: impl Fn(&T) -> usize,
    random: &mut Random,
) -> &'a T {
    let mut at = random.below(of.iter().map(&weight).sum());
    let found = of.iter().find(|item| match at.checked_sub(weight(item)) {
        Some(rest) => {
            at = rest;
            false
        }
        None => true,
    });
    found.unwrap()
}
