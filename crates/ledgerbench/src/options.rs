use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Builds a ledger of a support desk's year and measures it beside PostgreSQL, DuckDB and an audit log.
#[derive(Debug, Parser)]
#[command(name = "rastro-ledgerbench", after_help = "Example:\n  ./bench ledger --disclosures 20000000")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) part: Option<Part>,
    #[command(flatten)]
    pub(crate) options: Options,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Disclosures of the year, those of bulk reads included
    #[arg(long, default_value_t = 100_000_000)]
    pub(crate) disclosures: u64,
    /// Days they are spread over
    #[arg(long, default_value_t = 365)]
    pub(crate) days: u32,
    /// Subjects there are
    #[arg(long, default_value_t = 12_000_000)]
    pub(crate) subjects: u32,
    /// People and services that are shown them
    #[arg(long, default_value_t = 5_000)]
    pub(crate) principals: u32,
    /// Seed of the year
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Most disclosures for which PostgreSQL is filled with the same data; 0 leaves it out
    #[arg(long, default_value_t = 30_000_000)]
    pub(crate) postgres_max: u64,
    /// Most bytes of the audit log written; its scan is timed on as much
    #[arg(long, default_value_t = 1_000_000_000)]
    pub(crate) log_bytes_max: u64,
    /// Interpreter with the module `duckdb`; without it DuckDB is left out
    #[arg(long)]
    pub(crate) python: Option<PathBuf>,
    /// Directory to work in; default: a temporary one
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// File of the results
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Part {
    /// Asks an archive one question, cold then warm, in a process of its own
    #[command(hide = true)]
    Ask {
        /// The data directory
        dir: PathBuf,
        /// The question
        #[arg(value_enum)]
        question: Question,
        /// Keys of subjects, or the name of a principal
        about: Vec<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Question {
    /// Who saw these subjects, when, what of them
    WhoSaw,
    /// Everything a principal was shown
    SubjectsOf,
}
