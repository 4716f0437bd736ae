//! Writes the log in a thread of its own: a slow or blocked reader never holds up a request.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tracing_subscriber::fmt::MakeWriter;

use crate::limits;

/// Takes lines for the log. Nobody is woken for a line: the thread looks every
/// [`limits::LOG_FLUSH_S`], so that a line costs its request no more than a copy.
#[derive(Clone)]
pub(crate) struct LogWriter(Arc<Waiting>);

/// Ends the thread when it is dropped, after what waits was written.
pub(crate) struct LogGuard {
    waiting: Arc<Waiting>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Waiting {
    lines: Mutex<Lines>,
    ended: Condvar,
    lost: AtomicU64,
}

#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    at_end: bool,
}

impl Waiting {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins a thread that writes to `sink`.
pub(crate) fn start(mut sink: impl Write + Send + 'static) -> io::Result<(LogWriter, LogGuard)> {
    let waiting = Arc::new(Waiting::default());
    let theirs = Arc::clone(&waiting);
    let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || {
        let mut bytes = Vec::new();
        loop {
            let lines = theirs.lines();
            let wait = theirs.ended.wait_timeout_while(lines, limits::LOG_FLUSH_S, |l| !l.at_end);
            let (mut lines, _) = wait.unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut lines.bytes, &mut bytes);
            let at_end = lines.at_end;
            drop(lines);
            let lost = theirs.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                let _ = writeln!(
                    bytes,
                    "{{\"level\":\"WARN\",\"message\":\"log lines were lost\",\"lines\":{lost}}}"
                );
            }
            let _ = sink.write_all(&bytes).and_then(|()| sink.flush());
            bytes.clear();
            if at_end {
                return;
            }
        }
    })?;
    Ok((LogWriter(Arc::clone(&waiting)), LogGuard { waiting, thread: Some(thread) }))
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.waiting.lines().at_end = true;
        self.waiting.ended.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Write for LogWriter {
    /// Takes one event whole, or loses it whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lines();
        if lines.bytes.len() + line.len() > limits::LOG_BYTES_WAITING_MAX {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        } else {
            lines.bytes.extend_from_slice(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    struct Sink(Arc<Mutex<Vec<u8>>>, Option<mpsc::Receiver<()>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(unblocked) = self.1.take() {
                unblocked.recv().unwrap();
            }
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_there_at_the_end() {
        let written = Arc::default();
        let (mut writer, guard) = start(Sink(Arc::clone(&written), None)).unwrap();
        for line in 0..1_000 {
            writeln!(writer, "{line}").unwrap();
        }
        drop(guard);
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1_000);
    }

    #[test]
    fn a_blocked_reader_holds_nobody_up_and_costs_lines() {
        let written = Arc::default();
        let (unblock, blocked) = mpsc::channel();
        let (mut writer, guard) = start(Sink(Arc::clone(&written), Some(blocked))).unwrap();
        let line = vec![b'x'; 1_024];
        for _ in 0..(limits::LOG_BYTES_WAITING_MAX / 1_024 * 3) {
            writer.write_all(&line).unwrap();
        }
        unblock.send(()).unwrap();
        drop(guard);
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert!(text.contains("log lines were lost"));
    }
}
