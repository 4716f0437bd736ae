//! Asks a Firewarden server, for its operator's commands.
//!
//! The URL is the operator's own word, so that it is not held to what the server may connect to.

use std::time::Duration;

use reqwest::redirect::Policy;
use url::Url;

/// How long an answer may take in all.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskFault {
    /// The URL is not one of a server.
    #[error("`{0}` is not an `http:` or `https:` URL")]
    NotAUrl(String),
    /// The server cannot be reached.
    #[error("the server at `{0}` does not answer")]
    NoAnswer(String),
    /// The answer is longer than any of ours.
    #[error("the answer is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
}

/// Posts a JSON text below a server's URL, with an `Authorization`. The status of the answer and
/// its text.
pub async fn post_json(
    server: &str,
    path: &str,
    authorization: &str,
    json: String,
) -> Result<(u16, String), AskFault> {
    ask(server, path, authorization, Some(json)).await
}

/// Gets what stands below a server's URL, as [`post_json`] posts.
pub async fn get_json(
    server: &str,
    path: &str,
    authorization: &str,
) -> Result<(u16, String), AskFault> {
    ask(server, path, authorization, None).await
}

async fn ask(
    server: &str,
    path: &str,
    authorization: &str,
    json: Option<String>,
) -> Result<(u16, String), AskFault> {
    let url = format!("{}{path}", server.trim_end_matches('/'));
    let not_a_url = || AskFault::NotAUrl(server.to_owned());
    let no_answer = |_| AskFault::NoAnswer(server.to_owned());
    let url = Url::parse(&url).map_err(|_| not_a_url())?;
    let mut client = reqwest::Client::builder()
        .user_agent("firewarden")
        .redirect(Policy::none())
        .no_proxy()
        .timeout(ANSWER_TIME_MAX);
    client = match url.scheme() {
        "https" => client.https_only(true),
        // No certificate matters, and a machine without any can still ask.
        "http" => client.tls_certs_only([]),
        _ => return Err(not_a_url()),
    };
    let client = client.build().map_err(no_answer)?;
    let request = match json {
        Some(json) => client.post(url).header("content-type", "application/json").body(json),
        None => client.get(url),
    };
    let request = request.header("accept", "application/json");
    let request = request.header("authorization", authorization);
    let mut answer = request.send().await.map_err(no_answer)?;
    let status = answer.status().as_u16();
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(no_answer)? {
        if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(AskFault::TooLong);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
}

/// The `Authorization` of a client, given as `id:secret`.
pub fn basic_authorization(client: &str) -> String {
    use base64::Engine;
    let encoded = base64::engine::general_purpose::STANDARD.encode(client);
    format!("Basic {encoded}")
}
