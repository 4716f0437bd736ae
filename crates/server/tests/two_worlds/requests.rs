//! Random requests by callers that see a part.
//!
//! `-made-3-`, `-instant-1-` and `-cursor-2-` in a request stand for what each world has its own
//! text of: the fourth id that the server made, a time, a page's cursor.

use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::normalise::Seen;
use crate::random::Random;
use crate::vocabulary::{TypeWords, Vocabulary, by_weight};

/// What is asked for, and how often.
const KINDS: &[(usize, Kind)] = &[
    (400, Kind::Search),
    (40, Kind::Compartment),
    (90, Kind::Read),
    (40, Kind::Vread),
    (50, Kind::HistoryInstance),
    (40, Kind::HistoryType),
    (20, Kind::HistorySystem),
    (70, Kind::Create),
    (70, Kind::Update),
    (25, Kind::Delete),
    (30, Kind::ConditionalCreate),
    (20, Kind::ConditionalUpdate),
    (15, Kind::ConditionalDelete),
    (40, Kind::Batch),
    (30, Kind::Transaction),
    (15, Kind::Cursor),
    (15, Kind::Odd),
];

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Search,
    Compartment,
    Read,
    Vread,
    HistoryInstance,
    HistoryType,
    HistorySystem,
    Create,
    Update,
    Delete,
    ConditionalCreate,
    ConditionalUpdate,
    ConditionalDelete,
    Batch,
    Transaction,
    Cursor,
    Odd,
    NextPage,
}

impl Kind {
    pub(crate) fn writes(self) -> bool {
        use Kind::{
            ConditionalCreate, ConditionalDelete, ConditionalUpdate, Create, Delete, Update,
        };
        let conditional = matches!(self, ConditionalCreate | ConditionalUpdate | ConditionalDelete);
        conditional || matches!(self, Create | Update | Delete)
    }
}

/// One request, the same for both worlds.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) kind: Kind,
    pub(crate) caller: String,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Media type and text.
    pub(crate) body: Option<(&'static str, String)>,
}

/// What is asked for in a Bundle.
const ENTRIES: &[Kind] = &[
    Kind::Search,
    Kind::Search,
    Kind::Read,
    Kind::Read,
    Kind::Vread,
    Kind::HistoryInstance,
    Kind::HistoryType,
    Kind::Create,
    Kind::Create,
    Kind::Update,
    Kind::Update,
    Kind::Delete,
    Kind::ConditionalCreate,
    Kind::ConditionalUpdate,
    Kind::ConditionalDelete,
];

impl Request {
    /// A read of that resource by the same caller.
    pub(crate) fn read(&self, of: &str, id: &str) -> Self {
        Self {
            kind: Kind::Read,
            caller: self.caller.clone(),
            method: "GET",
            path: format!("/fhir/{of}/{id}"),
            headers: Vec::new(),
            body: None,
        }
    }
}

const JSON: &str = "application/fhir+json";
const FORM: &str = "application/x-www-form-urlencoded";

/// Makes requests.
pub(crate) struct Requests {
    random: Random,
    vocabulary: Vocabulary,
}

/// A request's method, URL below the base, headers and body, not yet sent by anybody.
struct Asked {
    method: &'static str,
    url: String,
    headers: Vec<(&'static str, String)>,
    resource: Option<Value>,
}

impl Asked {
    fn get(url: String) -> Self {
        Self { method: "GET", url, headers: Vec::new(), resource: None }
    }
}

impl Requests {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), vocabulary: Vocabulary::read() }
    }

    /// The page that a link leads to, by who has seen it; now and then nobody follows.
    pub(crate) fn next_page(&mut self, of: &Request, cursor: usize) -> Option<Request> {
        let path = format!("-next-{cursor}-");
        self.random.percent(70).then(|| Request {
            kind: Kind::NextPage,
            caller: of.caller.clone(),
            method: "GET",
            path,
            headers: Vec::new(),
            body: None,
        })
    }

    /// Any request.
    pub(crate) fn any(&mut self, seen: &Seen) -> Request {
        let caller = &self.vocabulary.any_caller(&mut self.random).name.clone();
        let (_, kind) = by_weight(KINDS, |(weight, _)| *weight, &mut self.random);
        match kind {
            Kind::Batch => self.bundle(*kind, caller, "batch", seen),
            Kind::Transaction => self.bundle(*kind, caller, "transaction", seen),
            Kind::Odd => self.odd(caller, seen),
            Kind::Cursor => self.cursor(caller, seen),
            Kind::Search if self.random.percent(12) => self.search_by_post(caller, seen),
            Kind::Search
            | Kind::Compartment
            | Kind::Read
            | Kind::Vread
            | Kind::HistoryInstance
            | Kind::HistoryType
            | Kind::HistorySystem
            | Kind::Create
            | Kind::Update
            | Kind::Delete
            | Kind::ConditionalCreate
            | Kind::ConditionalUpdate
            | Kind::ConditionalDelete
            | Kind::NextPage => self.plain(*kind, caller, seen),
        }
    }

    fn plain(&mut self, kind: Kind, caller: &str, seen: &Seen) -> Request {
        let mut asked = self.asked(kind, caller, seen);
        if asked.method == "GET" && self.random.percent(4) {
            asked.method = "HEAD";
        }
        if self.random.percent(3) {
            asked.headers.push(("accept", "application/yaml".to_owned()));
        }
        let body = asked.resource.map(|resource| (JSON, resource.to_string()));
        let path = format!("/fhir/{}", asked.url);
        Request {
            kind,
            caller: caller.to_owned(),
            method: asked.method,
            path,
            headers: asked.headers,
            body,
        }
    }

    fn asked(&mut self, kind: Kind, caller: &str, seen: &Seen) -> Asked {
        let Self { random, vocabulary } = self;
        let words = vocabulary.any_type(caller, kind.writes(), random);
        let of = words.name.clone();
        let id = vocabulary.filled(&format!("{{{of}}}"), random, seen.made());
        let mut writing = Writing { random, vocabulary, words, made: seen.made() };
        match kind {
            Kind::Search => Asked::get(with_query(&of, &writing.search())),
            Kind::Compartment => {
                let compartment =
                    *writing.random.pick(&["Patient", "Patient", "Practitioner", "Encounter"]);
                let id = writing.filled(&format!("{{{compartment}}}"));
                let target = if writing.random.percent(5) { "*" } else { &of };
                Asked::get(with_query(&format!("{compartment}/{id}/{target}"), &writing.search()))
            }
            Kind::Read => Asked::get(format!("{of}/{id}")),
            Kind::Vread => {
                Asked::get(format!("{of}/{id}/_history/{}", 1 + writing.random.below(4)))
            }
            Kind::HistoryInstance => {
                Asked::get(with_query(&format!("{of}/{id}/_history"), &writing.history()))
            }
            Kind::HistoryType => {
                Asked::get(with_query(&format!("{of}/_history"), &writing.history()))
            }
            Kind::HistorySystem => Asked::get(with_query("_history", &writing.history())),
            Kind::Create => writing.write("POST", of, None),
            Kind::Update => {
                let mut asked = writing.write("PUT", format!("{of}/{id}"), Some(&id));
                if writing.random.percent(25) {
                    let version = format!("W/\"{}\"", 1 + writing.random.below(4));
                    asked.headers.push(("if-match", version));
                }
                asked
            }
            Kind::Delete => Asked { method: "DELETE", ..Asked::get(format!("{of}/{id}")) },
            Kind::ConditionalCreate => {
                let condition = writing.condition();
                if writing.random.percent(20) {
                    return writing.write("POST", with_query(&of, &condition), None);
                }
                let mut asked = writing.write("POST", of, None);
                asked.headers.push(("if-none-exist", encoded(&condition)));
                asked
            }
            Kind::ConditionalUpdate => {
                let condition = writing.condition();
                let id = writing.random.percent(30).then_some(id.as_str());
                writing.write("PUT", with_query(&of, &condition), id)
            }
            Kind::ConditionalDelete => {
                let url = with_query(&of, &writing.condition());
                Asked { method: "DELETE", ..Asked::get(url) }
            }
            Kind::Batch | Kind::Transaction | Kind::Cursor | Kind::Odd | Kind::NextPage => {
                Asked::get(of)
            }
        }
    }

    fn search_by_post(&mut self, caller: &str, seen: &Seen) -> Request {
        let Self { random, vocabulary } = self;
        let words = vocabulary.any_type(caller, false, random);
        let mut writing = Writing { random, vocabulary, words, made: seen.made() };
        let (mut sent, mut kept) = (writing.search(), Vec::new());
        // Some of them in the query: both hold.
        if writing.random.percent(40) && !sent.is_empty() {
            kept.push(sent.remove(0));
        }
        let path = format!("/fhir/{}", with_query(&format!("{}/_search", words.name), &kept));
        let body = Some((FORM, encoded(&sent)));
        Request {
            kind: Kind::Search,
            caller: caller.to_owned(),
            method: "POST",
            path,
            headers: Vec::new(),
            body,
        }
    }

    fn bundle(&mut self, kind: Kind, caller: &str, of: &str, seen: &Seen) -> Request {
        let mut kinds = Vec::new();
        for _ in 0..1 + self.random.below(if of == "batch" { 6 } else { 3 }) {
            kinds.push(*self.random.pick(ENTRIES));
        }
        // Nothing is said of the order in which a batch's entries are done: it writes once, or reads.
        if of == "batch" {
            match kinds[0].writes() {
                true => kinds.truncate(1),
                false => kinds.retain(|kind| !kind.writes()),
            }
        }
        let asked = kinds.into_iter().map(|kind| self.asked(kind, caller, seen));
        let mut entries: Vec<Value> =
            asked.enumerate().map(|(number, asked)| entry(number, asked)).collect();
        if self.random.percent(25) {
            self.tie(&mut entries);
        }
        let bundle = json!({"resourceType": "Bundle", "type": of, "entry": entries});
        let body = Some((JSON, bundle.to_string()));
        let path = "/fhir".to_owned();
        Request { kind, caller: caller.to_owned(), method: "POST", path, headers: Vec::new(), body }
    }

    /// Lets the resources of a Bundle refer to each other, or to what a condition finds.
    fn tie(&mut self, entries: &mut [Value]) {
        let number = self.random.below(entries.len());
        let reference = match self.random.percent(60) {
            true => format!("urn:uuid:{number}"),
            false => {
                let value = self.random.pick(&["id-a", "id-z", "id-z1", "id-new"]);
                format!("Patient?identifier={value}")
            }
        };
        for entry in entries {
            if let Some(resource) =
                entry.get_mut("resource").filter(|it| it.get("subject").is_some())
            {
                resource["subject"] = json!({"reference": reference});
            }
        }
    }

    /// Somebody's page again, perhaps as another caller or of another search.
    fn cursor(&mut self, caller: &str, seen: &Seen) -> Request {
        let path = match seen.cursors() {
            0 => "/fhir/Observation?_cursor=x".to_owned(),
            count => {
                let number = self.random.below(count);
                match self.random.percent(70) {
                    true => format!("-next-{number}-"),
                    false => format!("/fhir/Observation?_count=2&_cursor=-cursor-{number}-"),
                }
            }
        };
        let headers = Vec::new();
        Request {
            kind: Kind::Cursor,
            caller: caller.to_owned(),
            method: "GET",
            path,
            headers,
            body: None,
        }
    }

    /// What is malformed, or not served.
    fn odd(&mut self, caller: &str, seen: &Seen) -> Request {
        const ODD: &[(&str, &str, &str)] = &[
            ("GET", "/fhir/Patient/%7A1", ""),
            ("GET", "/fhir/patient/z1", ""),
            ("GET", "/fhir/Patient/{Patient}/", ""),
            ("GET", "/fhir/Patient/{Patient}/$everything", ""),
            ("GET", "/fhir/Patient/{Patient}/_history/x", ""),
            ("GET", "/fhir/Patient/{Patient}/_history/99", ""),
            ("GET", "/fhir?_type=Patient,Observation", ""),
            ("GET", "/fhir/Observation/_history?_since=yesterday", ""),
            ("GET", "/fhir/Observation?subject:Patient.=x", ""),
            ("GET", "/fhir/Observation?_has:x=y", ""),
            (
                "GET",
                "/fhir/Observation?_has:Patient:link:_has:Patient:link:_has:Patient:link:_has:Patient:link:family=Zorro",
                "",
            ),
            ("GET", "/fhir/Patient?_sort=a,b,c,d,e,f,g,h,i", ""),
            ("GET", "/fhir/Nothing/z1", ""),
            ("GET", "/AccessPolicy", ""),
            ("GET", "/fhir/User?_id=doctor", ""),
            ("PUT", "/fhir/Patient/{Patient}", "{"),
            ("PUT", "/fhir/Patient/{Patient}", r#"{"resourceType":"Patient","id":"other"}"#),
            ("POST", "/fhir/Patient", r#"{"resourceType":"Observation"}"#),
            ("POST", "/fhir/Observation", r#"{"resourceType":"Observation","a":1,"a":2}"#),
            ("POST", "/fhir", r#"{"resourceType":"Bundle","type":"batch","entry":[{}]}"#),
            (
                "PATCH",
                "/fhir/Patient/{Patient}",
                r#"[{"op":"test","path":"/gender","value":"male"}]"#,
            ),
            ("DELETE", "/fhir/Observation", ""),
            ("DELETE", "/fhir/Observation/{Observation}/_history", ""),
            (
                "PUT",
                "/AccessPolicy/mine",
                r#"{"engine":"allow","link":[{"reference":"User/patient"}]}"#,
            ),
            ("OPTIONS", "/fhir/Patient/{Patient}", ""),
        ];
        let (method, path, body) = *self.random.pick(ODD);
        let path = self.vocabulary.filled(path, &mut self.random, seen.made());
        let body = (!body.is_empty()).then(|| (JSON, body.to_owned()));
        Request {
            kind: Kind::Odd,
            caller: caller.to_owned(),
            method,
            path,
            headers: Vec::new(),
            body,
        }
    }
}

/// One entry of a Bundle.
fn entry(number: usize, asked: Asked) -> Value {
    let mut request = Map::new();
    request.insert("method".to_owned(), asked.method.into());
    request.insert("url".to_owned(), asked.url.into());
    for (name, value) in asked.headers {
        let name = match name {
            "if-match" => "ifMatch",
            "if-none-exist" => "ifNoneExist",
            _ => continue,
        };
        request.insert(name.to_owned(), value.into());
    }
    let mut entry = json!({"fullUrl": format!("urn:uuid:{number}"), "request": request});
    if let Some(resource) = asked.resource {
        entry["resource"] = resource;
    }
    entry
}

/// The writing of one request about one type.
struct Writing<'a> {
    random: &'a mut Random,
    vocabulary: &'a Vocabulary,
    words: &'a TypeWords,
    made: &'a [String],
}

impl Writing<'_> {
    fn filled(&mut self, text: &str) -> String {
        self.vocabulary.filled(text, self.random, self.made)
    }

    fn one_of(&mut self, texts: &[String]) -> String {
        let text = self.random.pick(texts).clone();
        self.filled(&text)
    }

    /// The parameters of a search.
    fn search(&mut self) -> Vec<(String, String)> {
        let words = self.words;
        let mut texts = Vec::new();
        for _ in 0..*self.random.pick(&[0, 0, 0, 1, 1, 1, 1, 2, 2, 3]) {
            texts.push(self.one_of(&words.criteria));
        }
        if self.random.percent(45) {
            for _ in 0..1 + self.random.below(3) {
                texts.push(self.one_of(&words.includes));
            }
        }
        if self.random.percent(30) {
            let mut keys = vec![self.one_of(&words.sorts)];
            if self.random.percent(20) {
                keys.push(self.one_of(&words.sorts));
            }
            texts.push(format!("_sort={}", keys.join(",")));
        }
        for (chance, text) in [
            (35, "_count={count}"),
            (20, "_total={total}"),
            (8, "_summary={summary}"),
            (5, "_elements={elements}"),
        ] {
            if self.random.percent(chance) {
                texts.push(self.filled(text));
            }
        }
        pairs(&texts)
    }

    fn history(&mut self) -> Vec<(String, String)> {
        let mut texts = Vec::new();
        for (chance, text) in [(50, "_count={count}"), (30, "_since={before}")] {
            if self.random.percent(chance) {
                texts.push(self.filled(text));
            }
        }
        pairs(&texts)
    }

    fn condition(&mut self) -> Vec<(String, String)> {
        let words = self.words;
        let text = self.one_of(&words.conditions);
        pairs(&text.split('&').map(str::to_owned).collect::<Vec<_>>())
    }

    /// A write with content.
    fn write(&mut self, method: &'static str, url: String, id: Option<&str>) -> Asked {
        let body = self.random.pick(&self.words.bodies).to_string();
        let mut resource: Value = serde_json::from_str(&self.filled(&body)).unwrap();
        resource["resourceType"] = self.words.name.clone().into();
        if let Some(id) = id {
            resource["id"] = id.into();
        }
        Asked { method, url, headers: Vec::new(), resource: Some(resource) }
    }
}

fn pairs(texts: &[String]) -> Vec<(String, String)> {
    let split = texts.iter().map(|text| text.split_once('=').unwrap());
    split.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn encoded(pairs: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn with_query(path: &str, pairs: &[(String, String)]) -> String {
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", encoded(pairs)) }
}
