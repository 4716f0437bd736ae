//! The course of one measurement: start, configure, load, measure in turns, weigh.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::connection::{Connection, request};
use super::load::{Load, Sample};
use super::program::Program;
use super::{Arguments, records, token};

const ISSUER: &str = "https://issuer.bench.example";
const TOKEN_SECRET: &str = "a secret of the measurement alone, 43 bytes";
const ROOT_SECRET: &str = "root of the measurement alone";
const TOKENS: usize = 1_000;
const REQUESTS: usize = 10_000;
const PATIENTS_OF_ONE_BUNDLE: usize = 10;
const WARM_UP: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(2);
const STARTS: usize = 5;

/// All that was measured.
pub(super) struct Figures {
    pub(super) workloads: Vec<Workload>,
    pub(super) loaded_per_second: f64,
    pub(super) first_start: Duration,
    pub(super) start: Duration,
    pub(super) idle_mb: f64,
    pub(super) peak_mb: f64,
    pub(super) binary_mb: f64,
}

/// One kind of request, at the server and at the bare handler.
pub(super) struct Workload {
    pub(super) name: &'static str,
    pub(super) connections: usize,
    /// Acknowledged creates of one request that the mark counts.
    pub(super) creates_per_second_min: Option<f64>,
    pub(super) server: Sample,
    pub(super) bare: Sample,
    pub(super) server_processor_us: f64,
    pub(super) bare_processor_us: f64,
}

struct Kind {
    name: &'static str,
    load: Load,
    creates_per_second_min: Option<f64>,
}

/// Measures everything; needs the server's executable.
pub(super) async fn measure(
    arguments: &Arguments,
    executable: &Path,
    workspace: &Path,
) -> anyhow::Result<Figures> {
    let binary = std::fs::metadata(executable);
    let binary = binary.with_context(|| format!("no {}", executable.display()))?;
    // Beside the build and not where temporary files go, which may be memory.
    let target = workspace.join("target");
    std::fs::create_dir_all(&target)?;
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(target)?;
    let bare = Program::start_bare()?;

    let (server, first_start) =
        Program::start_server(executable, folder.path(), ROOT_SECRET).await?;
    let tokens = tokens();
    configure(&server).await?;
    say("loading")?;
    let loaded_per_second = load_records(&server, &tokens, arguments.patients).await?;
    check_answers(&server, &tokens).await?;

    let mut workloads = Vec::new();
    for kind in kinds(&tokens, arguments.patients) {
        say(kind.name)?;
        workloads.push(measure_kind(kind, &server, &bare, arguments).await?);
    }
    let peak_mb = server.peak_mb()?;
    server.stop().await?;
    say("starts")?;
    let (start, idle_mb) = measure_starts(executable, folder.path()).await?;
    Ok(Figures {
        workloads,
        loaded_per_second,
        first_start,
        start,
        idle_mb,
        peak_mb,
        binary_mb: binary.len() as f64 / 1e6,
    })
}

fn say(what: &str) -> std::io::Result<()> {
    writeln!(std::io::stderr(), "bench: {what}")
}

#[expect(clippy::disallowed_methods, reason = "the tokens must be valid now")]
fn tokens() -> Vec<String> {
    let now_s = jiff::Timestamp::now().as_second();
    let claims = |number: usize| {
        let subject = format!("user-{number}");
        json!({"iss": ISSUER, "sub": subject, "iat": now_s, "exp": now_s + 7_200})
    };
    (0..TOKENS)
        .map(|number| format!("Bearer {}", token::sign(&claims(number), TOKEN_SECRET)))
        .collect()
}

/// Has the server trust our issuer, and allow its tokens everything.
async fn configure(server: &Program) -> anyhow::Result<()> {
    let root = format!("Basic {}", STANDARD.encode(format!("root:{ROOT_SECRET}")));
    let introspector = json!({
        "resourceType": "TokenIntrospector",
        "type": "jwt",
        "jwt": {"iss": ISSUER, "secret": TOKEN_SECRET}
    });
    let policy = json!({
        "resourceType": "AccessPolicy",
        "engine": "json-schema",
        "schema": {
            "required": ["jwt"],
            "properties": {"jwt": {
                "required": ["iss"],
                "properties": {"iss": {"const": ISSUER}}
            }}
        }
    });
    let mut connection = Connection::open(server.address).await?;
    for (path, body) in
        [("/TokenIntrospector/bench", introspector), ("/AccessPolicy/bench", policy)]
    {
        send(&mut connection, &request("PUT", path, &root, &body.to_string())).await?;
    }
    Ok(())
}

/// Sends one request that must succeed; the answer's JSON.
async fn send(connection: &mut Connection, request: &[u8]) -> anyhow::Result<Value> {
    let status = connection.exchange(request).await?;
    let body = String::from_utf8_lossy(connection.body());
    anyhow::ensure!((200..300).contains(&status), "{status}: {body}");
    Ok(serde_json::from_str(&body).unwrap_or_default())
}

/// Loads all records in transactions over one connection; resources a second.
async fn load_records(server: &Program, tokens: &[String], patients: usize) -> anyhow::Result<f64> {
    let token = tokens.first().context("no tokens")?;
    let mut connection = Connection::open(server.address).await?;
    let start = Instant::now();
    for first in (0..patients).step_by(PATIENTS_OF_ONE_BUNDLE) {
        let last = patients.min(first + PATIENTS_OF_ONE_BUNDLE);
        let entries = (first..last).flat_map(records::stored_patient).collect();
        let body = records::transaction(entries);
        send(&mut connection, &request("POST", "/fhir", token, &body)).await?;
    }
    let resources = patients * (1 + records::OBSERVATIONS_OF_ONE);
    Ok(resources as f64 / start.elapsed().as_secs_f64())
}

/// A fast wrong answer must not be measured: the search finds one.
async fn check_answers(server: &Program, tokens: &[String]) -> anyhow::Result<()> {
    let token = tokens.first().context("no tokens")?;
    let mut connection = Connection::open(server.address).await?;
    let search = request("GET", &records::search_path(0, 1), token, "");
    let found = send(&mut connection, &search).await?;
    let hits = found.get("entry").and_then(Value::as_array).map_or(0, Vec::len);
    anyhow::ensure!(hits == 1, "the search found {hits} instead of 1: {found}");
    Ok(())
}

fn kinds(tokens: &[String], patients: usize) -> Vec<Kind> {
    let token = |number: usize| tokens.get(number % tokens.len().max(1)).map_or("", String::as_str);
    let load = |connections, request_of: &dyn Fn(usize) -> Vec<u8>| {
        Load::new((0..REQUESTS).map(request_of).collect(), connections)
    };
    let read = |number: usize| {
        // A step that shares no factor with the tokens' number: token and patient differ each time.
        let id = records::patient_id(number * 7 % patients.max(1));
        request("GET", &format!("/fhir/Patient/{id}"), token(number), "")
    };
    let search =
        |number: usize| request("GET", &records::search_path(number, patients), token(number), "");
    let create = |number: usize| {
        let body = records::patient(number).to_string();
        request("POST", "/fhir/Patient", token(number), &body)
    };
    let transaction = |number: usize| {
        let body = records::transaction(records::created_patient(number % patients.max(1)));
        request("POST", "/fhir", token(number), &body)
    };
    let kind = |name, load, creates_per_second_min| Kind { name, load, creates_per_second_min };
    vec![
        kind("read, authenticated", load(16, &read), None),
        kind("search by subject and code, 1 hit", load(16, &search), None),
        kind("create", load(64, &create), Some(2_000.0)),
        kind("transaction of 11 creates", load(16, &transaction), None),
    ]
}

async fn measure_kind(
    kind: Kind,
    server: &Program,
    bare: &Program,
    arguments: &Arguments,
) -> anyhow::Result<Workload> {
    for program in [bare, server] {
        kind.load.send(program.address, WARM_UP).await.context(kind.name)?;
    }
    let duration = Duration::from_secs(arguments.seconds);
    let (mut at_server, mut at_bare) = (Sample::default(), Sample::default());
    let (mut server_s, mut bare_s) = (0.0, 0.0);
    for _ in 0..arguments.rounds {
        for (program, sample, seconds) in
            [(bare, &mut at_bare, &mut bare_s), (server, &mut at_server, &mut server_s)]
        {
            let before = program.processor_seconds()?;
            sample.add(kind.load.send(program.address, duration).await.context(kind.name)?);
            *seconds += program.processor_seconds()? - before;
        }
    }
    let each_us = |seconds: f64, sample: &Sample| seconds * 1e6 / sample.count().max(1) as f64;
    Ok(Workload {
        name: kind.name,
        connections: kind.load.connections,
        creates_per_second_min: kind.creates_per_second_min,
        server_processor_us: each_us(server_s, &at_server),
        bare_processor_us: each_us(bare_s, &at_bare),
        server: at_server,
        bare: at_bare,
    })
}

/// The median time to start on the loaded database, and the memory then in use.
async fn measure_starts(executable: &Path, folder: &Path) -> anyhow::Result<(Duration, f64)> {
    let mut starts = Vec::new();
    let mut idle_mb = 0.0;
    for turn in 1..=STARTS {
        let (server, start) = Program::start_server(executable, folder, ROOT_SECRET).await?;
        starts.push(start);
        if turn == STARTS {
            sleep(IDLE).await;
            idle_mb = server.resident_mb()?;
        }
        server.stop().await?;
    }
    starts.sort_unstable();
    let median = starts.get(STARTS / 2).copied().unwrap_or_default();
    Ok((median, idle_mb))
}
