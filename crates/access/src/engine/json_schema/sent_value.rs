//! `const: {$data: "#/pointer"}`: equality with another value of the same document.
//!
//! The validator hands a keyword the value at its place and nothing else, so the values to compare
//! with are laid out for the thread while one evaluation runs on it.

use std::cell::RefCell;

use jsonschema::json::cmp::equal;
use jsonschema::paths::Location;
use jsonschema::{Keyword, ValidationError};
use serde_json::{Map, Value};

use super::absence::Laid;

/// The keyword that stands for `const: {$data}` in a checked schema; its value is the number of
/// the pointer. No policy can use it: it is not on the list of keywords.
pub(super) const KEYWORD: &str = "firewarden:sent-value";

/// A pointer into the document (RFC 6901, as a URI fragment).
#[derive(Debug)]
pub(super) struct SentValue {
    steps: Vec<String>,
}

impl SentValue {
    /// Reads `#/a/b`. `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut steps = text.split('/');
        if steps.next() != Some("#") {
            return None;
        }
        let steps: Option<Vec<String>> = steps.map(unescape).collect();
        Some(Self { steps: steps.filter(|steps| !steps.is_empty())? })
    }

    /// The first step: a key of the request document.
    pub(super) fn key(&self) -> &str {
        self.steps.first().map(String::as_str).unwrap_or_default()
    }

    /// The steps, unescaped.
    pub(super) fn steps(&self) -> &[String] {
        &self.steps
    }

    /// The value at the pointer.
    pub(super) fn of<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        self.steps.iter().try_fold(document, |value, step| match value {
            Value::Object(members) => members.get(step),
            Value::Array(items) => {
                let canonical = step == "0" || !step.starts_with(['0', '+']);
                items.get(step.parse::<usize>().ok().filter(|_| canonical)?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        })
    }
}

/// A step without `~` and `%` escapes.
fn unescape(step: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(step.len());
    let mut rest = step.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            _ => byte,
        });
    }
    let text = String::from_utf8(bytes).ok()?;
    let sound = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    sound.then(|| text.replace("~1", "/").replace("~0", "~"))
}

thread_local! {
    static VALUES: RefCell<Laid> = const { RefCell::new(Vec::new()) };
}

/// Evaluates with these values laid out.
pub(super) fn with<T>(values: Laid, evaluate: impl FnOnce() -> T) -> T {
    VALUES.set(values);
    let result = evaluate();
    VALUES.take();
    result
}

struct EqualsSentValue {
    number: usize,
}

/// Makes the keyword's check.
pub(super) fn keyword<'a>(
    _parent: &'a Map<String, Value>,
    number: &'a Value,
    _path: Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    let number = number.as_u64().and_then(|number| usize::try_from(number).ok());
    let number = number.ok_or_else(|| ValidationError::schema("not a number of a pointer"))?;
    Ok(Box::new(EqualsSentValue { number }))
}

impl<'i> Keyword<'i> for EqualsSentValue {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if Keyword::is_valid(self, instance) {
            Ok(())
        } else {
            Err(ValidationError::custom("not the other value of the request"))
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        VALUES.with_borrow(|values| match values.get(self.number) {
            // Numbers are equal by their value.
            Some(Ok(value)) => equal(value, instance),
            Some(Err(taken_as_equal)) => *taken_as_equal,
            None => false,
        })
    }
}
