//! Puts index rows of one type in order, however many there are: sorted runs in a file, merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::encoded;
use crate::engine::dictionary::TypeCode;
use crate::engine::index_writes::IndexRow;
use crate::index::IndexKey;
use crate::limits::INDEX_RUN_BUFFER_BYTES;
use crate::packed::ParameterCode;

/// Rows that are gathered, to be given back in order.
pub(super) struct Runs {
    type_code: TypeCode,
    run_bytes_max: usize,
    /// The rows of the present run, one behind the other.
    rows: Vec<u8>,
    /// Where each begins and ends.
    places: Vec<(usize, usize)>,
    /// The runs before it, and where each begins and ends. It has no name and goes with its handle.
    file: Option<File>,
    runs: Vec<(u64, u64)>,
}

impl Runs {
    pub(super) fn new(type_code: TypeCode, run_bytes_max: usize) -> Self {
        let (rows, places, runs) = (Vec::new(), Vec::new(), Vec::new());
        Self { type_code, run_bytes_max, rows, places, file: None, runs }
    }

    /// Takes one row. Runs go to a file in that folder.
    pub(super) fn add(
        &mut self,
        folder: &Path,
        (parameter, key): (ParameterCode, &IndexKey),
        resource: i64,
    ) -> io::Result<()> {
        let begin = self.rows.len();
        encoded::put_row(&mut self.rows, parameter, key, resource);
        self.places.push((begin, self.rows.len()));
        if self.rows.len() >= self.run_bytes_max { self.write_run(folder) } else { Ok(()) }
    }

    fn sort(&mut self) {
        let rows = &self.rows;
        let row = |place: &(usize, usize)| rows.get(place.0..place.1).unwrap_or_default();
        self.places.sort_unstable_by(|one, other| row(one).cmp(row(other)));
    }

    fn write_run(&mut self, folder: &Path) -> io::Result<()> {
        self.sort();
        let file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile_in(folder)?,
        };
        let begin = self.runs.last().map_or(0, |run| run.1);
        let mut end = begin;
        let mut writer = BufWriter::new(&file);
        for place in &self.places {
            let row = self.rows.get(place.0..place.1).unwrap_or_default();
            let length = u32::try_from(row.len()).map_err(io::Error::other)?;
            writer.write_all(&length.to_le_bytes())?;
            writer.write_all(row)?;
            end += 4 + u64::from(length);
        }
        writer.flush()?;
        drop(writer);
        self.file = Some(file);
        self.runs.push((begin, end));
        self.rows.clear();
        self.places.clear();
        Ok(())
    }

    /// Gives every row, in order.
    pub(super) fn merge(
        mut self,
        mut give: impl FnMut(IndexRow) -> io::Result<()>,
    ) -> io::Result<()> {
        self.sort();
        let mut runs: Vec<Run<'_>> = Vec::with_capacity(self.runs.len() + 1);
        if let Some(file) = &self.file {
            runs.extend(self.runs.iter().map(|(begin, end)| Run::in_file(file, *begin, *end)));
        }
        runs.push(Run::InMemory { rows: &self.rows, places: self.places.iter() });
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (index, run) in runs.iter_mut().enumerate() {
            if let Some(row) = run.next()? {
                heads.push(Reverse((row, index)));
            }
        }
        while let Some(Reverse((row, index))) = heads.pop() {
            let damaged = || io::Error::other("a sorted run is damaged");
            give(encoded::row(&row, self.type_code).ok_or_else(damaged)?)?;
            if let Some(next) = runs.get_mut(index).map(Run::next).transpose()?.flatten() {
                heads.push(Reverse((next, index)));
            }
        }
        Ok(())
    }
}

/// What is still to be read of a run.
enum Run<'r> {
    InMemory { rows: &'r [u8], places: std::slice::Iter<'r, (usize, usize)> },
    InFile { file: &'r File, at: u64, end: u64, buffer: Vec<u8>, read: usize },
}

impl<'r> Run<'r> {
    fn in_file(file: &'r File, at: u64, end: u64) -> Self {
        Self::InFile { file, at, end, buffer: Vec::new(), read: 0 }
    }

    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if let Self::InMemory { rows, places } = self {
            let row = places.next().and_then(|place| rows.get(place.0..place.1));
            return Ok(row.map(<[u8]>::to_vec));
        }
        let Some(length) = self.take(4)? else { return Ok(None) };
        let length = <[u8; 4]>::try_from(length.as_slice()).map_err(io::Error::other)?;
        self.take(u32::from_le_bytes(length) as usize)
    }

    /// The next bytes of a run in a file; `None` at its end.
    fn take(&mut self, count: usize) -> io::Result<Option<Vec<u8>>> {
        let Self::InFile { file, at, end, buffer, read } = self else { return Ok(None) };
        if buffer.len() - *read < count {
            buffer.drain(..*read);
            *read = 0;
            let wanted = count.max(INDEX_RUN_BUFFER_BYTES) as u64;
            let more = usize::try_from(wanted.min(*end - *at)).map_err(io::Error::other)?;
            let old = buffer.len();
            buffer.resize(old + more, 0);
            if let Some(place) = buffer.get_mut(old..) {
                file.read_exact_at(place, *at)?;
            }
            *at += more as u64;
        }
        let taken = buffer.get(*read..*read + count).map(<[u8]>::to_vec);
        *read += count;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use firewarden_fhir::ResourceType;
    use proptest::prelude::*;

    use super::*;
    use crate::index::{DateSpan, NumberSpan, Real};

    fn key() -> impl Strategy<Value = IndexKey> {
        let text = || "[a\\x00\\x01Zü]{0,6}".prop_map(Box::<str>::from);
        let number = || any::<f64>().prop_filter("a number", |number| !number.is_nan());
        let span = || prop_oneof![Just(NumberSpan::Point), Just(NumberSpan::Range)];
        let range = move || (span(), number(), number());
        prop_oneof![
            text().prop_map(IndexKey::String),
            (text(), prop::option::of(text()))
                .prop_map(|(code, system)| IndexKey::Token { code, system }),
            (text(), any::<bool>()).prop_map(|(target, local)| IndexKey::Reference {
                target,
                target_type: local.then(|| ResourceType::parse("Patient").unwrap()),
            }),
            (any::<i64>(), any::<i64>(), 0..3usize).prop_map(|(low_us, high_us, span)| {
                IndexKey::Date { span: DateSpan::ALL[span], low_us, high_us }
            }),
            range().prop_map(|(span, low, high)| {
                IndexKey::Number { span, low: Real(low), high: Real(high) }
            }),
            range().prop_map(|(span, low, high)| {
                IndexKey::Quantity { span, low: Real(low), high: Real(high) }
            }),
            text().prop_map(IndexKey::Uri),
        ]
    }

    proptest! {
        #[test]
        fn every_row_is_given_back_in_order_however_many_runs_there_are(
            rows in prop::collection::vec((any::<u16>(), key(), any::<i64>()), 0..60),
            run_bytes_max in 1..2_000usize,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut runs = Runs::new(7, run_bytes_max);
            for (parameter, key, resource) in &rows {
                runs.add(folder.path(), (*parameter, key), *resource).unwrap();
            }
            let mut given = Vec::new();
            runs.merge(|row| { given.push(row); Ok(()) }).unwrap();
            let mut expected: Vec<_> = rows
                .into_iter()
                .map(|(parameter, key, resource)| IndexRow::new(7, (parameter, key), resource))
                .collect();
            prop_assert!(given.iter().map(place).is_sorted());
            given.sort();
            expected.sort();
            prop_assert_eq!(given, expected);
        }
    }

    /// Where a row stands in its table, but for the last columns.
    fn place(row: &IndexRow) -> (u8, u16, Vec<u8>, [Real; 2]) {
        let zero = [Real(0.0); 2];
        let text = |text: &str| (text.as_bytes().to_vec(), zero);
        let (table, (bytes, numbers)) = match &row.key {
            IndexKey::String(value) => (0, text(value)),
            IndexKey::Token { code, .. } => (1, text(code)),
            IndexKey::Reference { target, .. } => (2, text(target)),
            IndexKey::Date { span, .. } => (3, (vec![span.code() as u8], zero)),
            IndexKey::Number { span, low, high } => (4, (vec![span.code() as u8], [*low, *high])),
            IndexKey::Quantity { span, low, high } => (5, (vec![span.code() as u8], [*low, *high])),
            IndexKey::Uri(value) => (6, text(value)),
        };
        (table, row.parameter, bytes, numbers)
    }
}
