//! `#…`: a regular expression that is matched in linear time, with ASCII classes.

use std::convert::Infallible;
use std::fmt;

use regex::{Regex, RegexBuilder};
use regex_syntax::ast::{self, Ast, ClassPerl, ClassPerlKind, ClassSetItem, Span, Visitor};

use crate::limits::PATTERN_SIZE_BYTES_MAX;

/// A compiled expression. It is found anywhere in a text, unless it is anchored.
#[derive(Debug)]
pub(super) struct Expression {
    text: String,
    compiled: Regex,
}

/// What is not an expression that this engine matches.
#[derive(Debug)]
pub(super) struct NotAnExpression(String);

impl fmt::Display for NotAnExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Expression {
    /// Compiles an expression, without its `#`.
    pub(super) fn compile(text: &str) -> Result<Self, NotAnExpression> {
        let parsed = ast::parse::Parser::new().parse(text);
        let parsed = parsed.map_err(|error| NotAnExpression(error.kind().to_string()))?;
        let ascii = with_ascii_classes(text, &parsed)?;
        let compiled = RegexBuilder::new(&ascii).size_limit(PATTERN_SIZE_BYTES_MAX).build();
        let compiled = compiled.map_err(|error| {
            let is_too_large = matches!(error, regex::Error::CompiledTooBig(_));
            let why = if is_too_large {
                "it is too large".to_owned()
            } else {
                last_line(&error.to_string())
            };
            NotAnExpression(why)
        })?;
        Ok(Self { text: text.to_owned(), compiled })
    }

    /// The expression as it was written, without its `#`.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is found in the text.
    pub(super) fn is_found_in(&self, text: &str) -> bool {
        self.compiled.is_match(text)
    }
}

/// The reason, without the drawing of the expression above it.
fn last_line(told: &str) -> String {
    let last = told.lines().last().unwrap_or_default();
    last.trim().trim_start_matches("error: ").to_owned()
}

/// The expression with `\d`, `\w`, `\s` and `\b` written out for ASCII.
fn with_ascii_classes(text: &str, parsed: &Ast) -> Result<String, NotAnExpression> {
    let found = match ast::visit(parsed, Finder::default()) {
        Ok(found) => found,
        Err(never) => match never {},
    };
    if found.has_not_boundary {
        let told = "`\\B` is not served; write what stands there";
        return Err(NotAnExpression(told.to_owned()));
    }
    let mut ascii = String::with_capacity(text.len() + 16 * found.written_out.len());
    let mut copied = 0;
    for (span, written_out) in found.written_out {
        ascii.push_str(text.get(copied..span.start.offset).unwrap_or_default());
        ascii.push_str(&written_out);
        copied = span.end.offset;
    }
    ascii.push_str(text.get(copied..).unwrap_or_default());
    Ok(ascii)
}

/// Finds what means more than ASCII, in the order of the text.
#[derive(Default)]
struct Finder {
    written_out: Vec<(Span, String)>,
    has_not_boundary: bool,
}

impl Visitor for Finder {
    type Output = Self;
    type Err = Infallible;

    fn finish(self) -> Result<Self, Infallible> {
        Ok(self)
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), Infallible> {
        match ast {
            // Outside brackets a flag keeps other letters out where case is ignored.
            Ast::ClassPerl(class) => {
                self.written_out.push((class.span, format!("(?-i:{})", bracketed(class))));
            }
            Ast::Assertion(assertion) => match assertion.kind {
                ast::AssertionKind::NotWordBoundary => self.has_not_boundary = true,
                ast::AssertionKind::WordBoundary => self.ascii(assertion.span, r"\b"),
                ast::AssertionKind::WordBoundaryStart
                | ast::AssertionKind::WordBoundaryStartAngle => {
                    self.ascii(assertion.span, r"\b{start}");
                }
                ast::AssertionKind::WordBoundaryEnd | ast::AssertionKind::WordBoundaryEndAngle => {
                    self.ascii(assertion.span, r"\b{end}");
                }
                ast::AssertionKind::WordBoundaryStartHalf => {
                    self.ascii(assertion.span, r"\b{start-half}");
                }
                ast::AssertionKind::WordBoundaryEndHalf => {
                    self.ascii(assertion.span, r"\b{end-half}");
                }
                ast::AssertionKind::StartLine
                | ast::AssertionKind::EndLine
                | ast::AssertionKind::StartText
                | ast::AssertionKind::EndText => {}
            },
            Ast::Empty(_)
            | Ast::Flags(_)
            | Ast::Literal(_)
            | Ast::Dot(_)
            | Ast::ClassUnicode(_)
            | Ast::ClassBracketed(_)
            | Ast::Repetition(_)
            | Ast::Group(_)
            | Ast::Alternation(_)
            | Ast::Concat(_) => {}
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), Infallible> {
        if let ClassSetItem::Perl(class) = item {
            self.written_out.push((class.span, bracketed(class)));
        }
        Ok(())
    }
}

impl Finder {
    fn ascii(&mut self, span: Span, assertion: &str) {
        self.written_out.push((span, format!("(?-u:{assertion})")));
    }
}

fn bracketed(class: &ClassPerl) -> String {
    let members = match class.kind {
        ClassPerlKind::Digit => "0-9",
        ClassPerlKind::Space => r"\t\n\x0B\x0C\r\x20",
        ClassPerlKind::Word => "0-9A-Za-z_",
    };
    format!("[{}{members}]", if class.negated { "^" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, value: &str) -> bool {
        Expression::compile(text).unwrap().is_found_in(value)
    }

    #[test]
    fn an_expression_is_found_anywhere_unless_it_is_anchored() {
        assert!(found("/Encounter.*", "/x/Encounter"));
        assert!(!found("^/Encounter.*", "/x/Encounter"));
        assert!(found("^/fhir/Patient$", "/fhir/Patient"));
        assert!(!found("^/fhir/Patient$", "/fhir/Patient\n"));
        assert!(found("", "anything"));
    }

    #[test]
    fn classes_are_ascii() {
        for (text, value, is_found) in [
            (r"^\d+$", "2345", true),
            (r"^\d+$", "٣٤", false),
            (r"^\w+$", "aZ_9", true),
            (r"^\w+$", "é", false),
            (r"^[\w.]+$", "a.b", true),
            (r"^[\w.]+$", "é", false),
            (r"^[^\w]+$", "é", true),
            (r"(?i)^\w$", "\u{17f}", false),
            (r"^\s$", "\u{0B}", true),
            (r"^\s$", " ", true),
            (r"^\s$", "\u{a0}", false),
            (r"^\S$", "\u{a0}", true),
            (r"^\D$", "٣", true),
            (r"^\W$", "é", true),
            (r"\bPatient\b", "éPatienté", true),
            (r"\bPatient\b", "/Patient/", true),
            (r"\bPatient\b", "xPatient", false),
            (r"\<a\>", "a", true),
            (r"\\d", r"\d", true),
            (r"[[:alpha:]\d]", "٣", false),
            (r"^.$", "é", true),
            ("(?x) a # a comment with \\d and [\n b", "ab", true),
        ] {
            assert_eq!(found(text, value), is_found, "{text} {value}");
        }
    }

    #[test]
    fn what_is_not_matched_in_linear_time_or_too_large_is_refused() {
        let heavy = "(a{0,1000}){0,1000}";
        for text in [r"(.)\1", "(?=a)", "(?!a)", "(?<=a)b", "(", "[", "a{2,1}", r"\Ba", heavy] {
            assert!(Expression::compile(text).is_err(), "{text}");
        }
    }
}
