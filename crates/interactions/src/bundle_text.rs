//! Bundles written as text around resources that are already text: nothing is parsed again.

use std::fmt::Write;

/// A Bundle that is being written.
pub(crate) struct BundleText {
    text: String,
    entries: usize,
}

impl BundleText {
    /// Begins a Bundle of that type. `size` is about how many bytes it will have.
    pub(crate) fn new(bundle_type: &str, total: Option<u64>, size: usize) -> Self {
        let mut text = String::with_capacity(size + 512);
        text.push_str(r#"{"resourceType":"Bundle","type":""#);
        text.push_str(bundle_type);
        text.push('"');
        if let Some(total) = total {
            let _ = write!(text, r#","total":{total}"#);
        }
        Self { text, entries: 0 }
    }

    /// Adds the links, each a relation and a URL.
    pub(crate) fn links(&mut self, links: &[(&str, String)]) {
        self.text.push_str(r#","link":["#);
        for (index, (relation, url)) in links.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let url = quoted(url);
            let _ = write!(self.text, r#"{comma}{{"relation":"{relation}","url":{url}}}"#);
        }
        self.text.push(']');
    }

    /// Adds an entry: its URL, its resource, and its further members, which begin with a comma.
    pub(crate) fn entry(&mut self, full_url: Option<&str>, resource: Option<&str>, more: &str) {
        self.text.push_str(if self.entries == 0 { r#","entry":[{"# } else { ",{" });
        self.entries += 1;
        let mut members = String::new();
        if let Some(full_url) = full_url {
            let _ = write!(members, r#","fullUrl":{}"#, quoted(full_url));
        }
        if let Some(resource) = resource {
            members.push_str(r#","resource":"#);
            members.push_str(resource);
        }
        members.push_str(more);
        self.text.push_str(members.strip_prefix(',').unwrap_or(&members));
        self.text.push('}');
    }

    /// The Bundle.
    pub(crate) fn finish(mut self) -> String {
        self.text.push_str(if self.entries == 0 { "}" } else { "]}" });
        self.text
    }
}

/// The text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
