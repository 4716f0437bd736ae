//! Reads a schema strictly: only what this engine understands passes, at every depth.

use firewarden_fhir::Issue;
use firewarden_fhir::limits::ISSUES_MAX;
use jsonschema::Draft;
use serde_json::{Map, Value};

use super::keywords::{self, Kind};
use super::reference_cost::{References, Trouble};
use super::sent_value::{self, SentValue};
use crate::element_path::ElementPath;
use crate::limits::{SCHEMA_DEPTH_MAX, SCHEMAS_MAX};
use crate::nearest::suggestion;

/// A schema that holds nothing but known keywords, in the validator's terms.
pub(super) struct Checked {
    /// `constant` written as `const`, and `const: {$data}` as a keyword of ours.
    pub(super) schema: Value,
    /// The values of the document that it compares with, by their number in the schema.
    pub(super) sent_values: Vec<SentValue>,
}

/// Checks a schema.
pub(super) fn check(schema: &Value, at: &ElementPath) -> Result<Checked, Vec<Issue>> {
    let mut reader = Reader::default();
    let schema = reader.schema(schema, &Place { at: at.clone(), pointer: String::new(), depth: 1 });
    if reader.issues.is_empty() {
        match reader.references.trouble() {
            None => {}
            Some(Trouble::Nowhere { at, to }) => reader.refuse(
                &at,
                "value",
                format!("there is no schema at `#{to}`; definitions stand under `definitions`"),
            ),
            Some(Trouble::Recursive { to }) => {
                reader.refuse(at, "not-supported", format!("`#{to}` refers to itself"));
            }
            Some(Trouble::TooDeep) => reader.refuse(
                at,
                "too-costly",
                format!("more than {SCHEMA_DEPTH_MAX} schemas inside one another"),
            ),
            Some(Trouble::TooMany) => reader.refuse(
                at,
                "too-costly",
                format!("more than {SCHEMAS_MAX} schemas when every `$ref` is written out"),
            ),
        }
    }
    if reader.issues.is_empty() {
        Ok(Checked { schema, sent_values: reader.sent_values })
    } else {
        Err(reader.issues)
    }
}

#[derive(Default)]
struct Reader {
    issues: Vec<Issue>,
    sent_values: Vec<SentValue>,
    references: References,
}

/// Where a schema stands.
struct Place {
    at: ElementPath,
    pointer: String,
    depth: usize,
}

impl Place {
    fn schema(&self, steps: &[&str]) -> Self {
        let (mut at, mut pointer) = (self.at.clone(), self.pointer.clone());
        for step in steps {
            at = match step.parse() {
                Ok(index) => at.item(index),
                Err(_) => at.member(step),
            };
            pointer.push('/');
            pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        }
        Self { at, pointer, depth: self.depth + 1 }
    }
}

impl Reader {
    fn refuse(&mut self, at: &ElementPath, code: &'static str, diagnostics: impl Into<String>) {
        if self.issues.len() < ISSUES_MAX {
            self.issues.push(Issue::error(code, diagnostics).at(at.clone()));
        }
    }

    fn schema(&mut self, schema: &Value, place: &Place) -> Value {
        self.references.add(&place.pointer);
        if place.depth > SCHEMA_DEPTH_MAX {
            let told = format!("more than {SCHEMA_DEPTH_MAX} schemas inside one another");
            self.refuse(&place.at, "too-costly", told);
            return Value::Bool(false);
        }
        match schema {
            Value::Bool(_) => schema.clone(),
            Value::Object(keywords) => {
                let read: Vec<_> = keywords
                    .iter()
                    .filter_map(|(name, value)| self.keyword(name, value, keywords, place))
                    .collect();
                Value::Object(read.into_iter().collect())
            }
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                self.refuse(&place.at, "structure", "a schema is an object, `true` or `false`");
                Value::Bool(false)
            }
        }
    }

    fn keyword(
        &mut self,
        name: &str,
        value: &Value,
        siblings: &Map<String, Value>,
        place: &Place,
    ) -> Option<(String, Value)> {
        let Some(kind) = keywords::kind(name) else {
            self.unknown(name, place);
            return None;
        };
        let read = match kind {
            Kind::Annotation if name == "$schema" => self.draft(value, place),
            Kind::Annotation => value.clone(),
            Kind::Value if name == "$ref" => self.reference(value, siblings, place),
            Kind::Value if matches!(name, "const" | "constant") => {
                return self.constant(name, value, siblings, place);
            }
            Kind::Value => {
                self.no_sent_value(value, &place.at.member(name));
                if name == "format" {
                    self.format(value, place);
                }
                value.clone()
            }
            Kind::Schema => self.inner(value, place, &[name]),
            Kind::SchemaOrList if !value.is_array() => self.inner(value, place, &[name]),
            Kind::SchemaOrList | Kind::SchemaList => self.list(name, value, place),
            Kind::SchemaMap | Kind::Dependencies => self.map(name, value, place),
        };
        Some((name.to_owned(), read))
    }

    fn inner(&mut self, schema: &Value, place: &Place, steps: &[&str]) -> Value {
        let inner = place.schema(steps);
        self.references.holds(&place.pointer, &inner.pointer);
        self.schema(schema, &inner)
    }

    fn list(&mut self, name: &str, value: &Value, place: &Place) -> Value {
        let Value::Array(schemas) = value else {
            self.refuse(&place.at.member(name), "structure", "a list of schemas");
            return Value::Null;
        };
        let each = schemas.iter().enumerate();
        each.map(|(index, schema)| self.inner(schema, place, &[name, &index.to_string()])).collect()
    }

    fn map(&mut self, name: &str, value: &Value, place: &Place) -> Value {
        let Value::Object(schemas) = value else {
            self.refuse(&place.at.member(name), "structure", "an object of schemas");
            return Value::Null;
        };
        let mut read = Map::new();
        for (key, schema) in schemas {
            let names = name == "dependencies" && schema.is_array();
            let schema =
                if names { schema.clone() } else { self.inner(schema, place, &[name, key]) };
            read.insert(key.clone(), schema);
        }
        Value::Object(read)
    }

    fn unknown(&mut self, name: &str, place: &Place) {
        let (code, told) = match name {
            "$data" => ("not-supported", "`$data` stands only in `const` or `constant`".to_owned()),
            "$id" | "id" => {
                ("not-supported", format!("`{name}`: a rule refers to its own parts alone"))
            }
            _ => {
                let near = suggestion(name, &keywords::all());
                ("structure", format!("draft-07 has no keyword `{name}`{near}"))
            }
        };
        self.refuse(&place.at.member(name), code, told);
    }

    fn draft(&mut self, value: &Value, place: &Place) -> Value {
        let text = value.as_str().unwrap_or_default();
        let bare = text.strip_suffix('#').unwrap_or(text);
        if bare != "http://json-schema.org/draft-07/schema" || !place.pointer.is_empty() {
            let told = "rules are written in `http://json-schema.org/draft-07/schema#`";
            self.refuse(&place.at.member("$schema"), "not-supported", told);
        }
        value.clone()
    }

    /// A format that is not checked would make the rule wider than it says.
    fn format(&mut self, value: &Value, place: &Place) {
        let known = |name: &str| jsonschema::options().is_known_format(Draft::Draft7, name);
        if let Some(name) = value.as_str().filter(|name| !known(name)) {
            let told = format!("the format `{name}` is not checked by this server");
            self.refuse(&place.at.member("format"), "not-supported", told);
        }
    }

    fn reference(&mut self, value: &Value, siblings: &Map<String, Value>, place: &Place) -> Value {
        let at = place.at.member("$ref");
        let ignored = |name: &&String| !matches!(name.as_str(), "$ref" | "$schema" | "definitions");
        if let Some(name) = siblings.keys().find(ignored) {
            let told = format!("draft-07 ignores `{name}` beside `$ref`; put both in an `allOf`");
            self.refuse(&at, "invalid", told);
        }
        let text = value.as_str().unwrap_or_default();
        let to = match SentValue::parse(text) {
            _ if text == "#" => Some(String::new()),
            Some(target) => Some(place_of(target.steps())),
            None => None,
        };
        match to {
            Some(to) => self.references.refers(&place.pointer, &to, at),
            None => {
                let told = "a `$ref` is `#/definitions/…`: nothing outside the rule is read";
                self.refuse(&at, "not-supported", told);
            }
        }
        value.clone()
    }

    fn constant(
        &mut self,
        name: &str,
        value: &Value,
        siblings: &Map<String, Value>,
        place: &Place,
    ) -> Option<(String, Value)> {
        let at = place.at.member(name);
        if name == "constant" && siblings.contains_key("const") {
            self.refuse(&at, "invalid", "`constant` means `const`: one of them, not both");
        }
        let pointer = value.as_object().filter(|v| v.len() == 1).and_then(|v| v.get("$data"));
        let Some(pointer) = pointer else {
            self.no_sent_value(value, &at);
            return Some(("const".to_owned(), value.clone()));
        };
        match pointer.as_str().and_then(SentValue::parse) {
            Some(sent) => {
                let number = self.sent_values.len();
                self.sent_values.push(sent);
                Some((sent_value::KEYWORD.to_owned(), number.into()))
            }
            None => {
                let told = "`$data` is a JSON Pointer like `#/user/id`, with `~1` for a slash";
                self.refuse(&at.member("$data"), "value", told);
                None
            }
        }
    }

    fn no_sent_value(&mut self, value: &Value, at: &ElementPath) {
        match value {
            Value::Object(members) if members.contains_key("$data") => {
                let told = "`$data` is the whole value of `const` or `constant`, or nowhere";
                self.refuse(at, "not-supported", told);
            }
            Value::Object(members) => {
                for (name, value) in members {
                    self.no_sent_value(value, &at.member(name));
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.no_sent_value(item, &at.item(index));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// The pointer of these steps, escaped.
fn place_of(steps: &[String]) -> String {
    steps.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1"))).collect()
}
