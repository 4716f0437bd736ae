//! The headers of tokens that were accepted lately, by their exact text: those of one key share it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits;
use crate::unverified::Header;

/// Headers that need not be read again. What a header says follows from its text alone, so that
/// none of them is ever out of date.
#[derive(Default)]
pub(crate) struct Headers {
    // Few, of different lengths as a rule: faster looked through than hashed. The oldest is first.
    known: Mutex<VecDeque<(Box<str>, Arc<Header>)>>,
}

impl Headers {
    /// The header that was read of this base64url text.
    pub(crate) fn find(&self, text: &str) -> Option<Arc<Header>> {
        let known = self.known();
        let mut found = known.iter().filter(|(known, _)| **known == *text);
        found.next().map(|(_, header)| Arc::clone(header))
    }

    /// Keeps the header of a token that was accepted, in the place of the oldest if need be. Nobody
    /// without a key can have one kept.
    pub(crate) fn keep(&self, text: &str, header: &Arc<Header>) {
        if text.len() > limits::HEADER_BYTES_REMEMBERED_MAX {
            return;
        }
        let mut known = self.known();
        if known.iter().any(|(known, _)| **known == *text) {
            return;
        }
        if known.len() >= limits::HEADERS_REMEMBERED_MAX {
            known.pop_front();
        }
        known.push_back((text.into(), Arc::clone(header)));
    }

    fn known(&self) -> MutexGuard<'_, VecDeque<(Box<str>, Arc<Header>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Algorithm;

    fn header(key_id: &str) -> Arc<Header> {
        let algorithm = Algorithm::Es256;
        Arc::new(Header { algorithm, key_id: Some(key_id.to_owned()), typ: None })
    }

    #[test]
    fn a_header_is_known_by_its_exact_text_alone() {
        let headers = Headers::default();
        headers.keep("text", &header("a"));
        let found = headers.find("text").unwrap();
        assert_eq!(found.key_id.as_deref(), Some("a"));
        for other in ["", "tex", "texts", "Text", "texu"] {
            assert!(headers.find(other).is_none(), "{other}");
        }
    }

    #[test]
    fn few_headers_are_kept_and_the_oldest_goes_first() {
        let headers = Headers::default();
        for n in 0..=limits::HEADERS_REMEMBERED_MAX {
            headers.keep(&n.to_string(), &header("a"));
            headers.keep(&n.to_string(), &header("a"));
        }
        assert_eq!(headers.known().len(), limits::HEADERS_REMEMBERED_MAX);
        assert!(headers.find("0").is_none());
        assert!(headers.find("1").is_some());
    }

    #[test]
    fn a_long_header_is_not_kept() {
        let headers = Headers::default();
        let fits = "a".repeat(limits::HEADER_BYTES_REMEMBERED_MAX);
        let long = format!("{fits}a");
        headers.keep(&fits, &header("a"));
        headers.keep(&long, &header("a"));
        assert!(headers.find(&fits).is_some());
        assert!(headers.find(&long).is_none());
    }
}
