//! What the connections for policies can reach at all: whatever a rule says, SQLite itself refuses
//! everything else.

use std::path::Path;
use std::sync::Arc;

use firewarden_access::policy_query::tables;
use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;

use super::super::connection;
use super::deadline::Deadline;
use super::functions;
use crate::engine::dictionary::Dictionary;
use crate::limits::{
    POLICY_INSTRUCTIONS_BETWEEN_CHECKS, POLICY_SQL_BYTES_MAX, POLICY_VALUE_BYTES_MAX,
    READER_CACHE_KIB,
};

/// The view of current resources of the types that have a table.
pub(super) const VIEW: &str = "permitted_resource";
/// The columns of the view; all but the first are what rules read.
const COLUMNS: &[&str] = &["type", "id", "version", "updated", "body"];

/// Opens a connection for the rules of policies. What it runs ends at the deadline.
pub(super) fn open(
    path: &Path,
    base_url: &str,
    dictionary: &Dictionary,
    deadline: &Arc<Deadline>,
) -> rusqlite::Result<Connection> {
    let mut connection = connection::open_reader(path, READER_CACHE_KIB)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "query_only", false)?;
    connection.execute_batch(&view(dictionary))?;
    connection.pragma_update(None, "query_only", true)?;
    functions::register(&connection, base_url, deadline)?;
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, POLICY_VALUE_BYTES_MAX),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, POLICY_SQL_BYTES_MAX),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 1),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, value)?;
    }
    let deadline = Arc::clone(deadline);
    let is_over = move || deadline.is_over();
    connection.progress_handler(POLICY_INSTRUCTIONS_BETWEEN_CHECKS, Some(is_over))?;
    connection.authorizer(Some(authorize))?;
    Ok(connection)
}

/// Deleted resources, superseded versions and every other type are not in it.
fn view(dictionary: &Dictionary) -> String {
    let codes: Vec<String> = tables().map(|of| dictionary.resource_type(of).to_string()).collect();
    format!(
        "CREATE TEMP VIEW {VIEW} AS SELECT {} FROM main.resource WHERE deleted = 0 AND type IN ({})",
        COLUMNS.join(", "),
        codes.join(", ")
    )
}

/// Statements that only select, the view, the items of lists, and our functions. The table behind
/// the view is read by the view alone.
#[expect(clippy::wildcard_enum_match_arm, reason = "what is not listed is refused")]
fn authorize(asked: AuthContext<'_>) -> Authorization {
    let permitted = match asked.action {
        AuthAction::Select => true,
        AuthAction::Read { table_name, column_name } => {
            let is_column = column_name.is_empty() || COLUMNS.contains(&column_name);
            match table_name {
                VIEW => is_column,
                "resource" => {
                    asked.accessor == Some(VIEW) && (is_column || column_name == "deleted")
                }
                "json_each" => true,
                _ => false,
            }
        }
        AuthAction::Function { function_name } => {
            matches!(function_name, "count" | "coalesce") || functions::is_registered(function_name)
        }
        _ => false,
    };
    if permitted { Authorization::Allow } else { Authorization::Deny }
}
