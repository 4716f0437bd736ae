//! What the rules of policies reach in PostgreSQL: a view of current resources, and the functions
//! that shape them as policies see them. Installed when the database is opened.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use firewarden_access::policy_query::tables;
use firewarden_fhir::ResourceType;

use crate::engine::dictionary::Dictionary;

/// The schema that has the tables. Every name is written with its schema: the sessions of policies
/// search no other.
pub(super) const SCHEMA: &str = "public";
/// The view of current resources of the types that have a table.
pub(super) const VIEW: &str = "permitted_resource";
/// The role that sessions of policies take on where it is there and they may.
pub(super) const ROLE: &str = "firewarden_policies";

/// References, shaped: see `firewarden_access::policy_query::derive_references`, which this is in
/// another language; tests hold them to each other. A `place` is what stands there: an `element`, a
/// `resource`, a `holder` of resources, or one or several of these.
const FUNCTIONS: &str = include_str!("permitted.sql");

/// The statements that install the view and the functions, for the role that owns the tables. They
/// change nothing where they are there already, as after every start but the first.
pub(crate) fn installation(dictionary: &Dictionary) -> String {
    let codes: Vec<String> = tables().map(|of| dictionary.resource_type(of).to_string()).collect();
    let types: Vec<&str> = ResourceType::all().map(|of| of.name()).collect();
    let definitions = FUNCTIONS
        .replace("{schema}", SCHEMA)
        .replace("{view}", VIEW)
        .replace("{codes}", &codes.join(", "))
        .replace("{types}", &types.join(","));
    let mark = mark(&definitions);
    format!(
        "DO $install$ BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended('{SCHEMA}.{VIEW}', 0));
        IF obj_description(to_regclass('{SCHEMA}.{VIEW}'), 'pg_class') IS DISTINCT FROM '{mark}' THEN
        {definitions}
        COMMENT ON VIEW {SCHEMA}.{VIEW} IS '{mark}';
        END IF;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{ROLE}')
            AND NOT has_table_privilege('{ROLE}', '{SCHEMA}.{VIEW}', 'SELECT') THEN
        GRANT USAGE ON SCHEMA {SCHEMA} TO {ROLE};
        GRANT SELECT ON {SCHEMA}.{VIEW} TO {ROLE};
        END IF;
        END $install$"
    )
}

/// Tells one text of the definitions from another.
fn mark(definitions: &str) -> String {
    let mut mark = String::new();
    for byte in digest(&SHA256, definitions.as_bytes()).as_ref() {
        // Writing to a text does not fail.
        let _ = write!(mark, "{byte:02x}");
    }
    mark
}
