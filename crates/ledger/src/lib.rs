//! The ledger: its *spool*, the durable append-only log of disclosures, and the proof over it: [`seal`] grows a
//! Merkle tree behind the spool and signs checkpoints, [`witness`] has them cosigned, [`verify`] checks all offline.
//!
//! ```no_run
//! # async fn show() -> Result<(), Box<dyn std::error::Error>> {
//! use rastro_ledger::{DisclosureEntry, Outcome, Schema, SessionFacts, Spool, SpoolConfig};
//! use rastro_model::{Login, Principal, ShownBatch, Timestamp};
//!
//! let schema = Schema { kinds: vec!["customer".into()], fields: vec!["name".into(), "email".into()] };
//! let spool = Spool::open(SpoolConfig::new("rastro-data/spool", schema))?;
//! let session = spool.session(&SessionFacts {
//!     login: Login::new("helpdesk"),
//!     client_addr: "10.0.0.7:51000".into(),
//!     database: "support".into(),
//!     application: String::new(),
//! });
//! let principal = spool.principal(&Principal::new("ana"));
//! let text = spool.statement_text(7, "SELECT * FROM customers WHERE id = $1");
//! let batch = ShownBatch::default(); // filled by the attribution
//! let no = spool.append_disclosure(&DisclosureEntry {
//!     time: Timestamp(1_700_000_000_000_000),
//!     session: &session,
//!     principal: &principal,
//!     statement: 1,
//!     text: &text,
//!     outcome: Outcome::Completed,
//!     batch: &batch,
//!     rows: batch.rows(),
//! })?;
//! spool.until_durable(no).await?; // only now may the rows be released
//! spool.close()?;
//! # Ok(()) }
//! ```
//!
//! An append encodes the entry into memory and returns; one thread writes and syncs whatever waits, in one
//! go for all sessions. The files are described byte by byte in `docs/ledger-format.md`.
//!
//! Entry numbers rise by one. When the disk is full, the entries that wait are dropped for good and their
//! numbers are not used again in this run; [`Spool::durable`] passes over them, [`Spool::settled`] and
//! [`Spool::poll_durable`] report them as errors. Keeps P2 and P4.

mod body;
mod bytes;
pub mod checkpoint;
mod commit;
mod decode;
mod decode_any;
mod disclosures;
mod disk;
mod encode;
mod entry;
pub mod erase;
mod frame;
mod leaf;
pub mod merkle;
mod names;
pub mod note;
mod placed;
mod reader;
mod recover;
mod replay;
mod salts;
pub mod seal;
mod sealed;
mod set;
#[cfg(test)]
mod sim;
mod spool;
pub mod store;
pub mod verify;
pub mod witness;

pub use bytes::FormatError;
pub use decode::{
    Brief, BriefContent, BriefDisclosure, BriefReason, Content, Control, Disclosure, Entry, ErasedReason,
    Erasure, Reason, Session, SessionAccount, StatementText, SubjectSet,
};
pub use decode_any::{decode_body, decode_file};
pub use disclosures::{DisclosureRecord, Disclosures, Filter, disclosures};
pub use disk::{Directory, DirectoryDisk, Disk, Files};
pub use encode::Schema;
pub use entry::{
    Account, AccountEntry, ControlEntry, ControlKind, DisclosureEntry, EntryNo, ErasureEntry, Outcome,
    ReasonEntry,
};
pub use frame::{FileFacts, HEADER_LEN, HeaderError};
pub use leaf::LEAF_DATA_LEN;

pub use names::{PrincipalRef, SessionFacts, SessionRef, TEXT_MAX, TextRef};
pub use placed::{LeafWalk, PlacedEntries, PlacedEntry};
pub use reader::{Origins, Position, ReadError, SpoolReader, spool_bytes};
pub use recover::OpenError;
pub use replay::replay;
pub use salts::SaltError;
pub use sealed::{SealedEntries, SealedEntry, prove_entry};
pub use set::{SUBJECTS_MAX, Subjects, decode_set, encode_set};
pub use spool::{AppendError, Durability, DurableWatch, Health, Spool, SpoolConfig, StoreError};
