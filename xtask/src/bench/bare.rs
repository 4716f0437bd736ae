//! The least that axum can do: any request, its body read, answered with a kilobyte that never
//! changes.

use std::io::Write as _;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use serde_json::json;

/// Where the bare handler listens.
#[derive(clap::Args)]
pub(crate) struct BareArguments {
    /// Address; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

const BODY_BYTES: usize = 1_024;

/// Serves until the process is killed.
pub(crate) fn serve(arguments: &BareArguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(arguments.listen).await?;
        writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
        Ok(axum::serve(listener, router()).await?)
    })
}

pub(super) fn router() -> Router {
    let body = Bytes::from(body());
    Router::new().fallback(move |_request: Bytes| {
        let answer = ([(CONTENT_TYPE, "application/fhir+json")], body.clone());
        std::future::ready(answer)
    })
}

/// A search's answer with one hit, as long as the answers of the server.
fn body() -> String {
    let empty = |padding: &str| {
        let hit = json!({"resource": {"resourceType": "Basic", "language": padding}});
        json!({"resourceType": "Bundle", "type": "searchset", "entry": [hit]}).to_string()
    };
    empty(&"x".repeat(BODY_BYTES.saturating_sub(empty("").len())))
}
