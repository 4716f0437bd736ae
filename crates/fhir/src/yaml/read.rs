//! YAML text to a JSON value, from the parser's events, so that nothing is built that is refused.

use std::borrow::Cow;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, StrInput};
use serde_json::{Map, Number, Value};

use super::YamlError;
use super::scalar::{self, Plain};
use crate::limits;

/// The one document of the text.
pub(super) fn document(bytes: &[u8]) -> Result<Value, YamlError> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let valid = bytes.get(..e.valid_up_to()).unwrap_or_default();
        at_end_of(&String::from_utf8_lossy(valid), "not UTF-8")
    })?;
    refuse_unprintable(text)?;
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_comments: false,
        flow_nesting_limit: limits::NESTING_DEPTH_MAX,
        block_nesting_limit: limits::NESTING_DEPTH_MAX,
    };
    Reader { parser: Parser::new_from_str_with_options(text, options), nodes: 0 }.document()
}

/// Raw control characters and byte order marks; inside double quotes they can be escaped.
fn refuse_unprintable(text: &str) -> Result<(), YamlError> {
    let accepted = |c: char| matches!(c, '\n' | '\r' | '\t') || super::write::is_printable(c);
    match text.char_indices().find(|(_, c)| !accepted(*c)) {
        None => Ok(()),
        Some((offset, c)) => {
            let before = text.get(..offset).unwrap_or_default();
            Err(at_end_of(before, &format!("character U+{:04X} is not accepted", u32::from(c))))
        }
    }
}

/// The parser's events without those that are refused.
enum Piece<'text> {
    Plain(Cow<'text, str>),
    Quoted(Cow<'text, str>),
    ArrayStart,
    ArrayEnd,
    ObjectStart,
    ObjectEnd,
    StreamEnd,
    /// Where the stream or a document begins, or a document ends.
    Boundary,
}

struct Reader<'text> {
    parser: Parser<'text, StrInput<'text>>,
    nodes: usize,
}

impl<'text> Reader<'text> {
    fn document(mut self) -> Result<Value, YamlError> {
        let mut value = None;
        loop {
            match self.next()? {
                (Piece::Boundary, _) => {}
                (Piece::StreamEnd, start) => {
                    return value.ok_or_else(|| at(start, "there is no document"));
                }
                (_, start) if value.is_some() => return Err(at(start, "more than one document")),
                (piece, start) => value = Some(self.node(piece, start, 0)?),
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the parser's enum is open")]
    fn next(&mut self) -> Result<(Piece<'text>, Marker), YamlError> {
        // The stream's end is an event; a parser that stops before it has lost its place.
        let lost = || YamlError { what: "the text ends early".to_owned(), line: 1, column: 1 };
        let (event, span) = self.parser.next_event().ok_or_else(lost)?.map_err(|e| refused(&e))?;
        let start = span.start;
        if event.anchor_id().is_some() {
            return Err(at(start, "anchors are not accepted"));
        }
        if event.tag().is_some() {
            return Err(at(start, "tags are not accepted"));
        }
        let piece = match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) => Piece::Plain(text),
            Event::Scalar(text, ..) => Piece::Quoted(text),
            Event::SequenceStart(..) => Piece::ArrayStart,
            Event::SequenceEnd => Piece::ArrayEnd,
            Event::MappingStart(..) => Piece::ObjectStart,
            Event::MappingEnd => Piece::ObjectEnd,
            Event::StreamEnd => Piece::StreamEnd,
            Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => Piece::Boundary,
            Event::Alias(_) => return Err(at(start, "aliases are not accepted")),
            _ => return Err(at(start, "not accepted")),
        };
        Ok((piece, start))
    }

    /// The value that starts with this piece, `depth` containers deep.
    fn node(
        &mut self,
        piece: Piece<'text>,
        start: Marker,
        depth: usize,
    ) -> Result<Value, YamlError> {
        self.count(start)?;
        match piece {
            Piece::Plain(text) => plain_value(text, start),
            Piece::Quoted(text) => Ok(Value::String(text.into_owned())),
            Piece::ArrayStart => self.array(deeper(depth, start)?),
            Piece::ObjectStart => self.object(deeper(depth, start)?),
            Piece::ArrayEnd | Piece::ObjectEnd | Piece::StreamEnd | Piece::Boundary => {
                Err(at(start, "a value is missing"))
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, YamlError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Piece::ArrayEnd, _) => return Ok(Value::Array(items)),
                (piece, start) => items.push(self.node(piece, start, depth)?),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, YamlError> {
        let mut members = Map::new();
        loop {
            let (piece, start) = self.next()?;
            if let Piece::ObjectEnd = piece {
                return Ok(Value::Object(members));
            }
            self.count(start)?;
            let name = member_name(piece, start)?;
            if members.contains_key(&name) {
                return Err(at(start, &format!("duplicate member `{name}`")));
            }
            let (piece, start) = self.next()?;
            let value = self.node(piece, start, depth)?;
            members.insert(name, value);
        }
    }

    fn count(&mut self, start: Marker) -> Result<(), YamlError> {
        self.nodes += 1;
        if self.nodes > limits::YAML_NODES_MAX {
            return Err(at(start, &format!("more than {} values", limits::YAML_NODES_MAX)));
        }
        Ok(())
    }
}

fn member_name(piece: Piece<'_>, start: Marker) -> Result<String, YamlError> {
    match piece {
        Piece::Plain(text) if text == "<<" => Err(at(start, "merge keys (`<<`) are not accepted")),
        Piece::Plain(text) if scalar::meaning(&text) == Plain::Null => {
            Err(at(start, "a member without a name"))
        }
        Piece::Plain(text) | Piece::Quoted(text) => Ok(text.into_owned()),
        Piece::ArrayStart
        | Piece::ArrayEnd
        | Piece::ObjectStart
        | Piece::ObjectEnd
        | Piece::StreamEnd
        | Piece::Boundary => Err(at(start, "a member's name is not text")),
    }
}

fn plain_value(text: Cow<'_, str>, start: Marker) -> Result<Value, YamlError> {
    match scalar::meaning(&text) {
        Plain::Null => Ok(Value::Null),
        Plain::Boolean(boolean) => Ok(Value::Bool(boolean)),
        Plain::Text => Ok(Value::String(text.into_owned())),
        Plain::ForeignNumber => {
            Err(at(start, "a number that JSON cannot write; put it in quotes if it is text"))
        }
        Plain::Number if text.len() > limits::NUMBER_LENGTH_MAX => Err(at(
            start,
            &format!("a number of more than {} characters", limits::NUMBER_LENGTH_MAX),
        )),
        Plain::Number => {
            text.parse::<Number>().map(Value::Number).map_err(|_| at(start, "not a number"))
        }
    }
}

fn deeper(depth: usize, start: Marker) -> Result<usize, YamlError> {
    if depth >= limits::NESTING_DEPTH_MAX {
        return Err(too_deep(start));
    }
    Ok(depth + 1)
}

fn too_deep(start: Marker) -> YamlError {
    at(start, &format!("nested deeper than {} levels", limits::NESTING_DEPTH_MAX))
}

fn refused(error: &ScanError) -> YamlError {
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return too_deep(*error.marker());
    }
    at(*error.marker(), &error.info())
}

fn at(marker: Marker, what: &str) -> YamlError {
    YamlError { what: what.to_owned(), line: marker.line(), column: marker.col() + 1 }
}

fn at_end_of(before: &str, what: &str) -> YamlError {
    let last_line = before.rsplit('\n').next().unwrap_or_default();
    YamlError {
        what: what.to_owned(),
        line: before.matches('\n').count() + 1,
        column: last_line.chars().count() + 1,
    }
}
