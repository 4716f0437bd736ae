//! The engine `json-schema`: a rule is a draft-07 JSON Schema that the request document satisfies.

mod absence;
mod checked;
mod doubts;
mod facts;
mod keys;
mod keywords;
mod reference_cost;
mod requiring;
mod schema;
mod sent_value;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use firewarden_fhir::{Issue, ResourceType};
use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::{Value, json};

use self::absence::Dependence;
use self::sent_value::SentValue;
use crate::Verdict;
use crate::document::{Keys, RequestDocument};
use crate::element_path::ElementPath;
use crate::engine::required::Required;
use crate::engine::trace::{absent, shortened};
use crate::limits::PATTERN_SIZE_BYTES_MAX;
use crate::lint::{Fact, Findings};

/// A compiled json-schema rule.
#[derive(Debug)]
pub(crate) struct JsonSchema {
    schema: Value,
    validator: Validator,
    /// The values of the document that the rule compares with, by their number in the schema.
    sent_values: Vec<SentValue>,
    /// How it depends on each of these comparisons.
    dependences: Vec<Dependence>,
    names: BTreeSet<ResourceType>,
    keys: Keys,
}

impl JsonSchema {
    /// Compiles a schema, or says what is wrong.
    pub(crate) fn compile(schema: &Value, at: &ElementPath) -> Result<Self, Vec<Issue>> {
        let checked = checked::check(schema, at)?;
        let built = catch_unwind(AssertUnwindSafe(|| build(&checked.schema)));
        let validator = match built {
            Ok(Ok(validator)) => validator,
            Ok(Err(error)) => return Err(vec![not_a_schema(&error, at)]),
            Err(_) => {
                return Err(vec![
                    Issue::error("invalid", "not a schema that can be compiled").at(at.clone()),
                ]);
            }
        };
        let names = requiring::equalities(&checked.schema).names();
        let keys = keys::keys(&checked.schema, &checked.sent_values);
        let dependences = absence::dependences(&checked.schema, checked.sent_values.len());
        let (schema, sent_values) = (checked.schema, checked.sent_values);
        Ok(Self { schema, validator, sent_values, dependences, names, keys })
    }

    /// Tells the doubts about it.
    pub(crate) fn doubts(&self, at: &ElementPath, findings: &mut Findings) {
        doubts::doubts(&self.schema, &self.sent_values, at, findings);
    }

    /// What it asks of the places of a request.
    pub(crate) fn facts(&self, at: &ElementPath) -> Vec<Fact> {
        facts::facts(&self.schema, at)
    }

    /// Whether the rule cannot hold but for requests on a type that it names.
    pub(crate) fn names(&self, of: ResourceType) -> bool {
        self.names.contains(&of)
    }

    /// What it requires of a request.
    pub(crate) fn required(&self) -> Required {
        requiring::equalities(&self.schema).required
    }

    /// The keys of the document that the rule looks at.
    pub(crate) fn keys(&self) -> Keys {
        self.keys
    }

    /// What the rule says of the document.
    pub(crate) fn verdict(&self, document: &RequestDocument) -> Verdict {
        let document = document.non_empty();
        self.evaluate(document, |validator| validator.is_valid(document))
            .map_or(Verdict::Failed, Verdict::of)
    }

    /// What the rule says, and why: the first place that fails.
    pub(crate) fn explain(&self, document: &RequestDocument) -> (Verdict, Option<Value>) {
        let verdict = self.verdict(document);
        let document = document.non_empty();
        let mut failing = None;
        self.evaluate(document, |validator| match validator.validate(document) {
            Ok(()) => true,
            Err(error) => {
                failing = Some(self.describe(&error, document));
                false
            }
        });
        (verdict, failing)
    }

    /// Whether it holds; `None` when that cannot be said. A rule that holds only because of how a
    /// comparison with an absent value is taken does not hold.
    fn evaluate(
        &self,
        document: &Value,
        mut holds: impl FnMut(&Validator) -> bool,
    ) -> Option<bool> {
        let values = self.sent_values.iter().map(|value| value.of(document).cloned());
        let ways = absence::least_favourable(&values.collect::<Vec<_>>(), &self.dependences)?;
        let evaluation = AssertUnwindSafe(|| {
            ways.into_iter().all(|laid| sent_value::with(laid, || holds(&self.validator)))
        });
        catch_unwind(evaluation).ok()
    }

    fn describe(&self, error: &ValidationError<'_>, document: &Value) -> Value {
        let sent = |index: &Value| {
            let index = usize::try_from(index.as_u64()?).ok()?;
            self.sent_values.get(index)
        };
        let asked = self.schema.pointer(error.schema_path().as_str());
        let (keyword, expected) = match asked.and_then(sent) {
            Some(value) if error.kind().keyword() == sent_value::KEYWORD => {
                ("const", value.of(document).cloned().unwrap_or_else(absent))
            }
            Some(_) | None => (error.kind().keyword(), asked.cloned().unwrap_or_default()),
        };
        json!({
            "path": error.instance_path().as_str(),
            "keyword": keyword,
            "expected": shortened(&expected),
            "but": shortened(error.instance()),
        })
    }
}

fn build(schema: &Value) -> Result<Validator, ValidationError<'static>> {
    jsonschema::options()
        .with_draft(Draft::Draft7)
        .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_SIZE_BYTES_MAX))
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .with_keyword(sent_value::KEYWORD, sent_value::keyword)
        .build(schema)
}

fn not_a_schema(error: &ValidationError<'_>, at: &ElementPath) -> Issue {
    let steps = error.instance_path().as_str().split('/').skip(1);
    let at = steps.fold(at.clone(), |at, step| match step.parse() {
        Ok(index) => at.item(index),
        Err(_) => at.member(&step.replace("~1", "/").replace("~0", "~")),
    });
    let told = if matches!(error.kind(), ValidationErrorKind::Format { format } if format == "regex")
    {
        "not a regular expression that is matched in linear time: look-around and back-references \
         are not among them"
            .to_owned()
    } else {
        format!("not valid in a draft-07 schema: {error}")
    };
    Issue::error("invalid", told).at(at)
}

#[cfg(test)]
mod tests;
