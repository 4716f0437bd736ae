//! What went wrong, as a client is told: the issues of an OperationOutcome
//! (<https://hl7.org/fhir/R4/operationoutcome.html>).

use serde_json::{Map, Value, json};

/// How bad an issue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing was done, and trying again as it is cannot help.
    Fatal,
    /// The request was not carried out.
    Error,
    /// It was carried out, with a doubt.
    Warning,
    /// It was carried out; something is worth knowing.
    Information,
}

impl Severity {
    /// The code of `http://hl7.org/fhir/issue-severity`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Fatal => "fatal",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Information => "information",
        }
    }
}

/// One thing a client is told: what is wrong, where, and how to mend it.
///
/// The text goes to clients: no internal detail, no secret, no other resource's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// How bad it is.
    pub severity: Severity,
    /// A code of `http://hl7.org/fhir/issue-type`: `invalid`, `structure`, `required`, `value`,
    /// `not-supported`, `not-found`, `conflict` …
    pub code: &'static str,
    /// What is wrong and how to mend it: lower case, no full stop, input in backticks.
    pub diagnostics: String,
    /// The element, as a FHIRPath: `Patient.name[0].given`.
    pub expression: Option<String>,
}

impl Issue {
    /// An error of that type of issue.
    pub fn error(code: &'static str, diagnostics: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, diagnostics: diagnostics.into(), expression: None }
    }

    /// A warning of that type of issue.
    pub fn warning(code: &'static str, diagnostics: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, diagnostics) }
    }

    /// The same issue, at that element.
    #[must_use]
    pub fn at(mut self, expression: impl Into<String>) -> Self {
        self.expression = Some(expression.into());
        self
    }

    /// The issue as an element of `OperationOutcome.issue`, and of our `warnings`.
    pub fn to_json(&self) -> Value {
        let mut issue = Map::new();
        issue.insert("severity".into(), self.severity.code().into());
        issue.insert("code".into(), self.code.into());
        issue.insert("diagnostics".into(), self.diagnostics.as_str().into());
        if let Some(expression) = &self.expression {
            issue.insert("expression".into(), json!([expression]));
        }
        Value::Object(issue)
    }
}

/// An OperationOutcome of these issues.
pub fn operation_outcome(issues: &[Issue]) -> Value {
    let issues: Vec<Value> = issues.iter().map(Issue::to_json).collect();
    json!({"resourceType": "OperationOutcome", "issue": issues})
}
