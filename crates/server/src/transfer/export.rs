//! Exports everything: a file for each type, begun anew when it is large, and a manifest.

use std::fs::{DirBuilder, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use firewarden_access::SystemTask;
use firewarden_fhir::{ResourceType, instant_text};
use firewarden_interactions::import::kept_version_text;
use firewarden_store::{Database, Dump, DumpError, Dumped, Store};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::manifest::{FORM, MANIFEST, Manifest, ManifestFile, hex};
use super::{TransferError, TransferProgress};
use crate::app::now;
use crate::limits::EXPORT_FILE_BYTES;
use crate::run;
use crate::settings::Settings;

/// What is exported, and where to.
pub struct ExportRequest {
    /// A folder that is not there, or is empty.
    pub folder: PathBuf,
    /// Every version and deletion, not only the current ones.
    pub history: bool,
    /// Files compressed with gzip.
    pub gzip: bool,
    /// With history: secrets, sealed with the key of the database.
    pub sealed_secrets: bool,
}

/// What an export has written.
#[derive(Debug)]
pub struct Exported {
    /// Resources, or versions.
    pub lines: u64,
    /// Files, without the manifest.
    pub files: usize,
    /// Resources of ours whose secrets were left out.
    pub without_secrets: u64,
}

/// Exports the database of the settings, as it is at one moment.
pub async fn export(
    settings: Settings,
    request: ExportRequest,
    progress: Arc<TransferProgress>,
) -> Result<Exported, TransferError> {
    if let Database::Sqlite { path } = &settings.database
        && !path.exists()
    {
        let why = "there is no database to export".to_owned();
        return Err(TransferError::Unfit { path: path.clone(), why });
    }
    make_folder(&request.folder)?;
    let app = run::open_for_transfer(settings, Store::open).await;
    let app = app.map_err(TransferError::opening)?;
    let done = export_from(&app.store, request, progress).await;
    let closed = app.store.close().await;
    let done = done?;
    closed?;
    Ok(done)
}

fn make_folder(folder: &Path) -> Result<(), TransferError> {
    let failed = |error| TransferError::File { path: folder.to_owned(), error };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    if std::fs::read_dir(folder).map_err(failed)?.next().is_some() {
        let why = "not empty: an export begins in a folder of its own".to_owned();
        return Err(TransferError::Unfit { path: folder.to_owned(), why });
    }
    Ok(())
}

async fn export_from(
    store: &Store,
    request: ExportRequest,
    progress: Arc<TransferProgress>,
) -> Result<Exported, TransferError> {
    let exported = instant_text(now());
    let types = ResourceType::all().map(|of| (of, SystemTask::Export.rows(of))).collect();
    let what = if request.history { Dump::History } else { Dump::Current };
    let folder = request.folder.clone();
    let manifest = Manifest {
        firewarden: FORM.to_owned(),
        exported,
        history: request.history,
        sealed_secrets: request.sealed_secrets,
        without_secrets: 0,
        files: Vec::new(),
    };
    let exporting = Exporting { request, progress, manifest, open: None };
    let exporting = Arc::new(Mutex::new(exporting));
    let taking = Arc::clone(&exporting);
    let take = move |dumped: &Dumped<'_>| {
        taking.lock().unwrap_or_else(PoisonError::into_inner).take(dumped)
    };
    let in_folder = |error| TransferError::File { path: folder.clone(), error };
    store.dump(types, what, take).await.map_err(|error| match error {
        DumpError::Store(error) => TransferError::from(error),
        DumpError::Taker(error) => in_folder(error),
    })?;
    let mut exporting = exporting.lock().unwrap_or_else(PoisonError::into_inner);
    exporting.finish().map_err(in_folder)
}

struct Exporting {
    request: ExportRequest,
    progress: Arc<TransferProgress>,
    manifest: Manifest,
    open: Option<OpenFile>,
}

impl Exporting {
    fn take(&mut self, dumped: &Dumped<'_>) -> io::Result<()> {
        let of = dumped.target.resource_type;
        let fits = |open: &OpenFile| open.of == of && open.written < EXPORT_FILE_BYTES;
        if !self.open.as_ref().is_some_and(fits) {
            self.close_file()?;
        }
        let with_secrets = self.request.sealed_secrets;
        if !dumped.sealed.is_empty() && !with_secrets {
            self.manifest.without_secrets += 1;
        }
        let kept;
        let line = if self.request.history {
            kept = kept_version_text(dumped, with_secrets);
            kept.as_str()
        } else {
            dumped.body.unwrap_or_default()
        };
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(OpenFile::begin(&self.request, of, &self.manifest.files)?),
        };
        open.line(line)?;
        TransferProgress::add(&self.progress.resources, 1);
        Ok(())
    }

    fn close_file(&mut self) -> io::Result<()> {
        if let Some(open) = self.open.take() {
            self.manifest.files.push(open.close()?);
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<Exported> {
        self.close_file()?;
        let text = serde_json::to_string_pretty(&self.manifest).map_err(io::Error::other)?;
        let mut file = private(&self.request.folder.join(MANIFEST))?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        File::open(&self.request.folder)?.sync_all()?;
        let files = &self.manifest.files;
        Ok(Exported {
            lines: files.iter().map(|file| file.lines).sum(),
            files: files.len(),
            without_secrets: self.manifest.without_secrets,
        })
    }
}

/// Makes a file that is its owner's alone: there are records in it.
fn private(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

/// The file that is being written.
struct OpenFile {
    of: ResourceType,
    name: String,
    writer: BufWriter<Packed>,
    /// Bytes before they were compressed.
    written: u64,
    lines: u64,
}

enum Packed {
    Plain(Digested),
    Gzip(GzEncoder<Digested>),
}

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(bytes),
            Self::Gzip(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.flush(),
            Self::Gzip(file) => file.flush(),
        }
    }
}

/// A file whose bytes are counted and digested as they are written.
struct Digested {
    file: File,
    digest: Context,
    bytes: u64,
}

impl Write for Digested {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.digest.update(bytes.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl OpenFile {
    fn begin(
        request: &ExportRequest,
        of: ResourceType,
        before: &[ManifestFile],
    ) -> io::Result<Self> {
        let number = before.iter().filter(|file| file.resource_type == of.name()).count() + 1;
        let history = if request.history { ".history" } else { "" };
        let gz = if request.gzip { ".gz" } else { "" };
        let name = format!("{of}-{number:04}{history}.ndjson{gz}");
        let file = private(&request.folder.join(&name))?;
        let file = Digested { file, digest: Context::new(&SHA256), bytes: 0 };
        let packed = if request.gzip {
            Packed::Gzip(GzEncoder::new(file, Compression::fast()))
        } else {
            Packed::Plain(file)
        };
        let writer = BufWriter::with_capacity(1 << 18, packed);
        Ok(Self { of, name, writer, written: 0, lines: 0 })
    }

    fn line(&mut self, text: &str) -> io::Result<()> {
        self.writer.write_all(text.as_bytes())?;
        self.writer.write_all(b"\n")?;
        self.written += text.len() as u64 + 1;
        self.lines += 1;
        Ok(())
    }

    fn close(self) -> io::Result<ManifestFile> {
        let packed = self.writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        let Digested { file, digest, bytes } = match packed {
            Packed::Plain(file) => file,
            Packed::Gzip(file) => file.finish()?,
        };
        file.sync_all()?;
        Ok(ManifestFile {
            name: self.name,
            resource_type: self.of.name().to_owned(),
            lines: self.lines,
            bytes,
            sha256: hex(digest.finish().as_ref()),
        })
    }
}
