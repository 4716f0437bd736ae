//! SQL for a server, from tests that may or may not run in an async runtime.

use std::time::Duration;

use tokio_postgres::{NoTls, SimpleQueryMessage};

const SECONDS_MAX: u64 = 60;

/// A row as text.
pub(super) type TextRow = Vec<Option<String>>;

/// Runs statements one by one, in a connection of their own. The rows are the last one's.
pub(super) fn ask(url: &str, statements: &[&str]) -> Result<Vec<TextRow>, String> {
    // On another thread: a runtime cannot be entered inside another one.
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|e| e.to_string())?.block_on(async {
                let asked = tokio::time::timeout(
                    Duration::from_secs(SECONDS_MAX),
                    ask_in_connection(url, statements),
                );
                asked.await.map_err(|_| format!("no answer in time to {statements:?}"))?
            })
        });
        asking.join().map_err(|_| "asking the server panicked".to_owned())?
    })
}

async fn ask_in_connection(url: &str, statements: &[&str]) -> Result<Vec<TextRow>, String> {
    let connected = tokio_postgres::connect(url, NoTls).await;
    let (client, connection) = connected.map_err(|e| failure("connecting", &e))?;
    let connection = tokio::spawn(connection);
    let mut rows = Vec::new();
    for statement in statements {
        let messages = client.simple_query(statement).await.map_err(|e| failure(statement, &e))?;
        rows = messages.iter().filter_map(text_row).collect();
    }
    drop(client);
    // Whether the server takes leave is all the same.
    let _ = connection.await;
    Ok(rows)
}

fn text_row(message: &SimpleQueryMessage) -> Option<TextRow> {
    let SimpleQueryMessage::Row(row) = message else { return None };
    Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
}

fn failure(what: &str, error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => format!("{what}: {} {}", said.code().code(), said.message()),
        None => format!("{what}: {error}"),
    }
}
