//! Local settings: one TOML file in the home, edited by commands and by hand.
//!
//! What is cluster-wide is not here: that is replicated (engine::cluster_map). Commands change the
//! file through [`ConfigFile`], which keeps comments and order. Called by the commands and by the
//! daemon, which reads it again on SIGHUP.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::home;

mod place;

pub use place::check_place;

/// The largest config file that is read, in bytes.
pub const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// Most folders in a config.
pub const FOLDERS_MAX: usize = 1024;
/// The longest delay, in milliseconds: one day.
pub const DELAY_MS_MAX: u64 = 24 * 3600 * 1000;

/// How a config file begins that a command made.
const OPENING: &str =
    "# Syncline: the settings of this node alone; `syncline config check` checks \
                       them.\n";

/// Why the settings cannot be used or changed. The file is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not readable, or not writable.
    #[error("cannot {action} {path}: {source}; nothing was changed")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// A key is unknown, a value is of the wrong shape, or it is no TOML.
    #[error("{path}, line {line}: {what}; nothing was changed; correct that line")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// A value that is well formed and makes no sense.
    #[error("{place}: {what}; nothing was changed")]
    Value {
        /// The file and key, or the argument.
        place: String,
        /// What is wrong and what would be right.
        what: String,
    },
}

/// The settings of one node. Every key of `config.toml` is a field here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// This node's name as people see it. Default: the host's name.
    pub name: String,
    /// Where peers connect to: `ADDR:PORT`. Port 0 takes a free one. Default `0.0.0.0:7420`.
    pub listen: SocketAddr,
    /// How peers reach this node, `HOST:PORT`, best first. Default: found out from the interfaces.
    #[serde(deserialize_with = "one_or_many")]
    pub advertise: Vec<String>,
    /// Where `/healthz` answers: `ADDR:PORT`, or `off`. Default `127.0.0.1:7421`.
    pub http: Http,
    /// The folders held here.
    #[serde(rename = "folder")]
    pub folders: Vec<FolderConfig>,
}

/// Where HTTP answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Http {
    /// Nowhere.
    Off,
    /// On this address.
    On(SocketAddr),
}

/// One folder held here: a `[[folder]]` table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderConfig {
    /// The folder's name in the cluster.
    pub name: String,
    /// Where its tree lies on this machine: absolute.
    pub path: PathBuf,
    /// How long a change rests before it is sent: `0s`, `500ms`, `10s`, `5m`. Default `0s`.
    #[serde(default)]
    pub delay: Delay,
    /// Whether nothing is sent or applied until `folder resume`. Default `false`.
    #[serde(default)]
    pub paused: bool,
}

/// A delay, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Delay(pub u64);

impl Default for Config {
    fn default() -> Config {
        Config {
            name: host_name(),
            listen: SocketAddr::from(([0, 0, 0, 0], 7420)),
            advertise: Vec::new(),
            http: Http::On(SocketAddr::from(([127, 0, 0, 1], 7421))),
            folders: Vec::new(),
        }
    }
}

impl TryFrom<String> for Http {
    type Error = String;
    fn try_from(text: String) -> Result<Http, String> {
        text.parse()
    }
}

impl std::str::FromStr for Http {
    type Err = String;
    fn from_str(text: &str) -> Result<Http, String> {
        if text == "off" {
            return Ok(Http::Off);
        }
        text.parse().map(Http::On).map_err(|_| format!("{text:?} is neither ADDR:PORT nor off"))
    }
}

impl std::fmt::Display for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Http::Off => f.write_str("off"),
            Http::On(address) => address.fmt(f),
        }
    }
}

impl TryFrom<String> for Delay {
    type Error = String;
    fn try_from(text: String) -> Result<Delay, String> {
        duration_ms(&text).filter(|ms| *ms <= DELAY_MS_MAX).map(Delay).ok_or_else(|| {
            format!("{text:?} is no delay; write a number with ms, s, m or h, at most 24h")
        })
    }
}

/// Reads `250ms`, `30s`, `5m`, `1h`, `2d`; a number alone is seconds. In milliseconds.
pub fn duration_ms(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor = match &text[digits..] {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(factor)
}

/// The machine's name, or `node`.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if crate::net::hello::is_valid_name(name) {
        name.to_owned()
    } else {
        "node".to_owned()
    }
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Either::deserialize(from)? {
        Either::One(one) => vec![one],
        Either::Many(many) => many,
    })
}

impl Config {
    /// Reads and checks a config file; one that is missing is the default.
    ///
    /// # Errors
    /// Not readable, or wrong: with file, line and what to write instead.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        Config::parse(&read_text(path)?, path)
    }

    /// Reads and checks the text of a config file called `path`.
    ///
    /// # Errors
    /// As for [`Config::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
        let config: Config = toml::from_str(text).map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            line: error.span().map_or(1, |span| line_of(text, span.start)),
            what: error.message().replace('\n', " "),
        })?;
        config.check(path)?;
        Ok(config)
    }

    fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let wrong = |key: &str, what: String| {
            Err(ConfigError::Value { place: format!("{}, {key}", path.display()), what })
        };
        if !crate::net::hello::is_valid_name(&self.name) {
            return wrong("name", "a name has 1 to 64 bytes, no control characters".to_owned());
        }
        for address in &self.advertise {
            if let Err(what) = check_host_port(address) {
                return wrong("advertise", what);
            }
        }
        if self.folders.len() > FOLDERS_MAX {
            return wrong("folder", format!("at most {FOLDERS_MAX} folders"));
        }
        for (at, folder) in self.folders.iter().enumerate() {
            let key = format!("folder {:?}", folder.name);
            if !engine::cluster_map::is_label(&folder.name) {
                return wrong(&key, "a name has 1 to 255 bytes, no control characters".to_owned());
            }
            if !folder.path.is_absolute() {
                return wrong(&key, format!("path {:?} must be absolute", folder.path));
            }
            for other in &self.folders[..at] {
                if other.name == folder.name {
                    return wrong(&key, "this name is there twice; keep one".to_owned());
                }
                if other.path.starts_with(&folder.path) || folder.path.starts_with(&other.path) {
                    let (a, b) = (other.path.display(), folder.path.display());
                    return wrong(&key, format!("{b} and {a} lie inside one another"));
                }
            }
        }
        Ok(())
    }

    /// The folder called `name`.
    pub fn folder(&self, name: &str) -> Option<&FolderConfig> {
        self.folders.iter().find(|folder| folder.name == name)
    }
}

/// Whether a text is `host:port` with a port of 1 to 65535.
///
/// # Errors
/// What is wrong with it.
pub fn check_host_port(text: &str) -> Result<(), String> {
    let fine = text.rsplit_once(':').is_some_and(|(host, port)| {
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let plain = !host.is_empty() && host.len() <= 253 && !host.contains(char::is_whitespace);
        plain && (bracketed || !host.contains(':')) && port.parse::<u16>().is_ok_and(|p| p > 0)
    });
    if fine {
        Ok(())
    } else {
        Err(format!("{text:?} is not HOST:PORT"))
    }
}

fn read_text(path: &Path) -> Result<String, ConfigError> {
    let fail = |source| ConfigError::Io { action: "read", path: path.to_owned(), source };
    match std::fs::metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(e) => return Err(fail(e)),
        Ok(metadata) if metadata.len() > CONFIG_BYTES_MAX => {
            return Err(fail(std::io::ErrorKind::FileTooLarge.into()))
        }
        Ok(_) => {}
    }
    std::fs::read_to_string(path).map_err(fail)
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// What `init` and `join` were told about this node; what is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSettings {
    /// Its name.
    pub name: Option<String>,
    /// Where it listens.
    pub listen: Option<SocketAddr>,
    /// How peers reach it.
    pub advertise: Vec<String>,
    /// Where `/healthz` answers.
    pub http: Option<Http>,
}

/// A config file that is being changed: comments, order and blank lines are kept.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    path: PathBuf,
    document: toml_edit::DocumentMut,
    is_new: bool,
}

impl ConfigFile {
    /// Opens the file for changes; a missing one starts with a comment.
    ///
    /// # Errors
    /// It cannot be read, or is wrong already.
    pub fn open(path: &Path) -> Result<ConfigFile, ConfigError> {
        let text = read_text(path)?;
        Config::parse(&text, path)?;
        let document = text.parse::<toml_edit::DocumentMut>().map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(&text, span.start));
            ConfigError::Syntax { path: path.to_owned(), line, what: error.message().to_owned() }
        })?;
        Ok(ConfigFile { path: path.to_owned(), document, is_new: text.is_empty() })
    }

    /// Sets what `settings` has.
    pub fn set_node(&mut self, settings: &NodeSettings) {
        if let Some(name) = &settings.name {
            self.set("name", toml_edit::value(name));
        }
        if let Some(listen) = settings.listen {
            self.set("listen", toml_edit::value(listen.to_string()));
        }
        if !settings.advertise.is_empty() {
            let list: toml_edit::Array = settings.advertise.iter().collect();
            self.set("advertise", toml_edit::value(list));
        }
        if let Some(http) = settings.http {
            self.set("http", toml_edit::value(http.to_string()));
        }
    }

    /// Puts a new value in place and keeps the comment behind the old one.
    fn set(&mut self, key: &str, mut item: toml_edit::Item) {
        let old = self.document.get(key).and_then(|old| old.as_value());
        if let (Some(old), Some(new)) = (old, item.as_value_mut()) {
            *new.decor_mut() = old.decor().clone();
        }
        self.document[key] = item;
    }

    /// Adds a folder, or changes the one of that name.
    pub fn put_folder(&mut self, folder: &FolderConfig) {
        let tables = self.document.entry("folder").or_insert(toml_edit::array());
        let Some(tables) = tables.as_array_of_tables_mut() else { return };
        let named = |table: &toml_edit::Table| {
            table.get("name").and_then(|name| name.as_str()) == Some(folder.name.as_str())
        };
        if !tables.iter().any(named) {
            tables.push(toml_edit::Table::new());
        }
        let at = tables.iter().position(named).unwrap_or(tables.len() - 1);
        let Some(table) = tables.get_mut(at) else { return };
        table["name"] = toml_edit::value(&folder.name);
        table["path"] = toml_edit::value(folder.path.to_string_lossy().as_ref());
        if folder.delay.0 != 0 || table.contains_key("delay") {
            table["delay"] = toml_edit::value(format!("{}ms", folder.delay.0));
        }
        if folder.paused || table.contains_key("paused") {
            table["paused"] = toml_edit::value(folder.paused);
        }
    }

    /// Takes a folder out; whether it was there.
    pub fn remove_folder(&mut self, name: &str) -> bool {
        let Some(tables) = self.document.get_mut("folder") else { return false };
        let Some(tables) = tables.as_array_of_tables_mut() else { return false };
        let before = tables.len();
        tables.retain(|table| table.get("name").and_then(|n| n.as_str()) != Some(name));
        before != tables.len()
    }

    /// Checks the changed text and says what it means, without writing it.
    ///
    /// # Errors
    /// The change makes no sense.
    pub fn check(&self) -> Result<Config, ConfigError> {
        Config::parse(&self.document.to_string(), &self.path)
    }

    /// Checks the changed text, replaces the file, and says what it means now.
    ///
    /// # Errors
    /// The change makes no sense, or cannot be written; the file is as before.
    pub fn save(&self) -> Result<Config, ConfigError> {
        let config = self.check()?;
        let opening = if self.is_new { OPENING } else { "" };
        let text = format!("{opening}{}", self.document);
        home::replace(&self.path, text.as_bytes()).map_err(|error| match error {
            home::HomeError::Io { path, source, .. } => {
                ConfigError::Io { action: "write", path, source }
            }
            other => ConfigError::Value {
                place: self.path.display().to_string(),
                what: other.to_string(),
            },
        })?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests;
