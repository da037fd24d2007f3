use clap::{Args, ValueEnum};

use super::ledger_place::LedgerPlace;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    rastro sql \"SELECT principal, count(DISTINCT subject) FROM disclosures GROUP BY principal\"\n  \
    rastro sql --format csv \"SELECT * FROM statements WHERE what = 'suspended'\"\n\n\
    Tables: statements (a row an entry), disclosures (a row a subject of an entry), with what stands in the\n\
    spool; SHOW COLUMNS FROM disclosures lists columns. Works also while `rastro serve` runs.")]
pub(super) struct SqlArguments {
    /// One statement
    sql: String,
    /// Form of the output
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    place: LedgerPlace,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// Columns for people
    Table,
    /// One array
    Json,
    /// One object per line
    Ndjson,
    /// With a header
    Csv,
}

#[cfg(not(feature = "query"))]
pub(super) fn run(arguments: &SqlArguments) -> super::CommandResult {
    let SqlArguments { sql: _, format: _, place: _ } = arguments;
    let how = "build it with `cargo build --release -p rastro --features query`";
    Err(anyhow::anyhow!("this program was built without SQL over the ledger: {how}").into())
}

#[cfg(feature = "query")]
pub(super) use with_engine::run;

#[cfg(feature = "query")]
mod with_engine {
    use std::io::{self, Write};

    use anyhow::Context;
    use rastro_archive::sql::{Batch, Columns, Printed, query};

    use super::super::{CommandResult, output};
    use super::{Format, SqlArguments};

    pub(in super::super) fn run(arguments: &SqlArguments) -> CommandResult {
        let (data_dir, config) = arguments.place.open()?;
        let reader = crate::store::reader(&data_dir, config.as_ref())?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let mut sheet = Sheet { output: output::standard_output(), format: arguments.format, rows: 0 };
        let done =
            runtime.block_on(query(reader, &arguments.sql, |columns, batch| sheet.take(columns, batch)));
        done.context("cannot answer")?;
        sheet.finish()?;
        Ok(())
    }

    struct Sheet<W: Write> {
        output: W,
        format: Format,
        rows: u64,
    }

    impl<W: Write> Sheet<W> {
        fn take(&mut self, columns: &Columns, batch: Option<&Batch>) -> io::Result<()> {
            let Some(batch) = batch else { return self.head(columns) };
            let printed = Printed::of(batch).map_err(io::Error::other)?;
            for row in 0..batch.num_rows() {
                let cells = printed.row(row);
                match self.format {
                    Format::Table => {
                        let cells: Vec<String> = cells
                            .iter()
                            .map(|cell| cell.text().replace(char::is_control, "\u{fffd}"))
                            .collect();
                        writeln!(self.output, "{}", cells.join("  "))?;
                    }
                    Format::Csv => self.csv_line(cells.iter().map(|cell| cell.text()))?,
                    Format::Json | Format::Ndjson => {
                        let names = columns.fields().iter().map(|field| field.name().clone());
                        let object: serde_json::Map<_, _> =
                            names.zip(cells.iter().map(|cell| cell.json())).collect();
                        if self.format == Format::Json {
                            self.output.write_all(if self.rows == 0 { b"[\n" } else { b",\n" })?;
                        }
                        serde_json::to_writer(&mut self.output, &object)?;
                        if self.format == Format::Ndjson {
                            self.output.write_all(b"\n")?;
                        }
                    }
                }
                self.rows += 1;
            }
            Ok(())
        }

        fn head(&mut self, columns: &Columns) -> io::Result<()> {
            let names: Vec<&str> = columns.fields().iter().map(|field| field.name().as_str()).collect();
            match self.format {
                Format::Table => writeln!(self.output, "{}", names.join("  ").to_uppercase()),
                Format::Csv => self.csv_line(names),
                Format::Json | Format::Ndjson => Ok(()),
            }
        }

        fn csv_line(&mut self, cells: impl IntoIterator<Item: AsRef<[u8]>>) -> io::Result<()> {
            let mut line = csv::Writer::from_writer(Vec::new());
            line.write_record(cells)?;
            let line = line.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
            self.output.write_all(&line)
        }

        fn finish(mut self) -> io::Result<()> {
            if self.format == Format::Json {
                self.output.write_all(if self.rows == 0 { b"[]\n" } else { b"\n]\n" })?;
            }
            self.output.flush()
        }
    }
}
