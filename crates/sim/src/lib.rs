//! Workloads for demonstrations, tests and benchmarks: a PostgreSQL that exists for one run, a support
//! desk to put in it, and child processes that never outlive their parent.
//!
//! Nothing here knows of Rastro: what is measured through the gateway must be measurable without it.

mod desk;
mod leash;
mod scratch;
pub mod worlds;

pub use desk::{Customer, LoadError, LoadStep, SupportDesk, Ticket};
pub use leash::Leashed;
pub use scratch::{Auth, ScratchCluster, ScratchError, ScratchOptions, TlsFiles, find_postgres, free_port};
