//! A search value with places for values of the request: `Patient/{{user.data.patient_id}}`.

use serde_json::Value;

use crate::document::{KEYS, Keys};
use crate::limits::BOUND_VALUE_BYTES_MAX;
use crate::nearest::suggestion;
use crate::policy_query::SentPath;

/// A text with places.
#[derive(Debug)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    /// The author's own text, as in a search: its escapes and separators count.
    Text(String),
    /// A value of the request. It is one literal, whatever is in it.
    Value(Place),
}

/// Where a value stands, and where it is taken from.
#[derive(Debug)]
pub(super) struct Place {
    path: SentPath,
    /// Whether the value begins an alternative.
    pub(super) leads: bool,
    /// Whether it ends one.
    pub(super) ends: bool,
}

impl Template {
    /// Reads a text whose `{{…}}` are places; or says what is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((path, after)) = after.split_once("}}") else {
                return Err("`{{` is never closed by `}}`".to_owned());
            };
            push_text(&mut pieces, before)?;
            pieces.push(Piece::Value(Place { path: sent_path(path)?, leads: false, ends: false }));
            rest = after;
        }
        push_text(&mut pieces, rest)?;
        let mut template = Self { pieces };
        template.note_neighbours();
        Ok(template)
    }

    /// Whether it has places.
    pub(super) fn has_places(&self) -> bool {
        self.places().next().is_some()
    }

    /// Its places.
    pub(super) fn places(&self) -> impl Iterator<Item = &Place> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Value(place) => Some(place),
        })
    }

    /// The keys of the document that the values are under.
    pub(super) fn keys(&self) -> Keys {
        let keys = self.places().map(|place| Keys::of(place.path.key()));
        keys.fold(Keys::NONE, Keys::with)
    }

    /// The text with `text_of` each place in it; `None` where that gives none.
    pub(super) fn filled(&self, text_of: impl Fn(&Place) -> Option<String>) -> Option<String> {
        let mut filled = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Value(place) => filled.push_str(&text_of(place)?),
            }
        }
        Some(filled)
    }

    fn note_neighbours(&mut self) {
        let separates: Vec<(bool, bool)> = (0..self.pieces.len())
            .map(|index| {
                let before = index.checked_sub(1).and_then(|before| self.pieces.get(before));
                let after = self.pieces.get(index + 1);
                (before.is_none_or(ends_an_alternative), after.is_none_or(begins_an_alternative))
            })
            .collect();
        for (piece, (leads, ends)) in self.pieces.iter_mut().zip(separates) {
            match piece {
                Piece::Text(_) => {}
                Piece::Value(place) => (place.leads, place.ends) = (leads, ends),
            }
        }
    }
}

impl Place {
    /// The value as a text. `None` for what is absent, no scalar, empty or too long.
    pub(super) fn value(&self, document: &Value) -> Option<String> {
        let text = match self.path.of(document)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        (!text.is_empty() && text.len() <= BOUND_VALUE_BYTES_MAX && !text.contains('\0'))
            .then_some(text)
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) -> Result<(), String> {
    if text.contains("}}") {
        return Err("`}}` closes nothing".to_owned());
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
    Ok(())
}

fn sent_path(text: &str) -> Result<SentPath, String> {
    let no_path = || format!("`{{{{{text}}}}}` is no path such as `user.data.patient_id`");
    let path = SentPath::parse(text).ok_or_else(no_path)?;
    if KEYS.contains(&path.key()) {
        return Ok(path);
    }
    let near = suggestion(path.key(), KEYS);
    Err(format!("the request document has no `{}`{near}", path.key()))
}

/// Whether an alternative ends with this piece: with an unescaped comma.
fn ends_an_alternative(piece: &Piece) -> bool {
    match piece {
        Piece::Value(_) => false,
        Piece::Text(text) => match text.strip_suffix(',') {
            None => false,
            Some(before) => {
                let escapes = before.chars().rev().take_while(|c| *c == '\\').count();
                escapes % 2 == 0
            }
        },
    }
}

fn begins_an_alternative(piece: &Piece) -> bool {
    match piece {
        Piece::Value(_) => false,
        Piece::Text(text) => text.starts_with(','),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(text: &str, document: &Value) -> Option<String> {
        Template::read(text).unwrap().filled(|place| place.value(document))
    }

    #[test]
    fn a_place_takes_a_scalar_of_the_request() {
        let document = json!({
            "user": {"id": "a", "n": 1.5, "flag": true, "no": null, "list": ["x", {"y": "z"}]},
            "params": {"resource/id": "7"},
        });
        for (text, expected) in [
            ("Patient/{{user.id}}", Some("Patient/a")),
            ("{{ user.id }},{{params.resource/id}}", Some("a,7")),
            ("{{user.n}}", Some("1.5")),
            ("{{user.flag}}", Some("true")),
            ("{{user.list.1.y}}", Some("z")),
            ("no place", Some("no place")),
            ("{{user.list.01.y}}", None),
            ("{{user.list}}", None),
            ("{{user.no}}", None),
            ("{{user.absent}}", None),
            ("{{user}}", None),
            ("{{jwt.sub}}", None),
            ("x{{user.id}}{{user.no}}", None),
        ] {
            assert_eq!(filled(text, &document).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_one_is_absent() {
        for value in ["", "a\0b", &"x".repeat(BOUND_VALUE_BYTES_MAX + 1)] {
            assert_eq!(filled("{{user.id}}", &json!({"user": {"id": value}})), None);
        }
        let longest = "x".repeat(BOUND_VALUE_BYTES_MAX);
        assert!(filled("{{user.id}}", &json!({"user": {"id": longest}})).is_some());
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for text in ["{{user.id", "user.id}}", "{{}}", "{{user..id}}", "{{user.{id}}", "{{usr.id}}"]
        {
            assert!(Template::read(text).is_err(), "{text}");
        }
        let told = Template::read("{{usr.id}}").unwrap_err();
        assert!(told.contains("did you mean `user`"), "{told}");
    }

    #[test]
    fn a_place_knows_whether_it_is_an_alternative_of_its_own() {
        for (text, expected) in [
            ("{{user}}", vec![(true, true)]),
            ("a,{{user}},b", vec![(true, true)]),
            (r"a\,{{user}}", vec![(false, true)]),
            (r"a\\,{{user}}", vec![(true, true)]),
            ("Patient/{{user}}", vec![(false, true)]),
            ("{{user}}{{user}}", vec![(true, false), (false, true)]),
            ("{{user}}|x", vec![(true, false)]),
        ] {
            let template = Template::read(text).unwrap();
            let found: Vec<_> = template.places().map(|p| (p.leads, p.ends)).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
