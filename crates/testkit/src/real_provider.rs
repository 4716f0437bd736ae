//! Real OpenID Connect providers (testing/idp) as processes of their own, on loopback.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

const START_SECONDS_MAX: u64 = 30;
const ANSWER_SECONDS_MAX: u64 = 10;
/// Set by continuous integration: a provider that is not installed is then a failure.
const REQUIRED: &str = "FIREWARDEN_REQUIRE_REAL_PROVIDER";

/// A running provider; it ends when this is dropped.
///
/// Its client `svc` may take tokens, its client `rs` may introspect those of others; the secrets
/// are `svc-secret` and `rs-secret`.
pub struct RealProvider {
    process: Child,
    issuer: String,
    admin: String,
}

impl RealProvider {
    /// Starts a provider on free ports, and waits until it is ready.
    ///
    /// `None`, with a note in the test's output, if Node.js or the provider's packages are not
    /// installed; an error if they are and it does not start, or if it is required.
    pub async fn start() -> Result<Option<Self>, String> {
        Self::run("idp.mjs").await
    }

    /// Starts a provider of another code base, which only mints and publishes its keys.
    ///
    /// `None` and errors are as with [`Self::start`].
    pub async fn start_other() -> Result<Option<Self>, String> {
        Self::run("mock.mjs").await
    }

    async fn run(script: &str) -> Result<Option<Self>, String> {
        match installed() {
            Ok(folder) => Self::spawn(&folder, script).await.map(Some),
            Err(reason) if is_required() => Err(reason),
            Err(reason) => {
                let _ = writeln!(std::io::stderr(), "skipped: {reason}");
                Ok(None)
            }
        }
    }

    async fn spawn(folder: &Path, script: &str) -> Result<Self, String> {
        let mut process = Command::new("node")
            .args([script, "--until-stdin-closes"])
            .current_dir(folder)
            .envs([("PORT", "0"), ("ADMIN_PORT", "0")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("the provider does not start: {e}"))?;
        let stdout = process.stdout.take();
        let mut provider = Self { process, issuer: String::new(), admin: String::new() };
        let ready = ready_line(stdout.ok_or("the provider has no output")?).await?;
        provider.issuer = text_at(&ready, "issuer")?;
        provider.admin = text_at(&ready, "admin")?;
        Ok(provider)
    }

    /// `host:port` of the issuer.
    pub fn authority(&self) -> &str {
        self.issuer.trim_start_matches("http://")
    }

    /// The issuer's URL, as in the claim `iss`.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where the issuer publishes its keys.
    pub fn jwks_uri(&self) -> String {
        format!("{}/jwks", self.issuer)
    }

    /// Where opaque tokens are introspected (RFC 7662).
    pub fn introspection_endpoint(&self) -> String {
        format!("{}/token/introspection", self.issuer)
    }

    /// A token of the client `svc` for a resource: `urn:opaque`, or `urn:jwt:` and an algorithm.
    pub async fn client_credentials(&self, resource: &str) -> Result<String, String> {
        let body = format!(
            "grant_type=client_credentials&scope=system%2F*.read&resource={}",
            resource.replace(':', "%3A")
        );
        let answer = post(&format!("{}/token", self.issuer), "svc:svc-secret", body).await?;
        text_at(&answer, "access_token")
    }

    /// Revokes a token of the client `svc` (RFC 7009).
    pub async fn revoke(&self, token: &str) -> Result<(), String> {
        let url = format!("{}/token/revocation", self.issuer);
        post(&url, "svc:svc-secret", format!("token={token}")).await.map(drop)
    }

    /// A token with exactly these members over the usual ones; a null leaves a member out.
    pub async fn mint(
        &self,
        algorithm: &str,
        header: Value,
        claims: Value,
    ) -> Result<String, String> {
        let body = json!({"alg": algorithm, "header": header, "claims": claims}).to_string();
        text_at(&self.administer("/mint", body).await?, "token")
    }

    /// Signs with a new key from now on; unless `keep`, the old one is gone at once.
    pub async fn rotate(&self, algorithm: &str, keep: bool) -> Result<(), String> {
        let path = format!("/rotate?alg={algorithm}&keep={}", u8::from(keep));
        self.administer(&path, String::new()).await.map(drop)
    }

    /// How the key set is answered: `ok`, `500`, `hang`, `garbage`, `empty` or `slow`.
    pub async fn answer_jwks(&self, mode: &str) -> Result<(), String> {
        self.administer(&format!("/jwks-mode?m={mode}"), String::new()).await.map(drop)
    }

    /// How an introspection is answered: `ok`, `500`, `hang` or `garbage`.
    pub async fn answer_introspection(&self, mode: &str) -> Result<(), String> {
        self.administer(&format!("/introspect-mode?m={mode}"), String::new()).await.map(drop)
    }

    /// Requests so far to `jwks`, `introspection` or `token`.
    pub async fn requests_to(&self, endpoint: &str) -> Result<u64, String> {
        let counters = self.administer("/counters", String::new()).await?;
        counters.get(endpoint).and_then(Value::as_u64).ok_or(format!("no counter `{endpoint}`"))
    }

    async fn administer(&self, path_and_query: &str, body: String) -> Result<Value, String> {
        post(&format!("{}{path_and_query}", self.admin), "", body).await
    }
}

impl Drop for RealProvider {
    fn drop(&mut self) {
        // It may have ended by itself; there is nothing more to do then.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The provider's folder, if it can be run.
fn installed() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testing/idp");
    let packages = ["oidc-provider", "oauth2-mock-server"];
    if !packages.iter().all(|name| folder.join("node_modules").join(name).is_dir()) {
        return Err("its packages are not installed: npm ci --prefix testing/idp".to_owned());
    }
    let version = Command::new("node").arg("--version").output();
    version.map(|_| folder).map_err(|e| format!("Node.js does not run: {e}"))
}

#[expect(clippy::disallowed_methods, reason = "a test has no settings but the environment")]
fn is_required() -> bool {
    std::env::var_os(REQUIRED).is_some_and(|value| !value.is_empty())
}

async fn ready_line(stdout: ChildStdout) -> Result<Value, String> {
    let read = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).map(|_| line)
    });
    let line = tokio::time::timeout(Duration::from_secs(START_SECONDS_MAX), read)
        .await
        .map_err(|_| "the provider is not ready in time")?
        .map_err(|e| e.to_string())?
        .map_err(|e| e.to_string())?;
    serde_json::from_str(&line).map_err(|e| format!("the provider ended at its start: {e}"))
}

/// Posts a form, or JSON, and reads the JSON that is answered, if anything is.
async fn post(url: &str, basic: &str, body: String) -> Result<Value, String> {
    let answer = tokio::time::timeout(
        Duration::from_secs(ANSWER_SECONDS_MAX),
        exchange(url, basic, Bytes::from(body)),
    );
    answer.await.map_err(|_| format!("no answer from {url}"))?.map_err(|e| format!("{url}: {e}"))
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

async fn exchange(url: &str, basic: &str, body: Bytes) -> Result<Value, AnyError> {
    let rest = url.strip_prefix("http://").ok_or("not an http URL")?;
    let (authority, path) = rest.split_once('/').ok_or("no path")?;
    let stream = TokioIo::new(TcpStream::connect(authority).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    let connection = tokio::spawn(connection);
    let request = Request::post(format!("/{path}"))
        .header("host", authority)
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", format!("Basic {}", STANDARD.encode(basic)))
        .body(Full::new(body))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let bytes = response.into_body().collect().await?.to_bytes();
    connection.abort();
    if !status.is_success() {
        return Err(format!("{status}: {}", String::from_utf8_lossy(&bytes)).into());
    }
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    Ok(serde_json::from_slice(&bytes)?)
}

fn text_at(answer: &Value, member: &str) -> Result<String, String> {
    let text = answer.get(member).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| format!("no `{member}` in the provider's answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_provider_issues_every_kind_of_token_and_counts() {
        let Some(provider) = RealProvider::start().await.unwrap() else { return };
        assert!(provider.issuer().starts_with("http://127.0.0.1:"));
        for resource in ["urn:jwt:RS256", "urn:jwt:ES512", "urn:jwt:EdDSA", "urn:jwt:HS256"] {
            let token = provider.client_credentials(resource).await.unwrap();
            assert_eq!(token.split('.').count(), 3, "{resource}");
        }
        assert!(!provider.client_credentials("urn:opaque").await.unwrap().contains('.'));
        assert_eq!(provider.requests_to("token").await.unwrap(), 5);
        assert!(provider.client_credentials("urn:jwt:none").await.is_err());

        let token = provider.mint("PS256", json!({"kid": null}), json!({"exp": 1})).await.unwrap();
        assert_eq!(token.split('.').count(), 3);
        provider.rotate("RS256", false).await.unwrap();
        provider.answer_jwks("500").await.unwrap();
        provider.answer_introspection("garbage").await.unwrap();
    }
}
