//! Where the records are: the value of `APIM_DR_RECORDS`.

use std::{fmt, path::PathBuf, str::FromStr};

/// A place for the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// `memory:`; gone with the process.
    Memory,
    /// `file:<dir>`
    Directory(PathBuf),
}

/// A value that names no place.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("give file:<directory> or memory:")]
pub struct InvalidLocation;

impl FromStr for Location {
    type Err = InvalidLocation;

    fn from_str(text: &str) -> Result<Self, InvalidLocation> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("file", path)) if !path.is_empty() => Ok(Self::Directory(PathBuf::from(path))),
            _ => Err(InvalidLocation),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Directory(path) => write!(f, "file:{}", path.display()),
        }
    }
}
