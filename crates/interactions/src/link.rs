//! The links of a page: to itself, and to the next one.

use crate::{Failure, ServerKey, failure::bad_cursor};

/// The URL of a page and what its cursors are bound to.
pub(crate) struct PageUrl<'a> {
    /// The URL without its query.
    pub(crate) url: String,
    /// The parameters that apply.
    pub(crate) applied: &'a [(String, String)],
    /// Who asks.
    pub(crate) caller: &'a str,
}

impl PageUrl<'_> {
    /// The store's cursor of the one that was sent.
    pub(crate) fn open(&self, key: &ServerKey, sent: &str) -> Result<String, Failure> {
        let opened = key.open(&self.binding(), sent);
        opened.ok_or_else(|| Failure::BadRequest(bad_cursor()))
    }

    /// The links of this page, and of the one that begins at the store's cursor.
    pub(crate) fn links(
        &self,
        key: &ServerKey,
        next: Option<&str>,
    ) -> Result<Vec<(&'static str, String)>, Failure> {
        let mut links = vec![("self", self.with_query(&encoded(self.applied.iter())))];
        if let Some(next) = next {
            let mut query = encoded(self.without_cursor());
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str("_cursor=");
            let sealed = key.seal(&self.binding(), next);
            let unsealed = || Failure::Unavailable("a cursor could not be sealed".to_owned());
            query.push_str(&sealed.ok_or_else(unsealed)?);
            links.push(("next", self.with_query(&query)));
        }
        Ok(links)
    }

    fn without_cursor(&self) -> impl Iterator<Item = &(String, String)> {
        self.applied.iter().filter(|(name, _)| name != "_cursor")
    }

    /// Pages may be of different sizes and forms; what is searched, in which order and by whom may
    /// not differ.
    fn binding(&self) -> String {
        let same = |(name, _): &&(String, String)| {
            !matches!(name.as_str(), "_count" | "_format" | "_pretty" | "_total")
        };
        format!("{}\0{}?{}", self.caller, self.url, encoded(self.without_cursor().filter(same)))
    }

    fn with_query(&self, query: &str) -> String {
        if query.is_empty() { self.url.clone() } else { format!("{}?{query}", self.url) }
    }
}

fn encoded<'p>(parameters: impl Iterator<Item = &'p (String, String)>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        query.append_pair(name, value);
    }
    query.finish()
}
