//! Checks of single attributes. An attribute that is not asked for is kept as it is.

use firewarden_fhir::Issue;
use serde_json::{Map, Value};

use crate::element_path::ElementPath;
use crate::own_reference;

/// The content of one resource, and what is found about it.
pub(super) struct Shape<'a> {
    of: &'static str,
    content: &'a Map<String, Value>,
    issues: Vec<Issue>,
}

impl<'a> Shape<'a> {
    pub(super) fn of(of: &'static str, content: &'a Map<String, Value>) -> Self {
        Self { of, content, issues: Vec::new() }
    }

    pub(super) fn issues(self) -> Vec<Issue> {
        self.issues
    }

    pub(super) fn at(&self, name: &str) -> ElementPath {
        ElementPath::of(self.of).member(name)
    }

    pub(super) fn refuse(&mut self, code: &'static str, told: String, at: ElementPath) {
        self.issues.push(Issue::error(code, told).at(at));
    }

    pub(super) fn doubt(&mut self, told: String, at: ElementPath) {
        self.issues.push(Issue::warning("business-rule", told).at(at));
    }

    pub(super) fn required(&mut self, name: &str) {
        if !self.content.contains_key(name) {
            let told = format!("a {} needs `{name}`", self.of);
            self.refuse("required", told, self.at(name));
        }
    }

    pub(super) fn text(&mut self, name: &str) -> Option<&'a str> {
        let value = self.content.get(name)?;
        let text = value.as_str().filter(|text| !text.is_empty());
        if text.is_none() {
            self.refuse("value", format!("`{name}` is a text that is not empty"), self.at(name));
        }
        text
    }

    pub(super) fn boolean(&mut self, name: &str) -> Option<bool> {
        let value = self.content.get(name)?;
        if !value.is_boolean() {
            self.refuse("value", format!("`{name}` is `true` or `false`"), self.at(name));
        }
        value.as_bool()
    }

    pub(super) fn object(&mut self, name: &str) -> Option<&'a Map<String, Value>> {
        let value = self.content.get(name)?;
        if !value.is_object() {
            self.refuse("structure", format!("`{name}` is an object"), self.at(name));
        }
        value.as_object()
    }

    pub(super) fn list(&mut self, name: &str) -> &'a [Value] {
        let Some(value) = self.content.get(name) else { return &[] };
        if !value.is_array() {
            self.refuse("structure", format!("`{name}` is a list"), self.at(name));
        }
        value.as_array().map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn texts(&mut self, name: &str) -> Vec<(usize, &'a str)> {
        let mut texts = Vec::new();
        for (index, item) in self.list(name).iter().enumerate() {
            match item.as_str().filter(|text| !text.is_empty()) {
                Some(text) => texts.push((index, text)),
                None => {
                    let told = format!("`{name}` is a list of texts that are not empty");
                    self.refuse("value", told, self.at(name).item(index));
                }
            }
        }
        texts
    }

    pub(super) fn reference(&mut self, name: &str, to: &str) {
        let Some(value) = self.content.get(name) else { return };
        if own_reference::read(value).is_none_or(|(of, _)| of != to) {
            let told = format!(
                "`{name}` is `{{reference: \"{to}/x\"}}` or `{{resourceType: {to}, id: x}}`; where \
                 both are given they agree"
            );
            self.refuse("value", told, self.at(name));
        }
    }
}
