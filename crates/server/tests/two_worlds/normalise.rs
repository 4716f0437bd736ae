//! What two worlds may tell differently, told alike: ids, times, cursors.
//!
//! An id or a time becomes the number of its first appearance. So two worlds that name the same
//! things in the same places read the same, and two that do not are told apart.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

use crate::requests::Request;
use crate::world::{Answer, PUBLIC_URL};

/// Texts that differ from world to world: a cursor, an id of the server's, a time it wrote.
static OWN_TEXTS: LazyLock<Regex> = LazyLock::new(|| {
    let cursor = r"_cursor=(?<cursor>[A-Za-z0-9_.\-]{20,})";
    let id = "(?<id>[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})";
    let colon = "(?::|%3A)";
    let time =
        format!(r"(?<time>\d{{4}}-\d\d-\d\dT\d\d{colon}\d\d{colon}\d\d\.\d{{3}}(?:Z|%2B00:00))");
    Regex::new(&format!("{cursor}|{id}|{time}")).unwrap()
});

/// Where a request stands for what each world has its own text of.
static PLACES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("-(made|instant|next|cursor)-([0-9]+)-").unwrap());

/// Header fields of the time and of one request alone.
const LEFT_OUT: &[&str] = &["date", "x-request-id", "last-modified"];

/// What one world has told so far.
#[derive(Default)]
pub(crate) struct Seen {
    ids: Vec<String>,
    types: Vec<String>,
    times: HashMap<String, usize>,
    nexts: Vec<String>,
    /// Times between the parts of the world's making.
    pub(crate) instants: Vec<String>,
}

impl Seen {
    /// The types of what the server made, in the order of appearance.
    pub(crate) fn made(&self) -> &[String] {
        &self.types
    }

    /// How many pages had a next one.
    pub(crate) fn cursors(&self) -> usize {
        self.nexts.len()
    }

    /// The text with the places filled by what this world has told.
    pub(crate) fn filled(&self, text: &str) -> String {
        let own = |place: &Captures<'_>| {
            let number: usize = place[2].parse().unwrap();
            match &place[1] {
                "made" => self.ids[number].clone(),
                "instant" => self.instants[number].clone(),
                "next" => self.nexts[number].clone(),
                _ => self.nexts[number].split_once("_cursor=").unwrap().1.to_owned(),
            }
        };
        PLACES.replace_all(text, own).into_owned()
    }

    /// The answer as every world would tell it.
    pub(crate) fn normalised(&mut self, request: &Request, answer: &Answer) -> String {
        let mut fields: Vec<String> = answer
            .headers
            .iter()
            .filter(|(name, _)| !LEFT_OUT.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        fields.sort();
        let told = format!("{}\n{}\n\n{}", answer.status, fields.join("\n"), answer.text);
        let told = self.by_appearance(&told);
        if matches!(request.method, "GET" | "POST") {
            self.nexts.extend(next_page(&answer.text));
        }
        told
    }

    fn by_appearance(&mut self, told: &str) -> String {
        let named = |found: &Captures<'_>| {
            if found.name("cursor").is_some() {
                return "_cursor=<cursor>".to_owned();
            }
            if let Some(time) = found.name("time") {
                let next = self.times.len();
                let time = time.as_str().replace("%3A", ":");
                return format!("<time {}>", self.times.entry(time).or_insert(next));
            }
            let whole = found.get(0).unwrap();
            format!("<id {}>", self.id(whole.as_str(), told.get(..whole.start()).unwrap()))
        };
        OWN_TEXTS.replace_all(told, named).into_owned()
    }

    fn id(&mut self, id: &str, before: &str) -> usize {
        let number = self.ids.iter().position(|known| known == id).unwrap_or_else(|| {
            self.ids.push(id.to_owned());
            self.types.push(String::new());
            self.ids.len() - 1
        });
        if self.types[number].is_empty()
            && let Some(before) = before.strip_suffix('/')
        {
            let of = before.rsplit(|c: char| !c.is_ascii_alphabetic()).next();
            self.types[number] = of.unwrap_or_default().to_owned();
        }
        number
    }
}

/// The path and query of a Bundle's link to its next page.
fn next_page(text: &str) -> Option<String> {
    let bundle: Value = serde_json::from_str(text).ok()?;
    let mut links = bundle["link"].as_array()?.iter();
    let next = links.find(|link| link["relation"] == "next")?;
    Some(next["url"].as_str()?.strip_prefix(PUBLIC_URL)?.to_owned())
}
