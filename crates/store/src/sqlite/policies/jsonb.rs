//! Operators of JSON with the meaning that PostgreSQL gives them for `jsonb`.

use serde_json::{Map, Value};

use super::deadline::Deadline;
use super::decimal::Decimal;

/// `json -> 'key'`.
pub(crate) fn member<'a>(json: &'a Value, key: &str) -> Option<&'a Value> {
    json.as_object()?.get(key)
}

/// `json -> 1`: an item, from the end where the number is negative. A value that is no array is
/// an array of itself, but for an object.
pub(crate) fn item(json: &Value, number: i64) -> Option<&Value> {
    let items = match json {
        Value::Array(items) => items.as_slice(),
        Value::Object(_) => return None,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            std::slice::from_ref(json)
        }
    };
    let index = match usize::try_from(number) {
        Ok(index) => index,
        Err(_) => items.len().checked_sub(usize::try_from(number.unsigned_abs()).ok()?)?,
    };
    items.get(index)
}

/// `json #> '{…}'`: a member or an item in another.
pub(crate) fn path<'a>(json: &'a Value, steps: &[String]) -> Option<&'a Value> {
    steps.iter().try_fold(json, |value, step| match value {
        Value::Object(members) => members.get(step),
        Value::Array(_) => item(value, step.parse().ok()?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    })
}

/// What `->>` and `#>>` make of a value: of a string its content, of `null` NULL.
pub(crate) fn as_text(json: &Value) -> Option<Option<String>> {
    match json {
        Value::Null => Some(None),
        Value::String(text) => Some(Some(text.clone())),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Some(Some(written(json)?))
        }
    }
}

/// `json::text`: members sorted by the length of their names, then by their bytes. `None` where a
/// number is beyond the limit.
pub(crate) fn written(json: &Value) -> Option<String> {
    let mut text = String::new();
    write(json, &mut text, &Style { member: ": ", item: ", ", number: Decimal::text })?;
    Some(text)
}

/// A text that two values share exactly where they are equal.
pub(crate) fn key(json: &Value) -> Option<String> {
    let mut text = String::new();
    write(json, &mut text, &Style { member: ":", item: ",", number: Decimal::key })?;
    Some(text)
}

struct Style {
    member: &'static str,
    item: &'static str,
    number: fn(&Decimal) -> String,
}

fn write(json: &Value, text: &mut String, style: &Style) -> Option<()> {
    match json {
        Value::Null | Value::Bool(_) | Value::String(_) => text.push_str(&json.to_string()),
        Value::Number(number) => {
            text.push_str(&(style.number)(&Decimal::parse(&number.to_string())?));
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push_str(style.item);
                }
                write(item, text, style)?;
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
            text.push('{');
            for (index, (name, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push_str(style.item);
                }
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push_str(style.member);
                write(value, text, style)?;
            }
            text.push('}');
        }
    }
    Some(())
}

/// `whole @> part`. `None` when the time is over.
pub(crate) fn contains(whole: &Value, part: &Value, deadline: &Deadline) -> Option<bool> {
    match (whole, part) {
        // An array contains a scalar that is one of its items; so it is not further inside.
        (Value::Array(items), part) if is_scalar(part) => has_scalar(items, part, deadline),
        (whole, part) => contains_inside(whole, part, deadline),
    }
}

fn contains_inside(whole: &Value, part: &Value, deadline: &Deadline) -> Option<bool> {
    if deadline.is_over() {
        return None;
    }
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            for (name, part) in part {
                let Some(whole) = whole.get(name) else { return Some(false) };
                if !contains_inside(whole, part, deadline)? {
                    return Some(false);
                }
            }
            Some(true)
        }
        (Value::Array(whole), Value::Array(part)) => {
            for part in part {
                let found = if is_scalar(part) {
                    has_scalar(whole, part, deadline)?
                } else {
                    has_containing(whole, part, deadline)?
                };
                if !found {
                    return Some(false);
                }
            }
            Some(true)
        }
        (Value::Object(_) | Value::Array(_), _) | (_, Value::Object(_) | Value::Array(_)) => {
            Some(false)
        }
        (whole, part) => equal_scalars(whole, part),
    }
}

fn has_scalar(items: &[Value], scalar: &Value, deadline: &Deadline) -> Option<bool> {
    for item in items {
        if deadline.is_over() {
            return None;
        }
        if is_scalar(item) && equal_scalars(item, scalar)? {
            return Some(true);
        }
    }
    Some(false)
}

fn has_containing(items: &[Value], part: &Value, deadline: &Deadline) -> Option<bool> {
    for item in items {
        if contains_inside(item, part, deadline)? {
            return Some(true);
        }
    }
    Some(false)
}

fn is_scalar(json: &Value) -> bool {
    match json {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        Value::Array(_) | Value::Object(_) => false,
    }
}

fn equal_scalars(a: &Value, b: &Value) -> Option<bool> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let number = |number: &serde_json::Number| Decimal::parse(&number.to_string());
            Some(number(a)?.key() == number(b)?.key())
        }
        (a, b) => Some(a == b),
    }
}

/// `a || b`: the members of both, the later ones in the stead of earlier ones; or the items of
/// both, where what is no array is an array of itself.
pub(crate) fn merged(a: &Value, b: &Value) -> Value {
    if let (Value::Object(a), Value::Object(b)) = (a, b) {
        let both = a.iter().chain(b).map(|(name, value)| (name.clone(), value.clone()));
        return Value::Object(both.collect::<Map<_, _>>());
    }
    let items = |json: &Value| match json {
        Value::Array(items) => items.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            vec![json.clone()]
        }
    };
    Value::Array([items(a), items(b)].concat())
}

/// `json::numeric`.
pub(crate) fn numeric(json: &Value) -> Option<String> {
    match json {
        Value::Number(number) => Some(Decimal::parse(&number.to_string())?.text()),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn containment_is_that_of_jsonb() {
        let never = Deadline::default();
        never.begin();
        for (whole, part, holds) in [
            (r#"{"a":1,"b":2}"#, r#"{"a":1}"#, true),
            (r#"{"a":1}"#, r#"{"a":1.0}"#, true),
            (r#"{"a":1}"#, r#"{"a":"1"}"#, false),
            (r#"{"a":1}"#, r#"{"b":1}"#, false),
            (r#"{"a":null}"#, r#"{"a":null}"#, true),
            (r#"{"a":{"b":{"c":1,"d":2}}}"#, r#"{"a":{"b":{"c":1}}}"#, true),
            (r#"{"a":{"b":{"c":1,"d":2}}}"#, r#"{"a":{"c":1}}"#, false),
            (r#"{"a":[1,2,3]}"#, r#"{"a":[3,1]}"#, true),
            (r#"{"a":[1,2]}"#, r#"{"a":1}"#, false),
            (r#"{"a":{}}"#, r#"{"a":[]}"#, false),
            (r#"[1,2,3]"#, r#"[3,3,1]"#, true),
            (r#"[1,2,3]"#, r#"1"#, true),
            (r#"[1,2,3]"#, r#"4"#, false),
            (r#"1"#, r#"[1]"#, false),
            (r#"1"#, r#"1.0"#, true),
            (r#"[[1,2]]"#, r#"[1]"#, false),
            (r#"[[1,2]]"#, r#"[[1]]"#, true),
            (r#"[1,[2]]"#, r#"[[1]]"#, false),
            (r#"[{"a":1,"b":2},{"a":3}]"#, r#"[{"a":3},{"b":2}]"#, true),
            (r#"[{"a":1},{"b":2}]"#, r#"[{"a":1,"b":2}]"#, false),
            (r#"[[]]"#, r#"[]"#, true),
            (r#"{}"#, r#"{}"#, true),
            (r#"[]"#, r#"{}"#, false),
            (r#"{"a":1}"#, r#"1"#, false),
        ] {
            assert_eq!(
                contains(&json(whole), &json(part), &never),
                Some(holds),
                "{whole} @> {part}"
            );
        }
        let over = Deadline::default();
        assert_eq!(contains(&json("[1]"), &json("1"), &over), None);
        assert_eq!(contains(&json("{}"), &json("{}"), &over), None);
    }

    #[test]
    fn members_items_and_paths_are_found() {
        let whole = json(r#"{"a":[{"b":"x"},null,3],"":1}"#);
        let steps = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        for (at, found) in [
            ("a,0,b", Some(r#""x""#)),
            ("a,-1", Some("3")),
            ("a,-4", None),
            ("a,3", None),
            ("a,1", Some("null")),
            ("a,b", None),
            ("a,0,b,0", None),
            ("a,1,x", None),
            ("x", None),
        ] {
            assert_eq!(path(&whole, &steps(at)), found.map(json).as_ref(), "{at}");
        }
        assert_eq!(path(&whole, &[]), Some(&whole));
        assert_eq!(item(&json("[1,2]"), -1), Some(&json("2")));
        assert_eq!(item(&json("[1,2]"), i64::MIN), None);
        assert_eq!(item(&json("1"), 0), Some(&json("1")));
        assert_eq!(item(&json("{}"), 0), None);
        assert_eq!(member(&json("[1]"), "0"), None);
        assert_eq!(member(&whole, ""), Some(&json("1")));
    }

    #[test]
    fn json_is_written_as_jsonb_is() {
        for (value, text) in [
            (
                r#"{"bb":1,"a":[1,2.50,1e2],"c":{"x":null}}"#,
                r#"{"a": [1, 2.50, 100], "c": {"x": null}, "bb": 1}"#,
            ),
            (r#""a\"b""#, r#""a\"b""#),
            ("true", "true"),
            ("[]", "[]"),
        ] {
            assert_eq!(written(&json(value)).unwrap(), text);
        }
        assert_eq!(as_text(&json(r#""a\"b""#)), Some(Some("a\"b".into())));
        assert_eq!(as_text(&json("null")), Some(None));
        assert_eq!(as_text(&json("[1]")), Some(Some("[1]".into())));
        assert_eq!(written(&json("[1e9999]")), None);
        assert_eq!(key(&json(r#"{"b":1.0,"a":[1e1]}"#)), key(&json(r#"{"a":[10.00],"b":1}"#)));
        assert_ne!(key(&json(r#"["1"]"#)), key(&json("[1]")));
    }

    #[test]
    fn json_is_joined_as_jsonb_is() {
        for (a, b, joined) in [
            (r#"{"a":1,"b":2}"#, r#"{"b":3}"#, r#"{"a":1,"b":3}"#),
            ("[1]", "[2,3]", "[1,2,3]"),
            ("[1]", r#"{"a":1}"#, r#"[1,{"a":1}]"#),
            ("1", "[2]", "[1,2]"),
            ("1", r#""a""#, r#"[1,"a"]"#),
            (r#"{"a":1}"#, "2", r#"[{"a":1},2]"#),
        ] {
            assert_eq!(merged(&json(a), &json(b)), json(joined), "{a} || {b}");
        }
    }
}
