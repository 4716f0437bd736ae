//! What the YAML reader accepts, what it refuses, and that writing and reading agree.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{parse, to_text};
use crate::limits;

fn read(text: &str) -> Value {
    parse(text.as_bytes()).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn refusal(text: &str) -> String {
    parse(text.as_bytes()).expect_err(text).to_string()
}

#[test]
fn a_policy_reads_as_its_json() {
    let text = "
# A policy as its author writes it.
resourceType: AccessPolicy
engine: json-schema
link: []
description: >-
  Two lines
  folded
schema:
  required: [jwt, 'user']
  properties:
    jwt: {required: [iss], properties: {iss: {const: https://auth.example.com}}}
text: |
  kept
    as it is
? long
: 1
";
    let expected = json!({
        "resourceType": "AccessPolicy",
        "engine": "json-schema",
        "link": [],
        "description": "Two lines folded",
        "schema": {
            "required": ["jwt", "user"],
            "properties": {"jwt": {
                "required": ["iss"],
                "properties": {"iss": {"const": "https://auth.example.com"}}
            }}
        },
        "text": "kept\n  as it is\n",
        "long": 1
    });
    assert_eq!(read(text), expected);
    assert_eq!(read(&text.replace('\n', "\r\n")), expected);
    assert_eq!(read(&format!("---{text}...\n")), expected);
}

#[test]
fn unquoted_scalars_read_by_the_core_schema_with_strict_booleans() {
    for (text, json) in [
        ("true", "true"),
        ("false", "false"),
        ("null", "null"),
        ("~", "null"),
        ("a:", r#"{"a":null}"#),
        ("0", "0"),
        ("-12", "-12"),
        ("1.00", "1.00"),
        ("-0.10", "-0.10"),
        ("1e2", "1e+2"),
        ("100000000000000000000.5", "100000000000000000000.5"),
        ("yes", r#""yes""#),
        ("True", r#""True""#),
        ("NULL", r#""NULL""#),
        ("1_000", r#""1_000""#),
        ("12:30:45", r#""12:30:45""#),
        ("2020-01-31", r#""2020-01-31""#),
        ("2020-01-31T10:00:00Z", r#""2020-01-31T10:00:00Z""#),
        ("8867-4", r#""8867-4""#),
        ("1.2.3", r#""1.2.3""#),
        ("'1'", r#""1""#),
        ("\"true\"", r#""true""#),
        ("'null'", r#""null""#),
        ("|-\n  1", r#""1""#),
        ("''", r#""""#),
        ("\"\\u0001\\x7f\\U0001F600\\/\"", "\"\\u0001\u{7f}\u{1F600}/\""),
        ("{1: a, true: b, 1.0: c, 0x1: d}", r#"{"1":"a","true":"b","1.0":"c","0x1":"d"}"#),
        ("{'<<': a, '': b, '~': c}", r#"{"<<":"a","":"b","~":"c"}"#),
    ] {
        assert_eq!(read(text).to_string(), json, "{text}");
    }
}

#[test]
fn what_readers_could_read_differently_is_refused() {
    for (text, what) in [
        ("a: 1\na: 2", "duplicate member `a` at line 2 column 1"),
        ("a: 1\n'a': 2", "duplicate member `a` at line 2 column 1"),
        ("x: {1: a, '1': b}", "duplicate member `1` at line 1 column 11"),
        ("a: &x 1", "anchors are not accepted at line 1 column 7"),
        ("&x {a: 1}", "anchors are not accepted at line 1 column 4"),
        ("&x a: 1", "anchors are not accepted at line 1 column 4"),
        ("a: !!str 1", "tags are not accepted at line 1 column 10"),
        ("!mine [1]", "tags are not accepted at line 1 column 7"),
        ("!!str a: 1", "tags are not accepted at line 1 column 7"),
        ("<<: {a: 1}", "merge keys (`<<`) are not accepted at line 1 column 1"),
        ("a: 1\n---\nb: 2", "more than one document at line 3 column 1"),
        ("a\n...\nb", "more than one document at line 3 column 1"),
        ("", "there is no document at line 1 column 1"),
        ("# nothing\n", "there is no document at line 2 column 1"),
        ("? [a]\n: 1", "a member's name is not text at line 1 column 3"),
        ("? {a: 1}\n: 1", "a member's name is not text at line 1 column 3"),
        (": 1", "a member without a name at line 1 column 1"),
        ("~: 1", "a member without a name at line 1 column 1"),
        ("a: \u{1}", "character U+0001 is not accepted at line 1 column 4"),
        ("ä: 1\nö: \u{0}", "character U+0000 is not accepted at line 2 column 4"),
        ("\u{feff}a: 1", "character U+FEFF is not accepted at line 1 column 1"),
        ("a: \u{85}", "character U+0085 is not accepted at line 1 column 4"),
    ] {
        assert_eq!(refusal(text), what, "{text}");
    }
    for text in [
        "*x",
        "[*x]",
        "{*x : 1}",
        "a: &x 1\nb: *x",
        "%YAML 1.2\n---\na: 1",
        "%TAG ! !x\n---\na: 1",
        "{---",
        "[1",
        "{a",
        "a: b: c",
        "\"a",
        "- a\nb: c",
        "a: |x\n b",
        "\t- a\n\t- b",
        "@a",
        "`a",
        "\"\\ud800\"",
        "\"\\q\"",
        "]",
        "}",
        "a: 'b' c",
    ] {
        assert!(parse(text.as_bytes()).is_err(), "{text}");
    }
    assert_eq!(parse(b"a: 1\nb: \xff").unwrap_err().to_string(), "not UTF-8 at line 2 column 4");
}

#[test]
fn a_number_json_cannot_write_is_refused_until_it_is_quoted() {
    for text in
        [".inf", "-.Inf", ".NaN", "0x1F", "0o17", "007", "+1", "+15551234567", ".5", "1.", "-.5e3"]
    {
        assert_eq!(
            refusal(&format!("a: {text}")),
            "a number that JSON cannot write; put it in quotes if it is text at line 1 column 4"
        );
        assert_eq!(read(&format!("a: '{text}'")), json!({"a": text}));
    }
}

#[test]
fn depth_numbers_and_nodes_are_bounded() {
    let flow = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(parse(flow(limits::NESTING_DEPTH_MAX).as_bytes()).is_ok());
    let too_deep = parse(flow(limits::NESTING_DEPTH_MAX + 1).as_bytes()).unwrap_err();
    assert_eq!(too_deep.what, "nested deeper than 64 levels");
    assert!(parse(flow(100_000).as_bytes()).is_err());
    let block = |levels: usize| format!("{}a", "- ".repeat(levels));
    assert!(parse(block(limits::NESTING_DEPTH_MAX).as_bytes()).is_ok());
    assert!(parse(block(limits::NESTING_DEPTH_MAX + 1).as_bytes()).is_err());
    assert!(parse("? ".repeat(100_000).as_bytes()).is_err());

    let digits = |length| "1".repeat(length);
    assert!(parse(digits(limits::NUMBER_LENGTH_MAX).as_bytes()).is_ok());
    assert!(parse(digits(limits::NUMBER_LENGTH_MAX + 1).as_bytes()).is_err());

    let many = format!("[{}]", "1,".repeat(limits::YAML_NODES_MAX));
    assert_eq!(parse(many.as_bytes()).unwrap_err().what, "more than 1000000 values");
}

#[test]
fn an_alias_bomb_is_refused_at_its_first_anchor() {
    let mut bomb = "a: &a [x, x]\n".to_owned();
    for (name, of) in ('b'..='z').zip('a'..) {
        bomb.push_str(&format!("{name}: &{name} [*{of}, *{of}, *{of}, *{of}]\n"));
    }
    assert_eq!(refusal(&bomb), "anchors are not accepted at line 1 column 7");
}

const BLOCK_STYLE: &str = r##"resourceType: Patient
active: true
multipleBirthInteger: 2
birthDate: "1980-01-31"
gender: female
empty:
  list: []
  object: {}
  text: ""
  "null": null
name:
  - given:
      - Ann
      - "No"
    family: "O'Hara: the 2nd"
matrix:
  - - 1
    - 2
  - - []
quoted:
  - "1"
  - "1.0"
  - "0x1F"
  - "true"
  - "~"
  - "- a"
  - "a #b"
  - "#"
  - "*a"
  - " a"
  - "<<"
  - "12:30"
plain:
  - 8867-4
  - a:b
  - Patient/1
  - W/"1"
  - a#b
  - 2020-01
  - é 日
text: |
  first

    second
note: |-
  one
  two
odd:
  - "a\n\n"
  - "\na"
  - "a \nb"
  - "tab\there"
  - "\u0001\u2028"
"yes": 1
"##;

#[test]
fn text_is_block_style_and_quoted_only_where_it_must_be() {
    let value = json!({
        "resourceType": "Patient",
        "active": true,
        "multipleBirthInteger": 2,
        "birthDate": "1980-01-31",
        "gender": "female",
        "empty": {"list": [], "object": {}, "text": "", "null": null},
        "name": [{"given": ["Ann", "No"], "family": "O'Hara: the 2nd"}],
        "matrix": [[1, 2], [[]]],
        "quoted": ["1", "1.0", "0x1F", "true", "~", "- a", "a #b", "#", "*a", " a", "<<", "12:30"],
        "plain": ["8867-4", "a: b".replace(' ', ""), "Patient/1", "W/\"1\"", "a#b", "2020-01", "é 日"],
        "text": "first\n\n  second\n",
        "note": "one\ntwo",
        "odd": ["a\n\n", "\na", "a \nb", "tab\there", "\u{1}\u{2028}"],
        "yes": 1
    });
    assert_eq!(to_text(&value), BLOCK_STYLE);
    assert_eq!(read(BLOCK_STYLE), value);
}

#[test]
fn a_name_of_any_length_reads_back() {
    for length in [1, 999, 1_000, 1_001, 5_000] {
        let value =
            json!({"a": {"k".repeat(length): {"b": [1]}}, "n": {"\u{1}".repeat(length): "x\ny"}});
        assert_eq!(read(&to_text(&value)), value);
    }
}

/// Strings built from what YAML gives a meaning to.
fn awkward_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            " ",
            "\n",
            "\r",
            "\t",
            ":",
            ": ",
            "#",
            " #",
            "-",
            "- ",
            "?",
            "? ",
            "|",
            ">",
            "'",
            "\"",
            "\\",
            "&a",
            "*a",
            "!",
            "%",
            "@",
            "`",
            "{",
            "}",
            "[",
            "]",
            ",",
            "~",
            "null",
            "true",
            "no",
            "1",
            "0",
            ".",
            "e",
            "+",
            "0x",
            "...",
            "---",
            "<<",
            "=",
            "\u{85}",
            "\u{a0}",
            "\u{2028}",
            "\u{feff}",
            "\u{0}",
            "\u{7f}",
            "\u{ffff}",
            "\u{1f600}",
            "é",
            "a",
            "b c",
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn any_value() -> impl Strategy<Value = Value> {
    let number = "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,8})?(e[+-][0-9]{1,3})?"
        .prop_map(|text| Value::Number(text.parse().expect(&text)));
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number,
        awkward_text().prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            proptest::collection::vec((awkward_text(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(value in any_value()) {
        let text = to_text(&value);
        prop_assert_eq!(parse(text.as_bytes()), Ok(value), "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused(pieces in proptest::collection::vec(awkward_text(), 0..12)) {
        let text = pieces.concat();
        if let Ok(value) = parse(text.as_bytes()) {
            prop_assert_eq!(parse(to_text(&value).as_bytes()), Ok(value), "{}", text);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn json_reads_as_itself(value in any_value()) {
        // JSON in one line is YAML, but for names beyond YAML's look-ahead and characters that
        // must be escaped in YAML.
        let text = value.to_string();
        if text.chars().all(super::write::is_printable) {
            prop_assert_eq!(parse(text.as_bytes()), Ok(value), "{}", text);
        }
    }
}
