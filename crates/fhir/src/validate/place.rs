//! Where in a resource an issue is.

use std::fmt;

/// A place in a resource. It points to its parent, so that text is made for issues alone.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// The resource itself, by its type.
    Resource(&'a str),
    /// An element, by its name in FHIRPath: `value` for `valueQuantity`.
    Element(&'a Place<'a>, &'a str),
    /// One of an element's values.
    Item(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(name) => f.write_str(name),
            Self::Element(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, at) => write!(f, "{parent}[{at}]"),
        }
    }
}
