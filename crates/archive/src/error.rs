use rastro_ledger::seal::SealError;

use crate::objects::StoreError;

/// Why an archive cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be written or read as Parquet.
    #[error("cannot use `{path}`")]
    Parquet {
        /// Which file.
        path: String,
        /// What the Parquet library said.
        source: parquet::errors::ParquetError,
    },
    /// A file holds what no archive writes.
    #[error("`{path}` has an unusable value in column `{column}`")]
    Malformed {
        /// Which file.
        path: String,
        /// Which column.
        column: &'static str,
    },
    /// The manifest is not one of this version.
    #[error("manifest `{path}` is damaged, or of a later version")]
    Manifest {
        /// Which file.
        path: String,
    },
    /// Entries do not go on where the archive ends.
    #[error("the archive ends before entry {expected}, but the ledger goes on at {found}")]
    Gap {
        /// Entry due.
        expected: u64,
        /// Entry found.
        found: u64,
    },
    /// Others changed the archive again and again meanwhile.
    #[error("others are changing the archive; try again")]
    Contended,
    /// The ledger cannot be read.
    #[error("cannot read the ledger")]
    Ledger(#[from] SealError),
    /// The spool cannot be read.
    #[error("cannot read the spool")]
    Spool(#[from] rastro_ledger::ReadError),
}

impl ArchiveError {
    pub(crate) fn parquet(path: &str) -> impl FnOnce(parquet::errors::ParquetError) -> ArchiveError {
        let path = path.to_owned();
        move |source| ArchiveError::Parquet { path, source }
    }

    pub(crate) fn malformed(path: &str) -> impl FnOnce(&'static str) -> ArchiveError {
        let path = path.to_owned();
        move |column| ArchiveError::Malformed { path, column }
    }
}
