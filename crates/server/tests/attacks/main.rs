//! Attacks on a running server as conversations, with its log kept: what is hidden is in no answer
//! and in no line.

#![cfg(test)]

// The same runner and the same words for asking as the other tests of the server use.
#[path = "../it/cases.rs"]
mod cases;
#[expect(dead_code, reason = "other tests use more of it")]
#[path = "../it/harness.rs"]
mod harness;
#[expect(dead_code, reason = "other tests use more of it")]
#[path = "../it/http.rs"]
mod http;

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use cases::{CANARY, each_file};

/// All that every server of this process logs.
static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let builder = tracing_subscriber::fmt().json().with_max_level(LevelFilter::TRACE);
    builder.with_writer(log.clone()).init();
    log
});

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_attack_shows_what_is_hidden() {
    LazyLock::force(&LOG);
    each_file("attacks").await;
    let log = LOG.text();
    assert!(log.contains("firewarden::decision") && log.contains("TRACE"), "the log is talkative");
    let is_event = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
    let line = log.lines().find(|line| line.contains(CANARY) || !is_event(line));
    assert_eq!(line, None);
}
