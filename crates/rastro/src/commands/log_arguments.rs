use std::path::PathBuf;

use clap::Args;
use rastro_intake::{
    ACCESS_COLUMNS, AccessFormat, ColumnMap, SubjectTable, TableFormat, TimeFormat, split_fields,
};

use crate::config::Config;
use crate::incident::{LogSources, bad_lines};

/// Access logs, and how they are written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Access logs")]
pub(super) struct LogArguments {
    /// Access log: CSV with a header (plain or gzip), Parquet, or PostgreSQL's CSV log with pgaudit;
    /// `-` is standard input
    #[arg(long = "access-log", value_name = "FILE", num_args = 1..)]
    access_log: Vec<PathBuf>,
    /// Reasons, CSV: subject,principal,from,until,reason
    #[arg(long, value_name = "FILE", num_args = 1..)]
    reasons: Vec<PathBuf>,
    /// Headers of the columns time, principal, subject, fields, reason, statement where they differ
    #[arg(long, value_name = "NAME=HEADER,…", value_parser = parse_map)]
    map: Option<ColumnMap>,
    /// What stands between cells; found out from the header if missing
    #[arg(long, value_name = "CHAR", value_parser = parse_delimiter)]
    delimiter: Option<u8>,
    /// Zone of times without an offset, such as America/Sao_Paulo
    #[arg(long, value_name = "ZONE", value_parser = TimeFormat::in_zone)]
    time_zone: Option<TimeFormat>,
    /// Form of times that are not recognised, as for strptime: %d.%m.%Y %H:%M
    #[arg(long, value_name = "PATTERN")]
    time_format: Option<String>,
    /// What every access showed, for logs without a column of fields: name;email
    #[arg(long, value_name = "FIELDS")]
    shown_fields: Option<String>,
    /// For PostgreSQL's CSV log with pgaudit: the table of subjects; the configuration's if missing
    #[arg(long, value_name = "TABLE", requires = "subject_key")]
    subject_table: Option<String>,
    /// Its key column
    #[arg(long, value_name = "COLUMN", requires = "subject_table")]
    subject_key: Option<String>,
    /// Leave malformed lines out and count them, instead of ending with status 2
    #[arg(long)]
    skip_bad_lines: bool,
}

impl LogArguments {
    /// Returns the logs to read; `None` if none is given. Logs of pgaudit are read for the configuration's subjects
    /// of the `kind` given, or of its first.
    ///
    /// # Errors
    /// Reasons without a log; the configuration's tables cannot be used.
    pub(super) fn sources(
        &self,
        config: Option<&Config>,
        kind: Option<&str>,
    ) -> anyhow::Result<Option<LogSources>> {
        if self.access_log.is_empty() {
            anyhow::ensure!(self.reasons.is_empty(), "`--reasons` needs `--access-log`");
            return Ok(None);
        }
        let table = TableFormat {
            columns: self.map.clone().unwrap_or_default(),
            delimiter: self.delimiter,
            bad_lines: bad_lines(self.skip_bad_lines),
        };
        let times = TimeFormat { pattern: self.time_format.clone(), ..self.times() };
        let format = AccessFormat { table, times, shown_fields: self.shown_fields.clone() };
        let tables = self.tables(config, kind)?;
        Ok(Some(LogSources { logs: self.access_log.clone(), reasons: self.reasons.clone(), format, tables }))
    }

    /// Returns whether a log is given.
    pub(super) fn any(&self) -> bool {
        !self.access_log.is_empty()
    }

    /// Returns the tables of subjects: as given, with the fields that every access shows as its columns; or
    /// those of the configuration's kind.
    fn tables(&self, config: Option<&Config>, kind: Option<&str>) -> anyhow::Result<Vec<SubjectTable>> {
        if let (Some(table), Some(key)) = (&self.subject_table, &self.subject_key) {
            let shown = self.shown_fields.as_deref().map(split_fields).unwrap_or_default();
            let fields = shown.into_iter().map(|field| (field.clone(), field)).collect();
            return Ok(vec![SubjectTable { table: table.clone(), key: key.clone(), fields }]);
        }
        let Some(config) = config else { return Ok(Vec::new()) };
        let specs = config.subject_specs()?;
        let wanted = specs.iter().find(|spec| kind.is_none_or(|kind| kind == spec.name));
        let sources = wanted.into_iter().flat_map(|spec| spec.sources());
        Ok(sources
            .map(|(table, key, fields)| SubjectTable {
                table: table.to_string(),
                key: key.to_owned(),
                fields: fields.to_vec(),
            })
            .collect())
    }

    /// Returns the zone of times without an offset.
    pub(super) fn times(&self) -> TimeFormat {
        self.time_zone.clone().unwrap_or_default()
    }

    /// Returns how lists beside the log are read: under their own headers.
    pub(super) fn list_format(&self) -> TableFormat {
        TableFormat { bad_lines: bad_lines(self.skip_bad_lines), ..TableFormat::default() }
    }
}

fn parse_map(text: &str) -> Result<ColumnMap, String> {
    ColumnMap::parse(text, &ACCESS_COLUMNS)
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match (text, text.as_bytes()) {
        ("\\t" | "tab", _) => Ok(b'\t'),
        (_, [byte]) if !byte.is_ascii_alphanumeric() && !b"\"\r\n".contains(byte) => Ok(*byte),
        _ => Err("a delimiter is one character, such as `;`, or `tab`".to_owned()),
    }
}
