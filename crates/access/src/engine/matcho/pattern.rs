//! A compiled matcho pattern.

use serde_json::Value;

use super::expression::Expression;
use super::sent_path::SentPath;

/// What is asked of one value of the document. `null` and an absent value are the same.
#[derive(Debug)]
pub(super) enum Pattern {
    /// `null` and `nil?`: there is none.
    Absent,
    /// `present?`: there is one.
    Present,
    /// `not-blank?`: a text that is more than white space.
    NotBlank,
    /// A text, a number or a boolean that it equals.
    Literal(Value),
    /// `#…`: a text in which the expression is found.
    Expression(Expression),
    /// `.path`: the same as another value of the document.
    Sent(SentPath),
    /// A list that begins with items like these.
    Items(Vec<Self>),
    /// A map with such members, and any others.
    Members(Vec<(String, Self)>),
    /// Several special keys, or some beside members: all of them.
    All(Vec<Self>),
    /// `$enum`: one of these.
    Enum(Vec<Value>),
    /// `$one-of` with patterns.
    OneOf(Vec<Self>),
    /// `$one-of` with a `.path`: one of the items there.
    OneOfSent(SentPath),
    /// `$not`.
    Not(Box<Self>),
    /// `$contains`: a list with such an item.
    Contains(Box<Self>),
    /// `$every`: a list of such items alone.
    Every(Box<Self>),
    /// `$present-all`: a list in which there is an item for each.
    PresentAll(Vec<Self>),
    /// `$length`: a list of so many items.
    Length(usize),
    /// `$reference`: a reference, looked at as `{resourceType, id}`.
    Reference(Box<Self>),
}

impl Pattern {
    /// Whether it asks no more than whether there is a value.
    pub(super) fn asks_for_presence(&self) -> bool {
        match self {
            Self::Absent | Self::Present | Self::NotBlank => true,
            Self::All(inner) | Self::OneOf(inner) => inner.iter().all(Self::asks_for_presence),
            Self::Literal(_)
            | Self::Expression(_)
            | Self::Sent(_)
            | Self::Items(_)
            | Self::Members(_)
            | Self::Enum(_)
            | Self::OneOfSent(_)
            | Self::Not(_)
            | Self::Contains(_)
            | Self::Every(_)
            | Self::PresentAll(_)
            | Self::Length(_)
            | Self::Reference(_) => false,
        }
    }
}
