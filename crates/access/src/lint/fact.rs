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

impl Fact {
    /// The steps, to be compared.
    pub(crate) fn place(&self) -> Vec<&str> {
        self.steps.iter().map(String::as_str).collect()
    }
}
