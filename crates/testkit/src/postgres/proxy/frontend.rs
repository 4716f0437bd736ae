//! Which of a client's messages have the server commit.

use std::collections::HashMap;

/// What a connection's statements and portals stand for. Names are those of the protocol.
#[derive(Default)]
pub(super) struct Frontend {
    statements: HashMap<Vec<u8>, bool>,
    portals: HashMap<Vec<u8>, bool>,
}

impl Frontend {
    /// Whether this message, after those before it, is a commit: its letter and its body.
    pub(super) fn commits(&mut self, kind: u8, body: &[u8]) -> bool {
        match kind {
            // Query
            b'Q' => return is_commit(text(body).0),
            // Execute
            b'E' => return self.portals.get(text(body).0) == Some(&true),
            // Parse
            b'P' => {
                let (name, rest) = text(body);
                self.statements.insert(name.to_vec(), is_commit(text(rest).0));
            }
            // Bind
            b'B' => {
                let (portal, rest) = text(body);
                let commits = self.statements.get(text(rest).0).copied();
                self.portals.insert(portal.to_vec(), commits.unwrap_or_default());
            }
            // Close
            b'C' => match body.split_first() {
                Some((b'S', name)) => drop(self.statements.remove(text(name).0)),
                Some((b'P', name)) => drop(self.portals.remove(text(name).0)),
                Some(_) | None => {}
            },
            _ => {}
        }
        false
    }
}

/// A text that ends with a zero, and what follows it.
fn text(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (text, rest) = bytes.split_at_checked(end).unwrap_or_default();
    (text, rest.split_first().map_or(&[], |(_, rest)| rest))
}

/// Whether the last statement commits.
fn is_commit(sql: &[u8]) -> bool {
    let sql = String::from_utf8_lossy(sql).to_ascii_uppercase();
    let statement = sql.trim_end_matches([';', ' ', '\t', '\r', '\n']);
    let last = statement.rsplit(';').next().unwrap_or_default();
    let words: Vec<&str> = last.split_whitespace().collect();
    match words.as_slice() {
        ["COMMIT" | "END", rest @ ..] => {
            rest.iter().all(|word| matches!(*word, "WORK" | "TRANSACTION" | "AND" | "NO" | "CHAIN"))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_known_by_its_words() {
        let commits = [
            "COMMIT",
            "commit;",
            " Commit ; \n",
            "END",
            "COMMIT AND NO CHAIN",
            "INSERT INTO t VALUES (1); COMMIT",
        ];
        let others = [
            "",
            ";",
            "COMMITTED",
            "COMMIT PREPARED 'a'",
            "SELECT 'COMMIT'",
            "SELECT '; COMMIT'",
            "ROLLBACK",
            "COMMIT; SELECT 1",
        ];
        for (texts, expected) in [(&commits[..], true), (&others, false)] {
            for text in texts {
                assert_eq!(is_commit(text.as_bytes()), expected, "{text}");
            }
        }
    }

    #[test]
    fn a_prepared_commit_is_known_by_the_name_of_its_statement() {
        let mut frontend = Frontend::default();
        let mut check = |kind: u8, body: &[u8], expected: bool| {
            assert_eq!(frontend.commits(kind, body), expected, "{} {body:?}", char::from(kind));
        };
        check(b'P', b"s1\0COMMIT\0\0\0", false);
        check(b'P', b"s2\0SELECT 1\0\0\0", false);
        check(b'S', b"", false);
        for (bind, expected) in [(&b"\0s2\0"[..], false), (b"\0s1\0", true)] {
            check(b'B', bind, false);
            check(b'E', b"\0\0\0\0\0", expected);
        }
        check(b'B', b"p\0s1\0", false);
        check(b'E', b"p\0\0\0\0\0", true);
        check(b'C', b"Pp\0", false);
        check(b'E', b"p\0\0\0\0\0", false);
        check(b'C', b"Ss1\0", false);
        check(b'B', b"\0s1\0", false);
        check(b'E', b"\0\0\0\0\0", false);
        check(b'Q', b"COMMIT\0", true);
    }
}
