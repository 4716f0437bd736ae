//! How far a long command is: a bar on a terminal, else a line now and then.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use firewarden_server::{HowFar, TransferProgress};
use indicatif::{ProgressBar, ProgressStyle};

/// How often a bar is drawn.
const DRAWN: Duration = Duration::from_millis(200);
/// How often a line is written where there is no terminal.
const WRITTEN: Duration = Duration::from_secs(10);

/// Shows how far it is, on standard error, until it is ended.
pub(crate) struct Display {
    began: Instant,
    end: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Display {
    #[expect(clippy::disallowed_methods, reason = "a person watches the time pass")]
    pub(crate) fn start(verb: &'static str, progress: &Arc<TransferProgress>) -> Self {
        let began = Instant::now();
        let (end, ended) = channel();
        let progress = Arc::clone(progress);
        let on_terminal = std::io::stderr().is_terminal();
        let thread = std::thread::spawn(move || {
            let bar = on_terminal.then(|| ProgressBar::new(0));
            let every = if on_terminal { DRAWN } else { WRITTEN };
            while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let far = progress.how_far();
                let text = told(verb, far, began.elapsed());
                match &bar {
                    Some(bar) => draw(bar, far, text),
                    None => {
                        let _ = writeln!(std::io::stderr(), "{text}");
                    }
                }
            }
            if let Some(bar) = bar {
                bar.finish_and_clear();
            }
        });
        Self { began, end, thread: Some(thread) }
    }

    /// Ends it; how many seconds it took.
    pub(crate) fn end(mut self) -> f64 {
        // The thread may have ended by itself.
        let _ = self.end.send(());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.began.elapsed().as_secs_f64()
    }
}

fn draw(bar: &ProgressBar, far: HowFar, text: String) {
    let (done, total) = if far.to_index > 0 {
        (far.indexed, far.to_index)
    } else {
        (far.bytes_read, far.bytes_total)
    };
    let form = if total > 0 { "{wide_bar} {percent:>3} %  {msg}" } else { "{spinner} {msg}" };
    if let Ok(style) = ProgressStyle::with_template(form) {
        bar.set_style(style);
    }
    bar.set_length(total);
    bar.set_position(done);
    bar.set_message(text);
}

/// How far it is, how fast it goes, and how long it goes on at that.
fn told(verb: &str, far: HowFar, passed: Duration) -> String {
    let HowFar { bytes_total, bytes_read, resources, rejected, to_index, indexed } = far;
    if to_index > 0 {
        return format!("{indexed} of {to_index} indexed");
    }
    let rate = resources as f64 / passed.as_secs_f64().max(0.001);
    let mut text = format!("{resources} {verb}, {rate:.0}/s");
    if rejected > 0 {
        text.push_str(&format!(", {rejected} rejected"));
    }
    if bytes_total > 0 && bytes_read > 0 {
        let left = bytes_total.saturating_sub(bytes_read) as f64 / bytes_read as f64;
        let seconds = (passed.as_secs_f64() * left).ceil();
        text.push_str(&format!(", about {seconds:.0} s left of reading"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_how_far_it_is() {
        let passed = Duration::from_secs(10);
        let far = HowFar { bytes_total: 300, bytes_read: 100, resources: 50, ..HowFar::default() };
        assert_eq!(told("imported", far, passed), "50 imported, 5/s, about 20 s left of reading");
        let far = HowFar { rejected: 2, bytes_total: 0, ..far };
        assert_eq!(told("exported", far, passed), "50 exported, 5/s, 2 rejected");
        let far = HowFar { to_index: 50, indexed: 7, ..far };
        assert_eq!(told("imported", far, passed), "7 of 50 indexed");
    }
}
