//! Secrets: a text that cannot be printed by mistake, and where it comes from.
//!
//! Promises: neither `Debug` nor serialisation shows a [`Secret`]; whoever needs it has to write `reveal`, which can be
//! searched for. Every secret of every make of store is a [`SecretFrom`], so that all can come from the environment, a
//! file, the service manager or the agent's own store of secrets; a complaint says from where it was to come and what
//! to do, never what it is. A file is refused that others may read, or that others may exchange.
//! Does not promise that a secret is wiped from memory.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::kept::{Kept, KeptError};
use super::rights;

/// What is shown instead of a secret.
const HIDDEN: &str = "***";
/// Where the service manager puts what the unit's `LoadCredential=` names (systemd.exec(5)).
pub const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Longest secret, in bytes; more is the wrong file.
pub const LONGEST: u64 = 64 * 1024;

/// A text that never shows itself.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text secret, without the white space around it (an editor's last newline in a token file).
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The text itself. Only for the request that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Is there nothing in it?
    pub fn is_empty(&self) -> bool {
        self.0.trim().is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(HIDDEN)
    }
}

/// Where a secret is: `"the text itself"`, or one of `{ env = "NAME" }`, `{ file = "PATH" }`, `{ credential = "NAME" }`,
/// `{ kept = "NAME" }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFrom {
    /// It stands in the configuration itself.
    Given(Secret),
    /// In this environment variable.
    Env(String),
    /// In this file.
    File(PathBuf),
    /// Among the credentials that systemd hands to the service, under this name.
    Credential(String),
    /// Kept by `tillbridge secret set` under this name.
    Kept {
        /// Its name.
        name: String,
        /// The agent's data folder ([`SecretFrom::resolve`] fills it in).
        data_folder: PathBuf,
    },
}

impl From<Secret> for SecretFrom {
    fn from(secret: Secret) -> Self {
        Self::Given(secret)
    }
}

/// Why there is no secret. The texts go on where `store.KEY: ` ends.
#[derive(Debug, thiserror::Error)]
pub enum SecretTrouble {
    /// No such variable, or no text in it.
    #[error("the environment variable {name} cannot be read ({why}); set it for the agent's service")]
    Env {
        /// Its name.
        name: String,
        /// Why.
        why: std::env::VarError,
    },
    /// The file cannot be read.
    #[error("the secret cannot be read from {} ({why})", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// The file is open to others.
    #[error("{} is open to others ({found}), so its secret is none. Close it: chmod 600 {}", path.display(), path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// How it is open.
        found: String,
    },
    /// The service was started without credentials.
    #[error(
        "there is no credential {name:?}: the service manager handed over none. Write LoadCredential={name}:/path/of/file \
         into the service's unit (systemctl edit tillbridge), and start the agent as that service"
    )]
    NoCredentials {
        /// The name of the one wanted.
        name: String,
    },
    /// A name that could lead elsewhere.
    #[error("{name:?} is no name for a secret; write letters, digits, - _ and . only, and no . at the start")]
    Name {
        /// The name.
        name: String,
    },
    /// Kept secrets.
    #[error(transparent)]
    Kept(#[from] KeptError),
    /// Nothing in it.
    #[error("{place} is empty")]
    Empty {
        /// From where it was read.
        place: String,
    },
}

impl SecretFrom {
    /// The secret, from wherever it is.
    ///
    /// # Errors
    /// When it is not there, is empty, or lies open to others.
    pub fn read(&self) -> Result<Secret, SecretTrouble> {
        let secret = match self {
            Self::Given(secret) => Secret::new(secret.reveal()),
            Self::Env(name) => {
                let text = std::env::var(name).map_err(|why| SecretTrouble::Env { name: name.clone(), why })?;
                Secret::new(&text)
            }
            Self::File(path) => read_file(path, true)?,
            Self::Credential(name) => credential(name, std::env::var_os(CREDENTIALS).map(PathBuf::from))?,
            Self::Kept { name, data_folder } => Kept::of(data_folder).read(&checked_name(name)?)?,
        };
        if secret.is_empty() { Err(SecretTrouble::Empty { place: self.place() }) } else { Ok(secret) }
    }

    /// Paths start at `base`, where the configuration is; kept secrets are in `data_folder`.
    pub fn resolve(&mut self, base: &Path, data_folder: &Path) {
        match self {
            Self::File(path) => *path = base.join(&*path),
            Self::Kept { data_folder: folder, .. } => *folder = data_folder.to_owned(),
            Self::Given(_) | Self::Env(_) | Self::Credential(_) => {}
        }
    }

    /// From where it comes, for messages; never what it is.
    pub fn place(&self) -> String {
        match self {
            Self::Given(_) => "the secret in the configuration".into(),
            Self::Env(name) => format!("the environment variable {name}"),
            Self::File(path) => path.display().to_string(),
            Self::Credential(name) => format!("the credential {name}"),
            Self::Kept { name, .. } => format!("the kept secret {name}"),
        }
    }
}

/// How a file is open to others, if it is: the configuration, in which a secret may stand.
///
/// # Errors
/// When it cannot be looked at.
pub fn open_to_others(path: &Path) -> std::io::Result<Option<String>> {
    rights::open_to_others(&std::fs::File::open(path)?)
}

/// A name that is one file's name in one folder, whatever it is.
///
/// # Errors
/// When it could be anything else.
pub fn checked_name(name: &str) -> Result<String, SecretTrouble> {
    /// Longest name, in bytes.
    const LONGEST_NAME: usize = 100;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > LONGEST_NAME || name.starts_with('.') || !name.bytes().all(plain) {
        return Err(SecretTrouble::Name { name: name.to_owned() });
    }
    Ok(name.to_owned())
}

/// A credential: a file in the folder that systemd made for this service alone, so its rights are systemd's to set.
fn credential(name: &str, folder: Option<PathBuf>) -> Result<Secret, SecretTrouble> {
    let name = checked_name(name)?;
    let Some(folder) = folder.filter(|folder| folder.join(&name).is_file()) else {
        return Err(SecretTrouble::NoCredentials { name });
    };
    read_file(&folder.join(&name), false)
}

fn read_file(path: &Path, strict: bool) -> Result<Secret, SecretTrouble> {
    let failed = |why| SecretTrouble::File { path: path.to_owned(), why };
    let file = std::fs::File::open(path).map_err(failed)?;
    // Asked of the open file: what is looked at is what is read.
    let open_to_others = if strict { rights::open_to_others(&file).map_err(failed)? } else { None };
    if let Some(found) = open_to_others {
        return Err(SecretTrouble::Open { path: path.to_owned(), found });
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(failed)?;
    Ok(Secret::new(&text))
}

/// The table form of [`SecretFrom`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    env: Option<String>,
    file: Option<PathBuf>,
    credential: Option<String>,
    kept: Option<String>,
}

impl Table {
    fn one(self) -> Option<SecretFrom> {
        let kept = |name| SecretFrom::Kept { name, data_folder: PathBuf::new() };
        match (self.env, self.file, self.credential, self.kept) {
            (Some(name), None, None, None) => Some(SecretFrom::Env(name)),
            (None, Some(path), None, None) => Some(SecretFrom::File(path)),
            (None, None, Some(name), None) => Some(SecretFrom::Credential(name)),
            (None, None, None, Some(name)) => Some(kept(name)),
            _ => None,
        }
    }
}

struct Form;

impl<'de> Visitor<'de> for Form {
    type Value = SecretFrom;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a secret: { file = \"PATH\" }, { kept = \"NAME\" }, { credential = \"NAME\" } or { env = \"NAME\" }",
        )
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SecretFrom, E> {
        Ok(SecretFrom::Given(Secret(text.to_owned())))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SecretFrom, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        table.one().ok_or_else(|| A::Error::custom("give exactly one of `file`, `kept`, `credential` and `env`"))
    }
}

impl<'de> Deserialize<'de> for SecretFrom {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Form)
    }
}

impl Serialize for SecretFrom {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let one = |word: &str, value: &str| std::collections::BTreeMap::from([(word.to_owned(), value.to_owned())]);
        match self {
            Self::Given(secret) => secret.serialize(to),
            Self::Env(name) => one("env", name).serialize(to),
            Self::File(path) => one("file", &path.display().to_string()).serialize(to),
            Self::Credential(name) => one("credential", name).serialize(to),
            Self::Kept { name, .. } => one("kept", name).serialize(to),
        }
    }
}

#[cfg(test)]
#[path = "secret_tests.rs"]
mod tests;
