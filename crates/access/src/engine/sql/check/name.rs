//! Names in a query: folded as PostgreSQL folds them.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use super::super::Refusal;

/// The name that an identifier means: in lower case unless it is quoted.
pub(super) fn folded(ident: &Ident) -> String {
    let Ident { value, quote_style, span: _ } = ident;
    if quote_style.is_some() { value.clone() } else { value.to_ascii_lowercase() }
}

/// The name of a table or function: one identifier, since a query has no schemas.
pub(super) fn single(name: &ObjectName) -> Result<String, Refusal> {
    let ObjectName(parts) = name;
    match parts.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Ok(folded(ident)),
        _ => Err(Refusal(format!("`{name}` is not served: names have no schema"))),
    }
}
