//! One table whose values are indexed: which columns, and their values as a stream.

use std::pin::pin;

use anyhow::Context;
use futures_util::TryStreamExt;
use rastro_model::{FieldSet, KindId};
use tokio_postgres::{Client, Row};

use crate::config::ValueSource;
use crate::guarded::{quoted, quoted_relation, told};

// Rows looked at to tell whether a column's values are mostly distinct, and from how many on that tells.
const SAMPLE_ROWS: i64 = 20_000;
const TELLING_ROWS: i64 = 50;
// No value of these types is a person's own, or can be told from other text.
const NEVER: [&str; 16] = [
    "bool",
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "interval",
    "float4",
    "float8",
    "int2",
    "money",
    "json",
    "jsonb",
    "xml",
    "point",
    "bytea",
];

const COLUMNS_SQL: &str = "\
SELECT a.attname::text, coalesce(b.typname, t.typname)::text, c.relkind::text \
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype \
WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped";

/// A column to index.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) fields: FieldSet,
    /// Values of no particular shape are looked for too, as a whole.
    pub(super) texts: bool,
    pub(super) name: Name,
}

/// The name of a column.
#[derive(Debug)]
pub(super) struct Name {
    /// As it is written in the catalogue.
    pub(super) text: String,
    /// Of the type `character(n)`, whose values end in blanks that do not count.
    padded: bool,
}

impl Name {
    /// Returns a value as a cast to text would give it.
    pub(super) fn value_of<'v>(&self, value: &'v str) -> &'v str {
        if self.padded { value.trim_end_matches(' ') } else { value }
    }
}

/// A table to index.
#[derive(Debug)]
pub(super) struct Source {
    configured: ValueSource,
    pub(super) key: Name,
    pub(super) columns: Vec<Column>,
    // Changed rows can be told by the transaction that wrote them.
    has_xmin: bool,
}

/// Returns the number from which on transactions may not be seen by a statement that begins now.
pub(super) async fn horizon(client: &Client) -> anyhow::Result<i64> {
    const SQL: &str = "SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint";
    let row = client.query_one(SQL, &[]).await.map_err(told)?;
    Ok(row.try_get(0)?)
}

impl Source {
    /// Decides which of the configured columns are indexed. One that is missing is reported and left out.
    pub(super) async fn survey(client: &Client, configured: &ValueSource) -> anyhow::Result<Source> {
        let table = &configured.table;
        let rows = client.query(COLUMNS_SQL, &[&table.schema, &table.name]).await.map_err(told)?;
        let find = |column: &str| {
            let row = rows.iter().find(|row| row.get::<_, &str>(0) == column);
            row.with_context(|| format!("there is no column `{column}`"))
        };
        let name = |row: &Row| -> anyhow::Result<Name> {
            Ok(Name { text: row.try_get(0)?, padded: row.try_get::<_, &str>(1)? == "bpchar" })
        };
        let key = find(&configured.key)?;
        let mut source = Source {
            configured: configured.clone(),
            key: name(key)?,
            columns: Vec::new(),
            has_xmin: matches!(key.try_get(2)?, "r" | "p"),
        };
        for (fields, column) in &configured.columns {
            let row = match find(column) {
                Ok(row) => row,
                Err(error) => {
                    tracing::error!(%table, "values are not indexed: {error:#}");
                    continue;
                }
            };
            let wanted = configured.named
                || !NEVER.contains(&row.try_get(1)?)
                    && is_distinct(client, &quoted_relation(table), column).await?;
            if wanted {
                source.columns.push(Column { fields: *fields, texts: configured.named, name: name(row)? });
            }
        }
        Ok(source)
    }

    /// Returns which `[[subject]]` its values are of.
    pub(super) fn kind(&self) -> KindId {
        self.configured.kind
    }

    /// Returns what the configuration says of it.
    pub(super) fn configured(&self) -> &ValueSource {
        &self.configured
    }

    /// Calls `each` with key, column and value of every row, or of those written since `horizon` where that can
    /// be told.
    pub(super) async fn stream(
        &self,
        client: &Client,
        horizon: Option<i64>,
        mut each: impl FnMut(&str, &Column, &str) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if self.columns.is_empty() {
            return Ok(());
        }
        let names = self.columns.iter().map(|column| &column.name);
        let columns: String = names.map(|name| format!(", {}::text", quoted(&name.text))).collect();
        let changed = match horizon {
            Some(horizon) if self.has_xmin => {
                let xid = horizon.rem_euclid(1 << 32);
                format!(" WHERE pg_catalog.age(xmin) <= pg_catalog.age('{xid}'::xid)")
            }
            _ => String::new(),
        };
        let (key, table) = (quoted(&self.key.text), quoted_relation(&self.configured.table));
        let sql = format!("COPY (SELECT {key}::text{columns} FROM {table}{changed}) TO STDOUT");
        let mut rows = pin!(client.copy_out(&sql).await.map_err(told)?);
        let mut held = Vec::new();
        let (mut key, mut value) = (String::new(), String::new());
        while let Some(bytes) = rows.try_next().await.map_err(told)? {
            held.extend_from_slice(&bytes);
            let Some(whole) = held.iter().rposition(|byte| *byte == b'\n') else { continue };
            for line in held.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n') {
                let mut cells = line.split(|byte| *byte == b'\t');
                if !cells.next().is_some_and(|cell| read_cell(cell, &mut key)) {
                    continue;
                }
                for (cell, column) in cells.zip(&self.columns) {
                    if read_cell(cell, &mut value) {
                        each(&key, column, &value)?;
                    }
                }
            }
            held.drain(..=whole);
        }
        Ok(())
    }
}

async fn is_distinct(client: &Client, table: &str, column: &str) -> anyhow::Result<bool> {
    let column = quoted(column);
    let sql = format!(
        "SELECT count(value), count(DISTINCT value) \
         FROM (SELECT {column}::text AS value FROM {table} WHERE {column} IS NOT NULL LIMIT {SAMPLE_ROWS}) s"
    );
    let row = client.query_one(&sql, &[]).await.map_err(told)?;
    let (values, distinct): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    Ok(values < TELLING_ROWS || distinct.saturating_mul(2) >= values)
}

// COPY's text format; returns false for NULL.
fn read_cell(cell: &[u8], to: &mut String) -> bool {
    to.clear();
    if cell == b"\\N" {
        return false;
    }
    let text = String::from_utf8_lossy(cell);
    if !text.contains('\\') {
        to.push_str(&text);
        return true;
    }
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => to.push('\n'),
            ('\\', Some('t')) => to.push('\t'),
            ('\\', Some('r')) => to.push('\r'),
            ('\\', Some('b')) => to.push('\u{8}'),
            ('\\', Some('f')) => to.push('\u{c}'),
            ('\\', Some('v')) => to.push('\u{b}'),
            ('\\', Some(other)) => to.push(other),
            (other, _) => to.push(other),
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copied_cells_are_read_as_they_were() {
        let mut to = String::new();
        assert!(!read_cell(br"\N", &mut to));
        assert!(read_cell(br"a\tb\\c\nd", &mut to));
        assert_eq!(to, "a\tb\\c\nd");
        assert!(read_cell(b"", &mut to) && to.is_empty());
    }
}
