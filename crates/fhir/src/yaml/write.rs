//! A JSON value as block-style YAML text.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::scalar::{self, Plain};

/// Longer names take the explicit form `? name`: a reader looks ahead for 1,024 characters only.
const NAME_LENGTH_MAX: usize = 1_000;
const INDENT: usize = 2;

/// The whole document, with its final line break.
pub(super) fn document(value: &Value) -> String {
    let mut out = String::new();
    node(&mut out, value, 0);
    out.push('\n');
    out
}

/// What YAML lets stand as it is, line breaks and tabs aside (YAML 1.2.2, 5.1). Older readers
/// break lines at U+0085, U+2028 and U+2029.
pub(super) fn is_printable(c: char) -> bool {
    match c {
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => false,
        ' '..='~' => true,
        _ => c >= '\u{a0}',
    }
}

/// Writes the value at the cursor, which stands in column `indent`.
fn node(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Array(items) if !items.is_empty() => array(out, items, indent),
        Value::Object(members) if !members.is_empty() => object(out, members, indent),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
        Value::Null => out.push_str("null"),
        Value::Bool(boolean) => out.push_str(if *boolean { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) if literal_fits(text) => literal(out, text, indent.max(INDENT)),
        Value::String(text) => out.push_str(&plain_or_quoted(text)),
    }
}

fn array(out: &mut String, items: &[Value], indent: usize) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            new_line(out, indent);
        }
        out.push_str("- ");
        node(out, item, indent + INDENT);
    }
}

fn object(out: &mut String, members: &Map<String, Value>, indent: usize) {
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            new_line(out, indent);
        }
        let name = plain_or_quoted(name);
        if name.chars().count() > NAME_LENGTH_MAX {
            out.push_str("? ");
            out.push_str(&name);
            new_line(out, indent);
        } else {
            out.push_str(&name);
        }
        out.push(':');
        if is_block(value) {
            new_line(out, indent + INDENT);
        } else {
            out.push(' ');
        }
        node(out, value, indent + INDENT);
    }
}

/// Whether the value takes lines of its own below its name.
fn is_block(value: &Value) -> bool {
    match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Whether a `|` block reads back as this text without further marks.
fn literal_fits(text: &str) -> bool {
    text.contains('\n')
        && text.starts_with(|c: char| !c.is_whitespace())
        && !text.ends_with("\n\n")
        && text.chars().all(|c| c == '\n' || is_printable(c))
        && text.split('\n').all(|line| !line.ends_with(char::is_whitespace))
}

fn literal(out: &mut String, text: &str, indent: usize) {
    out.push_str(if text.ends_with('\n') { "|" } else { "|-" });
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        if line.is_empty() {
            out.push('\n');
        } else {
            new_line(out, indent);
            out.push_str(line);
        }
    }
}

fn plain_or_quoted(text: &str) -> String {
    if plain_fits(text) { text.to_owned() } else { quoted(text) }
}

fn plain_fits(text: &str) -> bool {
    const INDICATORS: &str = "-?:,[]{}#&*!|>'\"%@`";
    !text.starts_with(|c: char| INDICATORS.contains(c) || c.is_whitespace())
        && !text.ends_with(|c: char| c == ':' || c.is_whitespace())
        && !text.starts_with("...")
        && !text.contains(": ")
        && !text.contains(" #")
        && text.chars().all(is_printable)
        && scalar::meaning(text) == Plain::Text
        && !scalar::others_may_misread(text)
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if is_printable(c) => out.push(c),
            _ => {
                // Writing to a string cannot fail; everything unprintable is below U+10000.
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}

fn new_line(out: &mut String, indent: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
}
