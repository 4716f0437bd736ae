//! What a rule asks of one place of a request, whatever language it is written in.

use crate::element_path::ElementPath;

/// What a rule asks of one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    /// The way from the document to the place.
    pub(crate) steps: Vec<String>,
    /// What is asked there.
    pub(crate) ask: Ask,
    /// Where in the policy.
    pub(crate) at: ElementPath,
    /// Whether it stands under a negation.
    pub(crate) is_negated: bool,
}

/// What is asked of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// It is this text, or one of several of which this is one.
    Text(String),
    /// It is a number or a boolean.
    Scalar,
    /// It is a map.
    Map,
    /// It is a list.
    List,
    /// An expression is found in it.
    Expression(String),
    /// It is not there.
    Absent,
    /// Something else.
    Other,
}

/// Where a part of a rule stands, in the document and in the policy.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    steps: Vec<String>,
    pub(crate) at: ElementPath,
    is_negated: bool,
}

impl Place {
    /// The document as a whole, of which the rule at `at` asks.
    pub(crate) fn document(at: ElementPath) -> Self {
        Self { steps: Vec::new(), at, is_negated: false }
    }

    /// The same place of the document, from another of the policy.
    pub(crate) fn at(&self, at: ElementPath) -> Self {
        Self { steps: self.steps.clone(), at, is_negated: self.is_negated }
    }

    /// One step further.
    pub(crate) fn step(&self, step: &str, at: ElementPath) -> Self {
        let mut place = self.at(at);
        place.steps.push(step.to_owned());
        place
    }

    /// The same under a negation.
    pub(crate) fn negated(self) -> Self {
        Self { is_negated: true, ..self }
    }

    /// That this is asked there.
    pub(crate) fn asked(self, ask: Ask) -> Fact {
        let Self { steps, at, is_negated } = self;
        Fact { steps, ask, at, is_negated }
    }
}

impl Fact {
    /// The steps, to be compared.
    pub(crate) fn place(&self) -> Vec<&str> {
        self.steps.iter().map(String::as_str).collect()
    }
}
