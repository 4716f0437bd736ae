//! The text of a query without its `{{path}}`s, quoted in one way, ready to be parsed.
//!
//! The parser sees neither comments nor dollar quotes: what ends where is decided here alone.

use std::str::Chars;

use super::Refusal;
use crate::limits::{QUERY_BYTES_MAX, QUERY_PATHS_MAX};
use crate::policy_query::SentPath;

/// What stands before the number of a `{{!path}}` in its identifier. No other text of a query has
/// this character.
const IDENTIFIER_MARK: char = '\u{1}';

/// A query whose templates are taken out.
#[derive(Debug)]
pub(super) struct Template {
    /// The query: `$1` is the first value, and so on.
    pub(super) text: String,
    /// The `{{path}}`s.
    pub(super) values: Vec<SentPath>,
    /// The `{{!path}}`s.
    pub(super) identifiers: Vec<SentPath>,
}

impl Template {
    /// Reads the text of a policy's query.
    pub(super) fn read(query: &str) -> Result<Self, Refusal> {
        if query.len() > QUERY_BYTES_MAX {
            return Err(Refusal(format!("a query has at most {QUERY_BYTES_MAX} bytes")));
        }
        let template = Self { text: String::new(), values: Vec::new(), identifiers: Vec::new() };
        let mut scanner =
            Scanner { rest: query.chars(), last: ' ', after_text: false, ended: false, template };
        scanner.scan()?;
        Ok(scanner.template)
    }

    /// The place among the identifiers that such an identifier stands for.
    pub(super) fn identifier(name: &str) -> Option<usize> {
        name.strip_prefix(IDENTIFIER_MARK)?.parse().ok()
    }

    /// The place among the values that `$1` stands for.
    pub(super) fn value(placeholder: &str) -> Option<usize> {
        placeholder.strip_prefix('$')?.parse::<usize>().ok()?.checked_sub(1)
    }
}

struct Scanner<'a> {
    rest: Chars<'a>,
    /// The last character outside of quotes and comments.
    last: char,
    /// Whether nothing but space was met since a quoted text.
    after_text: bool,
    /// Whether the final `;` was met.
    ended: bool,
    template: Template,
}

impl Scanner<'_> {
    fn scan(&mut self) -> Result<(), Refusal> {
        loop {
            let rest = self.rest.as_str();
            if self.skip("--") {
                self.line_comment();
            } else if self.skip("/*") {
                self.block_comment()?;
            } else if rest.trim_start().is_empty() {
                return Ok(());
            } else if self.ended {
                return Err(Refusal::new("a query is one statement: nothing follows its `;`"));
            } else if self.skip("{{") {
                self.path()?;
            } else if let Some(next) = self.rest.next() {
                self.character(next)?;
            }
        }
    }

    fn character(&mut self, next: char) -> Result<(), Refusal> {
        match next {
            '\'' => self.text("'", true),
            '"' => self.quoted_identifier(),
            '$' => {
                let delimiter = self.dollar_quote()?;
                self.text(&delimiter, false)
            }
            ';' => {
                self.ended = true;
                Ok(())
            }
            '\n' | '\r' | '\t' => {
                self.space();
                Ok(())
            }
            next if next.is_control() || next == '\\' => {
                Err(Refusal(format!("`{}` is not served outside of quotes", next.escape_default())))
            }
            next => {
                self.template.text.push(next);
                self.last = next;
                self.after_text &= next == ' ';
                Ok(())
            }
        }
    }

    /// Goes past the text if it comes next.
    fn skip(&mut self, text: &str) -> bool {
        match self.rest.as_str().strip_prefix(text) {
            Some(rest) => {
                self.rest = rest.chars();
                true
            }
            None => false,
        }
    }

    fn space(&mut self) {
        self.template.text.push(' ');
        self.last = ' ';
    }

    fn line_comment(&mut self) {
        let rest = self.rest.as_str();
        self.rest = rest.split_once('\n').map_or("", |(_, rest)| rest).chars();
        self.space();
    }

    /// To the end of a comment; in PostgreSQL they nest.
    fn block_comment(&mut self) -> Result<(), Refusal> {
        let mut open = 1;
        while open > 0 {
            if self.skip("*/") {
                open -= 1;
            } else if self.skip("/*") {
                open += 1;
            } else if self.rest.next().is_none() {
                return Err(Refusal::new("a comment has no `*/`"));
            }
        }
        self.space();
        Ok(())
    }

    /// The rest of `{{path}}`.
    fn path(&mut self) -> Result<(), Refusal> {
        let unsound = || {
            let told = "a value of the request is written `{{path}}`; the steps of a path are \
                        separated by `.`, and none has braces";
            Refusal::new(told)
        };
        let (inner, rest) = self.rest.as_str().split_once("}}").ok_or_else(unsound)?;
        self.rest = rest.chars();
        let (is_identifier, path) = match inner.strip_prefix('!') {
            Some(path) => (true, path),
            None => (false, inner),
        };
        let path = SentPath::parse(path).ok_or_else(unsound)?;
        if self.template.values.len() + self.template.identifiers.len() >= QUERY_PATHS_MAX {
            let told = format!("a query names at most {QUERY_PATHS_MAX} values of the request");
            return Err(Refusal(told));
        }
        let text = if is_identifier {
            self.template.identifiers.push(path);
            format!(" \"{IDENTIFIER_MARK}{}\" ", self.template.identifiers.len() - 1)
        } else {
            self.template.values.push(path);
            format!(" ${} ", self.template.values.len())
        };
        self.template.text.push_str(&text);
        self.last = '"';
        self.after_text = false;
        Ok(())
    }

    /// The delimiter of a text whose `$` was read.
    fn dollar_quote(&mut self) -> Result<String, Refusal> {
        let tag = self.rest.as_str().split_once('$').map(|(tag, rest)| (tag.to_owned(), rest));
        let is_tag = |tag: &str| {
            !tag.starts_with(|c: char| c.is_ascii_digit())
                && tag.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        match tag {
            Some((tag, rest)) if is_tag(&tag) => {
                self.rest = rest.chars();
                Ok(format!("${tag}$"))
            }
            Some(_) | None => {
                let told = "`$` only begins a text in dollar quotes; a value of the request is \
                            written `{{path}}`";
                Err(Refusal::new(told))
            }
        }
    }

    /// A text, up to its delimiter; in single quotes a doubled one is one of the text.
    fn text(&mut self, delimiter: &str, doubled: bool) -> Result<(), Refusal> {
        if self.last.is_alphanumeric() || matches!(self.last, '_' | '&' | '$') {
            return Err(Refusal::new("texts with a prefix, such as E'…', are not served"));
        }
        if self.after_text {
            return Err(Refusal::new("two texts follow one another; join them with `||`"));
        }
        let content = self.quoted(delimiter, doubled)?;
        self.template.text.push('\'');
        self.template.text.push_str(&content.replace('\'', "''"));
        self.template.text.push('\'');
        self.last = '\'';
        self.after_text = true;
        Ok(())
    }

    fn quoted_identifier(&mut self) -> Result<(), Refusal> {
        if self.last.is_alphanumeric() || matches!(self.last, '_' | '&' | '$') {
            return Err(Refusal::new("identifiers with a prefix, such as U&\"…\", are not served"));
        }
        let content = self.quoted("\"", true)?;
        if content.is_empty() || content.contains(|c: char| c.is_control() || c == '"') {
            return Err(Refusal::new("not an identifier of a table, column or alias"));
        }
        self.template.text.push('"');
        self.template.text.push_str(&content);
        self.template.text.push('"');
        self.last = '"';
        self.after_text = false;
        Ok(())
    }

    fn quoted(&mut self, delimiter: &str, doubled: bool) -> Result<String, Refusal> {
        let mut content = String::new();
        loop {
            if self.skip(delimiter) {
                if !(doubled && self.skip(delimiter)) {
                    break;
                }
                content.push_str(delimiter);
            } else {
                let unclosed = || Refusal(format!("a `{delimiter}` is not closed"));
                content.push(self.rest.next().ok_or_else(unclosed)?);
            }
        }
        if content.contains("{{") {
            let told = "`{{path}}` in quotes would be text: a value of the request stands outside \
                        of quotes; join texts with `||`";
            return Err(Refusal::new(told));
        }
        if content.contains('\0') {
            return Err(Refusal::new("a text has no NUL"));
        }
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_taken_out_and_quotes_are_made_alike() {
        for (query, text, values, identifiers) in [
            ("select {{a.b/c}}::text", "select  $1 ::text", "a.b/c", ""),
            ("{{a}}{{b}} from {{!c.d}};", " $1  $2  from  \"\u{1}0\" ", "a b", "c.d"),
            ("select 'it''s' ; ", "select 'it''s' ", "", ""),
            ("select 'a\\' -- {{x}} '", "select 'a\\'  ", "", ""),
            ("select /* {{x}} /* ' */ */ 1", "select   1", "", ""),
            ("select $${\"a\":1}$$", "select '{\"a\":1}'", "", ""),
            ("select $a$it's $$ $b$ \\$a$||{{x}}", "select 'it''s $$ $b$ \\'|| $1 ", "x", ""),
            ("select \"patient\".id", "select \"patient\".id", "", ""),
            ("select '--', '/*', '$$', ';'", "select '--', '/*', '$$', ';'", "", ""),
            ("select 1;-- end", "select 1 ", "", ""),
        ] {
            let read = Template::read(query).unwrap();
            let joined = |paths: &[SentPath]| {
                paths.iter().map(SentPath::to_string).collect::<Vec<_>>().join(" ")
            };
            assert_eq!(read.text, text, "{query}");
            assert_eq!(
                (joined(&read.values), joined(&read.identifiers)),
                (values.into(), identifiers.into())
            );
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for query in [
            "select '{{a}}'",
            "select $${{a}}$$",
            "select \"{{a}}\"",
            "select {{a}",
            "select {{}}",
            "select {{a..b}}",
            "select {{a{b}}",
            "select {{a{{b}}}}",
            "select E'\\''",
            "select U&'x'",
            "select U&\"x\"",
            "select x'1F'",
            "select 'a' 'b'",
            "select 'a' -- and\n 'b'",
            "select 'a' /* and */ $$b$$",
            "select $1",
            "select $1$a$1$",
            "select 'a",
            "select $a$ x $b$",
            "select \"a",
            "select \"a\"\"b\"",
            "select \"\u{1}0\"",
            "select \u{1}0",
            "select '\0'",
            "select /* /* */ 1",
            "select true; select true",
            "select true;;",
            "select \\",
        ] {
            assert!(Template::read(query).is_err(), "{query}");
        }
        let long = format!("select '{}'", "x".repeat(QUERY_BYTES_MAX));
        assert!(Template::read(&long).is_err());
        let many = "{{a}}".repeat(QUERY_PATHS_MAX);
        assert!(Template::read(&many).is_ok());
        assert!(Template::read(&format!("{many}{{{{!b}}}}")).is_err());
    }
}
