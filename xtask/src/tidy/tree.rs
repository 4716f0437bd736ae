//! The project's text files, and what in them is production code.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::Finding;

/// What builds, tests and installs leave behind, and the seeds of the fuzz targets, whose every byte
/// counts.
const SKIPPED_FOLDERS: &[&str] =
    &[".git", ".jj", "target", "node_modules", "firewarden-data", "mutants.out", "corpus"];

/// The text files of the project, in the order of their paths.
pub(super) struct Tree {
    pub(super) files: Vec<TextFile>,
}

/// One text file; its path is relative to the project, with `/` between folders.
pub(super) struct TextFile {
    pub(super) path: String,
    pub(super) text: String,
}

impl Tree {
    /// Reads every text file below the folder.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        read_folder(folder, folder, &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| TextFile {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        Self { files: files.iter().map(file).collect() }
    }

    pub(super) fn file(&self, path: &str) -> Option<&TextFile> {
        self.files.iter().find(|file| file.path == path)
    }

    pub(super) fn rust_files(&self) -> impl Iterator<Item = &TextFile> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }
}

impl TextFile {
    pub(super) fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }

    /// The lines with their numbers, from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Whether nothing of the file is compiled into a program.
    pub(super) fn is_test(&self) -> bool {
        self.path.contains("/tests/")
            || self.path.contains("/benches/")
            || self.path.ends_with("/tests.rs")
            || self.path.starts_with("crates/testkit/")
    }

    /// The lines before the file's own tests.
    pub(super) fn production_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let tests = lines.windows(2).position(|pair| match pair {
            [attribute, module] => {
                *attribute == "#[cfg(test)]" && module.starts_with("mod ") && module.ends_with('{')
            }
            _ => false,
        });
        self.lines().take(tests.unwrap_or(lines.len()))
    }
}

fn read_folder(top: &Path, folder: &Path, files: &mut Vec<TextFile>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_symlink() || SKIPPED_FOLDERS.contains(&name) {
            continue;
        }
        if path.is_dir() {
            read_folder(top, &path, files)?;
        } else if let Ok(text) = String::from_utf8(fs::read(&path)?) {
            let parts = path.strip_prefix(top)?.iter().map(|part| part.to_string_lossy());
            files.push(TextFile { path: parts.collect::<Vec<_>>().join("/"), text });
        }
    }
    Ok(())
}
