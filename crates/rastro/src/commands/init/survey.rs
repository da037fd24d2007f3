//! Reads tables, columns, keys and a few values from the catalogue.

use tokio_postgres::{Client, Error};

use super::{shapes, words};
use crate::guarded::quoted;

/// Values looked at per column.
const SAMPLE: u32 = 200;
/// Columns whose values are looked at, over all tables.
const SAMPLED_COLUMNS_MAX: usize = 500;

/// A table as the catalogue describes it.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) rows: i64,
    /// The only column of the primary key.
    pub(super) key: Option<String>,
    pub(super) columns: Vec<Column>,
    pub(super) references: Vec<Reference>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) is_text: bool,
    /// The field it seems to hold.
    pub(super) field: Option<&'static str>,
}

/// A foreign key of one column.
#[derive(Clone, Debug, Default)]
pub(super) struct Reference {
    pub(super) column: String,
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) target: String,
}

const TABLES: &str = "SELECT c.oid, n.nspname::text, c.relname::text, greatest(c.reltuples, 0)::bigint, \
      (SELECT a.attname::text FROM pg_index i JOIN pg_attribute a \
         ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
       WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1) \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT LIKE 'pg\\_%' \
      AND n.nspname <> 'information_schema' ORDER BY 2, 3";
const COLUMNS: &str = "SELECT a.attname::text, t.typcategory = 'S', \
      has_column_privilege(a.attrelid, a.attnum, 'SELECT') AND has_schema_privilege(c.relnamespace, 'USAGE') \
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid \
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";
const REFERENCES: &str = "SELECT a.attname::text, n.nspname::text, f.relname::text, b.attname::text \
    FROM pg_constraint k JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace n ON n.oid = f.relnamespace \
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1] \
    JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = k.confkey[1] \
    WHERE k.contype = 'f' AND k.conrelid = $1 AND array_length(k.conkey, 1) = 1 ORDER BY k.conname";

/// Returns every ordinary table, its columns marked with the field that name or values speak of.
pub(super) async fn survey(client: &Client) -> Result<Vec<Table>, Error> {
    client.batch_execute("SET default_transaction_read_only = on; SET statement_timeout = '30s'").await?;
    let mut tables = Vec::new();
    let mut sampled = 0;
    for row in client.query(TABLES, &[]).await? {
        let oid: u32 = row.try_get(0)?;
        let mut table = Table {
            schema: row.try_get(1)?,
            name: row.try_get(2)?,
            rows: row.try_get(3)?,
            key: row.try_get(4)?,
            ..Table::default()
        };
        for row in client.query(COLUMNS, &[&oid]).await? {
            let (name, is_text, readable): (String, bool, bool) =
                (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let mut field = words::field_of(&name);
            let is_key = table.key.as_deref() == Some(name.as_str());
            if field.is_none() && is_text && readable && !is_key && sampled < SAMPLED_COLUMNS_MAX {
                sampled += 1;
                field = shapes::field_of_values(&sample(client, &table, &name).await);
            }
            table.columns.push(Column { name, is_text, field });
        }
        for row in client.query(REFERENCES, &[&oid]).await? {
            table.references.push(Reference {
                column: row.try_get(0)?,
                schema: row.try_get(1)?,
                table: row.try_get(2)?,
                target: row.try_get(3)?,
            });
        }
        tables.push(table);
    }
    Ok(tables)
}

/// Returns some values; none if they cannot be had, which costs only a guess.
async fn sample(client: &Client, table: &Table, column: &str) -> Vec<String> {
    let (schema, name, column) = (quoted(&table.schema), quoted(&table.name), quoted(column));
    let sql = format!(
        "SELECT left({column}::text, 200) FROM {schema}.{name} WHERE {column} IS NOT NULL LIMIT {SAMPLE}"
    );
    let rows = client.query(&sql, &[]).await.unwrap_or_default();
    rows.iter().filter_map(|row| row.try_get(0).ok()).collect()
}
