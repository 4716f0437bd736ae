//! Where PostgreSQL's programs are.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder of programs to use in place of the newest that are installed.
const FOLDER: &str = "FIREWARDEN_TEST_POSTGRES";
/// Set by continuous integration: a machine without PostgreSQL is then a failure.
const REQUIRED: &str = "FIREWARDEN_REQUIRE_POSTGRES";
/// Debian and its kin have a folder of each major version here.
const DEBIAN_FOLDER: &str = "/usr/lib/postgresql";
const PROGRAMS: [&str; 4] = ["initdb", "pg_basebackup", "pg_ctl", "postgres"];

/// The folder of the programs; `None` if PostgreSQL is neither installed nor required.
pub(super) fn folder() -> Result<Option<PathBuf>, String> {
    if let Some(folder) = environment(FOLDER).map(PathBuf::from) {
        let found = if is_whole(&folder) {
            Ok(Some(folder))
        } else {
            Err(format!("`{FOLDER}` is not a folder with {}", PROGRAMS.join(", ")))
        };
        return found;
    }
    let found = newest_below(Path::new(DEBIAN_FOLDER)).or_else(in_path);
    if found.is_none() && environment(REQUIRED).is_some() {
        return Err("PostgreSQL is required and not installed".to_owned());
    }
    Ok(found)
}

#[expect(clippy::disallowed_methods, reason = "a test has no settings but the environment")]
pub(super) fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn is_whole(folder: &Path) -> bool {
    PROGRAMS.iter().all(|program| folder.join(program).is_file())
}

fn newest_below(folder: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(folder).ok()?.filter_map(|entry| {
        let entry = entry.ok()?;
        let major: u32 = entry.file_name().to_str()?.parse().ok()?;
        let programs = entry.path().join("bin");
        is_whole(&programs).then_some((major, programs))
    });
    versions.max().map(|(_, programs)| programs)
}

fn in_path() -> Option<PathBuf> {
    let path = environment("PATH")?;
    std::env::split_paths(&path).find(|folder| is_whole(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_version_is_taken() {
        let folder =
            std::env::temp_dir().join(format!("firewarden-versions-{}", std::process::id()));
        for (version, programs) in
            [("9", &PROGRAMS[..]), ("15", &PROGRAMS), ("16", &PROGRAMS[..2]), ("doc", &PROGRAMS)]
        {
            let bin = folder.join(version).join("bin");
            fs::create_dir_all(&bin).unwrap();
            for program in programs {
                fs::write(bin.join(program), "").unwrap();
            }
        }
        let newest = newest_below(&folder);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(newest, Some(folder.join("15/bin")));
        assert_eq!(newest_below(&folder), None);
    }
}
