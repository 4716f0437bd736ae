//! The functions that rules of policies call, registered on the connections that evaluate them.
//!
//! JSON travels between them as text and decimals as digits; what was parsed last is kept.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use firewarden_access::policy_query;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::{Value as SqlValue, ValueRef};
use rusqlite::{Connection, Error};
use serde_json::{Map, Value};

use super::deadline::Deadline;
use super::decimal::Decimal;
use super::{jsonb, texts};
use crate::limits::{POLICY_JSON_KEPT_MAX, POLICY_VALUE_BYTES_MAX};

/// A function with these arguments has no value, as where PostgreSQL reports an error.
#[derive(Debug, thiserror::Error)]
#[error("a value cannot be computed")]
struct NotComputed;

fn not_computed() -> Error {
    Error::UserFunctionError(Box::new(NotComputed))
}

/// What the functions of one connection share.
struct Shared {
    base_url: String,
    deadline: Arc<Deadline>,
    parsed: Mutex<VecDeque<(Arc<str>, Arc<Value>)>>,
}

impl Shared {
    /// The JSON that a text is.
    fn parse(&self, text: &str) -> Option<Arc<Value>> {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, value)) = parsed.iter().find(|(kept, _)| **kept == *text) {
            return Some(Arc::clone(value));
        }
        let value = Arc::new(serde_json::from_str(text).ok()?);
        keep(&mut parsed, text.into(), &value);
        Some(value)
    }

    /// A stored resource as a policy sees it.
    fn resource(&self, body: &str) -> Option<String> {
        let mut value = serde_json::from_str(body).ok()?;
        policy_query::derive_references(&mut value, &self.base_url);
        let text = value.to_string();
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if !parsed.iter().any(|(kept, _)| **kept == *text) {
            keep(&mut parsed, text.as_str().into(), &Arc::new(value));
        }
        Some(text)
    }
}

fn keep(parsed: &mut VecDeque<(Arc<str>, Arc<Value>)>, text: Arc<str>, value: &Arc<Value>) {
    parsed.truncate(POLICY_JSON_KEPT_MAX.saturating_sub(1));
    parsed.push_front((text, Arc::clone(value)));
}

/// The arguments of a call, none of which is NULL.
struct Arguments<'a, 'c> {
    call: &'a Context<'c>,
    shared: &'a Shared,
}

impl<'a> Arguments<'a, '_> {
    fn text(&self, index: usize) -> Option<&'a str> {
        match self.call.get_raw(index) {
            ValueRef::Text(bytes) => std::str::from_utf8(bytes).ok(),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Blob(_) => None,
        }
    }

    fn integer(&self, index: usize) -> Option<i64> {
        match self.call.get_raw(index) {
            ValueRef::Integer(value) => Some(value),
            ValueRef::Null | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => None,
        }
    }

    fn json(&self, index: usize) -> Option<Arc<Value>> {
        self.shared.parse(self.text(index)?)
    }

    fn decimal(&self, index: usize) -> Option<Decimal> {
        Decimal::parse(self.text(index)?)
    }

    /// All arguments, as values of JSON. `None` where together they are beyond the limit.
    fn all_json(&self, first: usize, step: usize) -> Option<Vec<Value>> {
        let mut bytes_left = usize::try_from(POLICY_VALUE_BYTES_MAX).ok()?;
        let mut values = Vec::new();
        for index in (first..self.call.len()).step_by(step) {
            bytes_left = bytes_left.checked_sub(self.text(index)?.len())?;
            values.push(Value::clone(&*self.json(index)?));
        }
        Some(values)
    }

    fn path(&self, index: usize) -> Option<Vec<String>> {
        serde_json::from_str(self.text(index)?).ok()
    }
}

/// What a function returns; the outer `None` is an error, the inner one NULL.
type Computed = Option<Option<SqlValue>>;

fn text(value: impl Into<String>) -> Computed {
    Some(Some(SqlValue::Text(value.into())))
}

fn boolean(value: bool) -> Computed {
    Some(Some(SqlValue::Integer(i64::from(value))))
}

fn json(value: Option<&Value>) -> Computed {
    Some(value.map(|value| SqlValue::Text(value.to_string())))
}

fn unquoted(value: Option<&Value>) -> Computed {
    match value {
        None => Some(None),
        Some(value) => Some(jsonb::as_text(value)?.map(SqlValue::Text)),
    }
}

/// A function that is NULL where an argument is.
type Strict = fn(&Arguments<'_, '_>) -> Computed;

/// Every strict function, with its number of arguments.
const STRICT: &[(&str, i32, Strict)] = &[
    ("fw_resource", 1, |a| text(a.shared.resource(a.text(0)?)?)),
    ("fw_member", 2, |a| json(jsonb::member(&*a.json(0)?, a.text(1)?))),
    ("fw_member_text", 2, |a| unquoted(jsonb::member(&*a.json(0)?, a.text(1)?))),
    ("fw_item", 2, |a| json(jsonb::item(&*a.json(0)?, a.integer(1)?))),
    ("fw_item_text", 2, |a| unquoted(jsonb::item(&*a.json(0)?, a.integer(1)?))),
    ("fw_path", 2, |a| json(jsonb::path(&*a.json(0)?, &a.path(1)?))),
    ("fw_path_text", 2, |a| unquoted(jsonb::path(&*a.json(0)?, &a.path(1)?))),
    ("fw_contains", 2, |a| {
        boolean(jsonb::contains(&*a.json(0)?, &*a.json(1)?, &a.shared.deadline)?)
    }),
    ("fw_merge", 2, |a| json(Some(&jsonb::merged(&*a.json(0)?, &*a.json(1)?)))),
    ("fw_elements", 1, |a| elements(&*a.json(0)?)),
    ("fw_json_key", 1, |a| text(jsonb::key(&*a.json(0)?)?)),
    ("fw_json_to_text", 1, |a| text(jsonb::written(&*a.json(0)?)?)),
    ("fw_json_to_numeric", 1, |a| text(jsonb::numeric(&*a.json(0)?)?)),
    ("fw_json_to_boolean", 1, |a| boolean(a.json(0)?.as_bool()?)),
    ("fw_text_to_json", 1, |a| json(Some(&*a.json(0)?))),
    ("fw_text_to_integer", 1, |a| {
        let value = i32::try_from(texts::integer(a.text(0)?)?).ok()?;
        Some(Some(SqlValue::Integer(value.into())))
    }),
    ("fw_bigint_to_integer", 1, |a| {
        Some(Some(SqlValue::Integer(i32::try_from(a.integer(0)?).ok()?.into())))
    }),
    ("fw_text_to_bigint", 1, |a| Some(Some(SqlValue::Integer(texts::integer(a.text(0)?)?)))),
    ("fw_text_to_numeric", 1, |a| {
        let trimmed = a.text(0)?.trim_matches(|c: char| c.is_ascii_whitespace());
        text(Decimal::parse(trimmed)?.text())
    }),
    ("fw_text_to_boolean", 1, |a| boolean(texts::boolean(a.text(0)?)?)),
    ("fw_numeric_key", 1, |a| text(a.decimal(0)?.key())),
    ("fw_numeric_compare", 2, |a| {
        Some(Some(SqlValue::Integer(a.decimal(0)?.compare(&a.decimal(1)?) as i64)))
    }),
    ("fw_like", 2, |a| boolean(texts::like(a.text(0)?, a.text(1)?, &a.shared.deadline)?)),
    ("fw_split_part", 3, |a| text(texts::split_part(a.text(0)?, a.text(1)?, a.integer(2)?)?)),
];

/// Functions that take NULL for a value.
const OTHERS: &[&str] = &["fw_object", "fw_array", "fw_text_as_json", "fw_one"];

/// Whether a function of that name is registered here.
pub(super) fn is_registered(name: &str) -> bool {
    STRICT.iter().any(|(known, _, _)| *known == name) || OTHERS.contains(&name)
}

/// The items of an array as an array of their texts: SQLite's own list of items keeps no decimals.
fn elements(list: &Value) -> Computed {
    let items = list.as_array()?.iter().map(|item| Value::String(item.to_string()));
    text(Value::Array(items.collect()).to_string())
}

/// Registers the functions. The deadline ends those that take long.
pub(super) fn register(
    connection: &Connection,
    base_url: &str,
    deadline: &Arc<Deadline>,
) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let (base_url, deadline) = (base_url.to_owned(), Arc::clone(deadline));
    let shared = Arc::new(Shared { base_url, deadline, parsed: Mutex::default() });
    for (name, arguments, function) in STRICT {
        let shared = Arc::clone(&shared);
        connection.create_scalar_function(*name, *arguments, flags, move |call| {
            if (0..call.len()).any(|index| call.get_raw(index) == ValueRef::Null) {
                return Ok(None);
            }
            function(&Arguments { call, shared: &shared }).ok_or_else(not_computed)
        })?;
    }
    let of = Arc::clone(&shared);
    connection.create_scalar_function("fw_object", -1, flags, move |call| {
        object(&Arguments { call, shared: &of }).ok_or_else(not_computed)
    })?;
    connection.create_scalar_function("fw_array", -1, flags, move |call| {
        let items = Arguments { call, shared: &shared }.all_json(0, 1);
        items.map(|items| Value::Array(items).to_string()).ok_or_else(not_computed)
    })?;
    connection.create_scalar_function("fw_text_as_json", 1, flags, |call| {
        let text: Option<String> = call.get(0)?;
        Ok(text.map_or(Value::Null, Value::String).to_string())
    })?;
    connection.create_aggregate_function("fw_one", 1, flags, One)
}

/// `jsonb_build_object`: of a key that comes twice the later value stays.
fn object(arguments: &Arguments<'_, '_>) -> Option<String> {
    let mut members = Map::new();
    let keys = (0..arguments.call.len()).step_by(2);
    for (index, value) in keys.zip(arguments.all_json(1, 2)?) {
        members.insert(arguments.text(index)?.to_owned(), value);
    }
    Some(Value::Object(members).to_string())
}

/// The value of an only row; NULL without one, an error with several.
struct One;

impl Aggregate<Option<SqlValue>, SqlValue> for One {
    fn init(&self, _call: &mut Context<'_>) -> rusqlite::Result<Option<SqlValue>> {
        Ok(None)
    }

    fn step(&self, call: &mut Context<'_>, one: &mut Option<SqlValue>) -> rusqlite::Result<()> {
        match one.replace(call.get(0)?) {
            None => Ok(()),
            Some(_) => Err(not_computed()),
        }
    }

    fn finalize(
        &self,
        _call: &mut Context<'_>,
        one: Option<Option<SqlValue>>,
    ) -> rusqlite::Result<SqlValue> {
        Ok(one.flatten().unwrap_or(SqlValue::Null))
    }
}
