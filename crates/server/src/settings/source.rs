//! Where a setting's value comes from.

use std::collections::HashMap;

use zeroize::Zeroizing;

/// Why the settings cannot be used. The text names the setting and never shows a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {what}")]
pub struct SettingsError {
    /// The setting, as in the environment.
    pub setting: String,
    /// What is wrong and how to mend it.
    pub what: String,
}

impl SettingsError {
    /// That there is something wrong with a setting.
    pub fn new(name: &str, what: impl Into<String>) -> Self {
        Self { setting: format!("FIREWARDEN_{name}"), what: what.into() }
    }
}

/// Reads a file's text; a port, so that settings can be read without a disk.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> std::io::Result<String>;

/// One place to look a setting up in.
type Source<'a> = &'a dyn Fn(&str) -> Result<Option<String>, SettingsError>;

/// The places a setting is looked up in, the first that has it wins.
pub struct Sources<'a> {
    /// Flags of the command line, by setting name.
    pub flags: HashMap<String, String>,
    /// The environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// The configuration file.
    pub file: toml::Table,
    /// Reads the files that `NAME_FILE` settings name.
    pub read_file: ReadFile<'a>,
}

impl Sources<'_> {
    /// The value of a setting, trimmed; an empty one counts as absent.
    pub(super) fn get(&self, name: &str) -> Result<Option<Zeroizing<String>>, SettingsError> {
        let in_file_name = format!("{name}_FILE");
        let sources: [Source<'_>; 3] = [
            &|name| Ok(self.flags.get(name).cloned()),
            &|name| Ok((self.environment)(&format!("FIREWARDEN_{name}"))),
            &|name| self.in_file(name),
        ];
        for source in sources {
            let value = source(name)?.map(Zeroizing::new);
            let file = source(&in_file_name)?;
            let value = match (value, file) {
                (Some(_), Some(_)) => {
                    let what = format!("set together with FIREWARDEN_{in_file_name}: keep one");
                    return Err(SettingsError::new(name, what));
                }
                (None, Some(path)) => Some(self.read(&in_file_name, &path)?),
                (value, None) => value,
            };
            if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
                return Ok(Some(Zeroizing::new(value.trim().to_owned())));
            }
        }
        Ok(None)
    }

    fn in_file(&self, name: &str) -> Result<Option<String>, SettingsError> {
        let Some(value) = self.file.get(&name.to_ascii_lowercase()) else {
            return Ok(None);
        };
        let text = |value: &toml::Value| match value {
            toml::Value::String(text) => Some(text.clone()),
            toml::Value::Integer(number) => Some(number.to_string()),
            toml::Value::Boolean(truth) => Some(truth.to_string()),
            toml::Value::Float(_)
            | toml::Value::Datetime(_)
            | toml::Value::Array(_)
            | toml::Value::Table(_) => None,
        };
        let joined = match value.as_array() {
            Some(items) => {
                items.iter().map(text).collect::<Option<Vec<_>>>().map(|items| items.join(","))
            }
            None => text(value),
        };
        let unreadable = || SettingsError::new(name, "not a text, a number or a list in the file");
        joined.map(Some).ok_or_else(unreadable)
    }

    fn read(&self, name: &str, path: &str) -> Result<Zeroizing<String>, SettingsError> {
        (self.read_file)(path)
            .map(Zeroizing::new)
            .map_err(|error| SettingsError::new(name, format!("cannot read `{path}`: {error}")))
    }
}
