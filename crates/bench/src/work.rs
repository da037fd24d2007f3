//! What is measured: the works of a support desk, by protocol and number of clients.

use clap::ValueEnum;
use serde::Serialize;

/// Rows of one export; for `Form::CopyTable` the whole table is copied instead.
pub(crate) const EXPORT_ROWS: u64 = 100_000;

/// Rows of one fetch from a cursor.
pub(crate) const FETCH_ROWS: u64 = 1_000;

/// pgbench's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// One Query message.
    Simple,
    /// Parse, Bind, Execute each time.
    Extended,
    /// Parse once, then Bind, Execute.
    Prepared,
}

impl Mode {
    /// Returns pgbench's word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Extended => "extended",
            Self::Prepared => "prepared",
        }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

/// How rows are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Form {
    /// `SELECT` of a range, simple protocol.
    Select,
    /// `COPY (SELECT …) TO STDOUT`.
    CopyQuery,
    /// `COPY table TO STDOUT`.
    CopyTable,
    /// `DECLARE` and `FETCH`.
    Cursor,
}

/// One kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// A ticket number joined to its customer and that customer's tickets.
    Lookup(Mode),
    /// 50 customers by keyset paging, prepared.
    Page,
    /// 100,000 rows.
    Export(Form),
}

impl Work {
    /// Returns the row heading.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Lookup(mode) => format!("agent's lookup, {mode}"),
            Self::Page => "page of 50 customers, prepared".to_owned(),
            Self::Export(Form::Select) => "export of 100,000 rows, SELECT".to_owned(),
            Self::Export(Form::CopyQuery) => "export of 100,000 rows, COPY (SELECT)".to_owned(),
            Self::Export(Form::CopyTable) => "export of the table, COPY".to_owned(),
            Self::Export(Form::Cursor) => "export of 100,000 rows, cursor of 1,000".to_owned(),
        }
    }

    /// Returns what the rate counts each second.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Lookup(_) => "lookups",
            Self::Page => "pages",
            Self::Export(_) => "rows",
        }
    }
}

/// One line of the tables: a work with its number of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Cell {
    pub(crate) work: Work,
    pub(crate) clients: u32,
}

impl Cell {
    /// Returns whether latency is measured, with the cores kept awake.
    pub(crate) fn measures_latency(self) -> bool {
        self.clients == 1 && matches!(self.work, Work::Lookup(_))
    }

    /// Returns the row heading with the clients.
    pub(crate) fn name(self) -> String {
        let plural = if self.clients == 1 { "" } else { "s" };
        format!("{}, {} client{plural}", self.work.name(), self.clients)
    }
}
