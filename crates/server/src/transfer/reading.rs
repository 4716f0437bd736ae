//! Reads the files of an import, in parts of some lines.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use firewarden_store::Loader;
use flate2::read::MultiGzDecoder;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::sources::{Form, Source};
use super::{TransferError, TransferProgress};
use crate::limits::{IMPORT_CHUNK_BYTES, IMPORT_CHUNK_LINES};

/// Some lines of one file.
pub(super) struct Chunk {
    /// Its place among all.
    pub(super) number: u64,
    /// Which of the files.
    pub(super) file: usize,
    pub(super) form: Form,
    /// The number of the first line.
    pub(super) first: u64,
    pub(super) lines: Vec<Line>,
    /// Held until the chunk is committed.
    pub(super) place: OwnedSemaphorePermit,
}

/// One line; of a document, all of it.
pub(super) enum Line {
    Text(Vec<u8>),
    /// It has more bytes than one may have.
    TooLong,
}

/// How much is read.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) line_bytes_max: usize,
    pub(super) document_bytes_max: usize,
}

pub(super) struct Reading {
    pub(super) sources: Arc<Vec<Source>>,
    pub(super) sizes: Sizes,
    pub(super) loader: Loader,
    pub(super) places: Arc<Semaphore>,
    pub(super) runtime: Handle,
    pub(super) progress: Arc<TransferProgress>,
    pub(super) chunks: SyncSender<Chunk>,
}

/// Nobody takes chunks any more.
struct Ended;

impl Reading {
    /// Reads all files, from where an earlier import of them ended.
    pub(super) fn all(self) -> Result<(), TransferError> {
        let mut number = 0;
        for (file, source) in self.sources.iter().enumerate() {
            match self.one(file, source, &mut number) {
                Ok(Ok(())) => {}
                Ok(Err(Ended)) => return Ok(()),
                Err(error) => {
                    return Err(TransferError::File { path: source.path.clone(), error });
                }
            }
        }
        Ok(())
    }

    fn one(&self, file: usize, source: &Source, number: &mut u64) -> io::Result<Result<(), Ended>> {
        let counted = Counted { file: File::open(&source.path)?, progress: &self.progress };
        let mut reader: Box<dyn BufRead> = if source.gzip {
            Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(counted)))
        } else {
            Box::new(BufReader::with_capacity(1 << 18, counted))
        };
        let done = self.loader.items_read(&source.key);
        let (mut line, mut lines, mut bytes) = (0, Vec::new(), 0);
        loop {
            let next = match source.form {
                Form::Lines => next_line(&mut reader, self.sizes.line_bytes_max)?,
                Form::Document if line == 0 => {
                    Some(document(&mut reader, self.sizes.document_bytes_max)?)
                }
                Form::Document => None,
            };
            let at_end = next.is_none();
            if let Some(next) = next {
                line += 1;
                if line > done {
                    bytes += if let Line::Text(text) = &next { text.len() } else { 0 };
                    lines.push(next);
                }
            }
            let full = lines.len() >= IMPORT_CHUNK_LINES || bytes >= IMPORT_CHUNK_BYTES;
            if full || (at_end && !lines.is_empty()) {
                bytes = 0;
                let Ok(place) = self.runtime.block_on(Arc::clone(&self.places).acquire_owned())
                else {
                    return Ok(Err(Ended));
                };
                let first = line + 1 - lines.len() as u64;
                let lines = std::mem::take(&mut lines);
                let chunk = Chunk { number: *number, file, form: source.form, first, lines, place };
                *number += 1;
                if self.chunks.send(chunk).is_err() {
                    return Ok(Err(Ended));
                }
            }
            if at_end {
                return Ok(Ok(()));
            }
        }
    }
}

/// The next line without its end; `None` behind the last one.
fn next_line(reader: &mut impl BufRead, bytes_max: usize) -> io::Result<Option<Line>> {
    let mut text = Vec::new();
    let mut read = reader.by_ref().take(bytes_max as u64 + 2);
    if read.read_until(b'\n', &mut text)? == 0 {
        return Ok(None);
    }
    let ended = text.last() == Some(&b'\n');
    if ended {
        text.pop();
        if text.last() == Some(&b'\r') {
            text.pop();
        }
    } else if text.len() > bytes_max {
        reader.skip_until(b'\n')?;
    }
    Ok(Some(if text.len() > bytes_max { Line::TooLong } else { Line::Text(text) }))
}

fn document(reader: &mut impl BufRead, bytes_max: usize) -> io::Result<Line> {
    let mut text = Vec::new();
    reader.by_ref().take(bytes_max as u64 + 1).read_to_end(&mut text)?;
    Ok(if text.len() > bytes_max { Line::TooLong } else { Line::Text(text) })
}

/// A file whose bytes are counted as they are read.
struct Counted<'p> {
    file: File,
    progress: &'p TransferProgress,
}

impl Read for Counted<'_> {
    fn read(&mut self, place: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(place)?;
        TransferProgress::add(&self.progress.bytes_read, count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_far_as_it_may_go_and_the_next_one_is_whole() {
        let told = |text: &str| {
            let mut reader = BufReader::with_capacity(3, text.as_bytes());
            let mut lines = Vec::new();
            while let Some(line) = next_line(&mut reader, 5).unwrap() {
                lines.push(match line {
                    Line::Text(text) => String::from_utf8(text).unwrap(),
                    Line::TooLong => "!".to_owned(),
                });
            }
            lines.join("|")
        };
        for (text, lines) in [
            ("", ""),
            ("a", "a"),
            ("a\n", "a"),
            ("a\r\nb\n", "a|b"),
            ("\n\na", "||a"),
            ("12345\n1", "12345|1"),
            ("12345\r\n1", "12345|1"),
            ("123456\n1", "!|1"),
            ("1234567890123\n12", "!|12"),
            ("1234567890123", "!"),
        ] {
            assert_eq!(told(text), lines, "{text:?}");
        }
    }
}
