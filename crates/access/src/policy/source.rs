//! Reads a stored AccessPolicy: what is wrong with it, or the policy it makes.

use firewarden_fhir::{Id, Issue, TimeRange};
use serde_json::{Map, Value};

use super::{Link, Period, Policy, PolicyRows};
use crate::element_path::ElementPath;
use crate::engine::Engine;
use crate::nearest::suggestion;

/// What a sound AccessPolicy makes.
pub(crate) struct Read {
    /// The policy; `None` for one that is stored and never considered.
    pub(crate) policy: Option<Policy>,
    /// In shadow mode, the ids of the policies that it would take the place of.
    pub(crate) shadow: Option<Vec<String>>,
    /// Doubts about it.
    pub(crate) warnings: Vec<Issue>,
}

/// Every attribute of an AccessPolicy.
const ATTRIBUTES: &[&str] = &[
    "resourceType",
    "id",
    "meta",
    "description",
    "engine",
    "schema",
    "matcho",
    "sql",
    "and",
    "or",
    "link",
    "roleName",
    "rows",
    "active",
    "period",
    "mode",
    "replaces",
    "type",
    "rpc",
];

/// Values of `type`, and of `engine`, that mark a policy for remote procedure calls.
const RPC: &[&str] = &["rpc", "allow-rpc", "matcho-rpc"];

/// Reads an AccessPolicy. An attribute that is not understood is an error, never passed over: it
/// might have narrowed what the policy grants.
pub(crate) fn read(content: &Map<String, Value>) -> Result<Read, Vec<Issue>> {
    let mut reader = Reader { content, errors: Vec::new(), warnings: Vec::new() };
    reader.attributes();
    let is_rpc = reader.is_rpc();
    let links = reader.links();
    let role_name = reader.role_name();
    let active = reader.active();
    let period = reader.period();
    let rows = reader.rows();
    let shadow = reader.shadow();
    let engine = if is_rpc { None } else { reader.engine() };
    if engine.as_ref().is_some_and(Engine::always_holds) && role_name.is_none() {
        reader.subjects(links.as_deref(), rows.as_ref());
    }
    if !reader.errors.is_empty() {
        return Err(reader.errors);
    }
    let policy = engine.filter(|_| active);
    let policy = policy.map(|engine| {
        let required = engine.required();
        Policy { links, role_name, period, rows, engine, required }
    });
    Ok(Read { policy, shadow, warnings: reader.warnings })
}

struct Reader<'a> {
    content: &'a Map<String, Value>,
    errors: Vec<Issue>,
    warnings: Vec<Issue>,
}

fn at(attribute: &str) -> ElementPath {
    ElementPath::of("AccessPolicy").member(attribute)
}

impl Reader<'_> {
    fn refuse(&mut self, code: &'static str, told: impl Into<String>, at: ElementPath) {
        self.errors.push(Issue::error(code, told).at(at));
    }

    fn doubt(&mut self, told: impl Into<String>, at: ElementPath) {
        self.warnings.push(Issue::warning("business-rule", told).at(at));
    }

    fn attributes(&mut self) {
        for name in self.content.keys() {
            if !ATTRIBUTES.contains(&name.as_str()) {
                let near = suggestion(name, ATTRIBUTES);
                let told = format!("an AccessPolicy has no attribute `{name}`{near}");
                self.refuse("structure", told, at(name));
            }
        }
    }

    /// Whether it is for remote procedure calls, which this server has none of.
    fn is_rpc(&mut self) -> bool {
        let marked = ["type", "engine"].into_iter().find(|attribute| {
            let value = self.content.get(*attribute).and_then(Value::as_str);
            value.is_some_and(|value| RPC.contains(&value))
        });
        if let Some(attribute) = marked {
            self.doubt("policies for rpc are stored and never grant anything", at(attribute));
        } else if self.content.contains_key("rpc") {
            let told = "`rpc` belongs to a policy of the type `rpc`";
            self.refuse("invalid", told, at("rpc"));
        }
        match self.content.get("type") {
            None => {}
            Some(Value::String(of)) if of == "rest" || RPC.contains(&of.as_str()) => {}
            Some(of) => {
                let of = of.as_str().unwrap_or_default();
                let told = format!(
                    "policies of the type `{of}` are not served; leave `type` out, or write `rest`{}",
                    suggestion(of, &["rest"])
                );
                self.refuse("not-supported", told, at("type"));
            }
        }
        marked.is_some()
    }

    fn links(&mut self) -> Option<Vec<Link>> {
        let links = self.content.get("link")?;
        let Some(links) = links.as_array() else {
            self.refuse("structure", "`link` is a list of references", at("link"));
            return Some(Vec::new());
        };
        if links.is_empty() {
            self.doubt("an empty `link` applies to nobody; leave it out for everybody", at("link"));
        }
        let mut read = Vec::new();
        for (index, value) in links.iter().enumerate() {
            let at = at("link").item(index);
            match Link::read(value) {
                Some(Link::Unknown) => {
                    let told =
                        "links to a User, a Client or an Operation apply; this one never does";
                    self.doubt(told, at);
                    read.push(Link::Unknown);
                }
                Some(link) => read.push(link),
                None => {
                    let told = "a link is `{reference: \"User/x\"}` or `{resourceType: User, id: x}`; \
                                where both are given they agree";
                    self.refuse("value", told, at);
                }
            }
        }
        Some(read)
    }

    fn role_name(&mut self) -> Option<String> {
        let name = self.content.get("roleName")?.as_str().filter(|name| !name.is_empty());
        if name.is_none() {
            self.refuse("value", "`roleName` is a text: the `name` of a Role", at("roleName"));
        }
        name.map(str::to_owned)
    }

    /// In shadow mode, the policies that it would take the place of.
    fn shadow(&mut self) -> Option<Vec<String>> {
        let replaces = self.replaces();
        match self.content.get("mode").map(Value::as_str) {
            Some(Some("shadow")) => return Some(replaces),
            None | Some(Some("enforce")) => {}
            Some(_) => {
                let told = "`mode` is `shadow`, for a policy that grants nothing and is watched, or \
                            `enforce`, which is the default";
                self.refuse("value", told, at("mode"));
            }
        }
        if self.content.contains_key("replaces") {
            let told = "only a policy in `mode: shadow` replaces others";
            self.refuse("invalid", told, at("replaces"));
        }
        None
    }

    fn replaces(&mut self) -> Vec<String> {
        let Some(value) = self.content.get("replaces") else {
            return Vec::new();
        };
        let ids = value.as_array().map(|ids| {
            ids.iter().map(|id| id.as_str().filter(|id| Id::parse(id).is_some()).map(str::to_owned))
        });
        match ids.map(Iterator::collect::<Option<Vec<String>>>) {
            Some(Some(ids)) => ids,
            Some(None) | None => {
                let told = "`replaces` is a list of the ids of AccessPolicies";
                self.refuse("value", told, at("replaces"));
                Vec::new()
            }
        }
    }

    fn active(&mut self) -> bool {
        match self.content.get("active") {
            None => true,
            Some(Value::Bool(active)) => *active,
            Some(_) => {
                self.refuse("value", "`active` is `true` or `false`", at("active"));
                false
            }
        }
    }

    fn period(&mut self) -> Option<Period> {
        let period = self.content.get("period")?;
        let bound = |name| match period.get(name) {
            None => Some(None),
            Some(value) => value.as_str().and_then(TimeRange::parse).map(Some),
        };
        let (Some(start), Some(end), true) = (bound("start"), bound("end"), period.is_object())
        else {
            let told = "a `period` is `{start, end}` of dates or times, either of them or both";
            self.refuse("value", told, at("period"));
            return None;
        };
        Some(Period {
            start_us: start.map_or(TimeRange::LOW_US_MIN, |start| start.low_us),
            end_us: end.map_or(TimeRange::HIGH_US_MAX, |end| end.high_us),
        })
    }

    fn engine(&mut self) -> Option<Engine> {
        match Engine::compile(self.content) {
            Ok((engine, doubts)) => {
                self.warnings.extend(doubts);
                Some(engine)
            }
            Err(errors) => {
                self.errors.extend(errors);
                None
            }
        }
    }

    fn rows(&mut self) -> Option<PolicyRows> {
        match PolicyRows::read(self.content.get("rows")?, &at("rows")) {
            Ok(rows) => Some(rows),
            Err(errors) => {
                self.errors.extend(errors);
                None
            }
        }
    }

    /// A rule that always holds says for whom, or for which rows.
    fn subjects(&mut self, links: Option<&[Link]>, rows: Option<&PolicyRows>) {
        let Some(links) = links else {
            let every = rows.and_then(PolicyRows::first_every);
            // Rows that could not be read are told of by themselves.
            if !self.content.contains_key("rows") {
                let told = "a rule that holds for every request would let everybody do everything; \
                            it needs a `link`, a `roleName` or `rows`";
                self.refuse("required", told, at("link"));
            } else if let Some(of) = every {
                let told = format!(
                    "a rule that holds for every request would let everybody do everything with \
                     every `{of}`; it needs a `link` or a `roleName`"
                );
                self.refuse("required", told, at("rows").member(of.name()));
            }
            return;
        };
        let operation = links.iter().find_map(|link| match link {
            Link::Operation(id) => Some(id),
            Link::User(_) | Link::Client(_) | Link::Unknown => None,
        });
        if let Some(id) = operation {
            let told = format!(
                "links are alternatives: this allows `{id}` to everybody, callers without a \
                 credential among them"
            );
            self.doubt(told, at("link"));
        }
    }
}
