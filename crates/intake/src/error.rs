use std::io;
use std::path::PathBuf;

/// A line that cannot be used, and why. Holds no value of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Number in its file, from 1.
    pub line: u64,
    /// Why.
    pub cause: String,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// It cannot be opened or read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Nothing is in it.
    #[error("`{}` is empty", path.display())]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// It is another kind of file.
    #[error("`{}` is not {expected}: {found}", path.display())]
    Kind {
        /// Which.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// What it seems to be.
        found: String,
    },
    /// Its columns are not those that are needed.
    #[error("`{}`: {what}", path.display())]
    Columns {
        /// Which.
        path: PathBuf,
        /// Which column is missing, or there twice.
        what: String,
    },
    /// A line is malformed.
    #[error("`{}` line {}: {}", path.display(), bad.line, bad.cause)]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, and why.
        bad: BadLine,
    },
    /// There are more distinct things than can be told apart.
    #[error("`{}`: {what}", path.display())]
    TooMany {
        /// Which file.
        path: PathBuf,
        /// Of what, and the bound.
        what: String,
    },
}
