//! The query of an `sql` policy after its check: what a store renders in its own database's SQL.
//!
//! It has a node for each thing that a query may say and none for anything else, and every value
//! in it has a type that is known before it runs, so that no database converts one silently.

mod binding;
mod expression;
mod sent_path;

use firewarden_fhir::ResourceType;

use crate::document;

pub use binding::{Bindings, Unbound};
pub(crate) use binding::{Reading, Wanted, is_number};
pub use expression::{
    Cast, Column, Comparison, Expression, Function, Literal, Operator, ValueType,
};
pub use sent_path::SentPath;

/// A checked query. Only the check of a policy's text makes one.
#[derive(Debug, PartialEq)]
pub struct PolicyQuery {
    // INVARIANT: made by `engine::sql::check` alone; every source and parameter that an expression
    // names by its number is there.
    pub(crate) select: Select,
    pub(crate) column_type: Option<ValueType>,
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) tables: Vec<SentPath>,
}

/// One SELECT.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// What it returns of each row, or of all rows where it counts them.
    pub columns: Vec<Expression>,
    /// What it reads, each joined to those before it.
    pub sources: Vec<Source>,
    /// Which rows it keeps.
    pub filter: Option<Expression>,
    /// How many rows it returns at most.
    pub limit: Option<u32>,
    /// Whether its columns count the rows: it returns one row then.
    pub counts: bool,
}

/// Something that rows are read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Its number, by which columns name it: no other source of the query has it.
    pub number: usize,
    /// What it is.
    pub rows: Rows,
    /// How it is joined to the sources before it; the first is joined to nothing.
    pub join: Join,
}

/// Where the rows of a source come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Rows {
    /// The current resources of a type.
    Table(Table),
    /// `jsonb_array_elements`: the items of a JSON array; of NULL none; of anything else an error.
    Elements(Expression),
}

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// That of the type.
    Of(ResourceType),
    /// That of the type at this place of [`Bindings::tables`].
    Sent(usize),
}

/// How a source is joined.
#[derive(Clone, Debug, PartialEq)]
pub enum Join {
    /// With every row.
    Cross,
    /// Where it holds.
    Inner(Expression),
    /// Where it holds, and with NULLs where it holds for no row.
    Left(Expression),
}

impl PolicyQuery {
    /// What it selects.
    pub fn select(&self) -> &Select {
        &self.select
    }

    /// The type of its column; `None` where it is always NULL. Of several columns, of the first.
    pub fn column_type(&self) -> Option<ValueType> {
        self.column_type
    }

    /// The values of a request document that the query is run with.
    pub(crate) fn bindings(&self, document: &serde_json::Value) -> Result<Bindings, Unbound> {
        binding::bind(&self.wanted, &self.tables, document)
    }

    /// Every place of the request document that it looks at.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &SentPath> {
        self.wanted.iter().map(|wanted| &wanted.path).chain(&self.tables)
    }
}

/// The type whose table has that name: any of FHIR's, in lower case. Our own types have none, and
/// neither has the record of who did what.
pub(crate) fn table(name: &str) -> Option<ResourceType> {
    tables().find(|of| name.bytes().eq(of.name().bytes().map(|b| b.to_ascii_lowercase())))
}

/// Every type that has a table.
pub fn tables() -> impl Iterator<Item = ResourceType> {
    ResourceType::all().filter(|of| !of.is_own() && of.name() != "AuditEvent")
}

/// Shapes a stored resource of FHIR's types as a request document shows an incoming one: a
/// reference carries the type and id of what it points at, and what was sent there is dropped.
pub fn derive_references(resource: &mut serde_json::Value, base_url: &str) {
    document::of_fhir_resource(resource, base_url);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stored_reference_is_shown_by_what_it_points_at() {
        let mut resource = json!({
            "resourceType": "Observation",
            "subject": {"reference": "Patient/1", "id": "2", "resourceType": "Group"},
            "performer": [{"reference": "https://fw/fhir/Practitioner/3"}],
        });
        derive_references(&mut resource, "https://fw/fhir");
        assert_eq!(resource.pointer("/subject/id"), Some(&json!("1")));
        assert_eq!(resource.pointer("/subject/resourceType"), Some(&json!("Patient")));
        assert_eq!(resource.pointer("/performer/0/id"), Some(&json!("3")));
    }

    #[test]
    fn types_of_our_own_and_the_record_have_no_table() {
        assert_eq!(table("patient").map(ResourceType::name), Some("Patient"));
        for name in ["Patient", "user", "client", "accesspolicy", "auditevent", "nothing", ""] {
            assert_eq!(table(name), None, "{name}");
        }
    }
}
