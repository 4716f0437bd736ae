//! The settings of a command: its flags, the environment, the file of settings.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use clap::{Arg, ArgMatches};
use firewarden_server::settings::{SETTINGS, Settings, Sources};

/// The file of settings that is read when it is there.
const FILE: &str = "firewarden.toml";

/// The flags of those settings that a command takes, and the one that names the file. Secrets have no
/// flags: they would be seen in the list of processes.
pub(crate) fn flags(takes: impl Fn(&str) -> bool) -> Vec<Arg> {
    let flag = |name: &str| name.to_ascii_lowercase().replace('_', "-");
    let file = Arg::new("CONFIG")
        .long("config")
        .value_name("FILE")
        .help(format!("File of settings [default: {FILE}, if it is there]"));
    let taken = SETTINGS.iter().filter(|setting| !setting.secret && takes(setting.name));
    let taken = taken.map(|setting| {
        Arg::new(setting.name).long(flag(setting.name)).value_name("VALUE").help(setting.help)
    });
    [file].into_iter().chain(taken).collect()
}

/// Reads the settings.
#[expect(clippy::disallowed_methods, reason = "the environment is read here")]
pub(crate) fn read(arguments: &ArgMatches) -> anyhow::Result<Settings> {
    let sent = |name: &str| arguments.try_get_one::<String>(name).ok().flatten();
    let flags = SETTINGS
        .iter()
        .filter(|setting| !setting.secret)
        .filter_map(|setting| Some((setting.name.to_owned(), sent(setting.name)?.clone())));
    let sources = Sources {
        flags: flags.collect::<HashMap<_, _>>(),
        environment: &|name| std::env::var(name).ok(),
        file: file(sent("CONFIG").map(String::as_str))?,
        read_file: &|path| std::fs::read_to_string(path),
    };
    Ok(Settings::read(&sources)?)
}

/// The file of settings. One that was named must be there; nothing unreadable is passed over.
fn file(named: Option<&str>) -> anyhow::Result<toml::Table> {
    let path = named.unwrap_or(FILE);
    if named.is_none() && !Path::new(path).exists() {
        return Ok(toml::Table::new());
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{path}`"))?;
    // The error of the TOML reader shows the line, which may hold a secret.
    text.parse().map_err(|error: toml::de::Error| anyhow::anyhow!("`{path}`: {}", error.message()))
}
