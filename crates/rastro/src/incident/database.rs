use std::collections::BTreeMap;

use anyhow::{Context, bail};
use rastro_attribution::SubjectSpec;
use tokio_postgres::Client;

use crate::config::Config;
use crate::guarded::{OwnConnection, quoted, quoted_relation, told};

/// Subjects whose cohorts are read; a larger table would take longer than the answer is worth.
const COHORT_SUBJECTS_MAX: u64 = 3_000_000;
/// Keys asked for at once.
const KEYS_MAX: usize = 10_000;

/// The key of a subject (as text), and its cohorts: column and value.
type Cohorts = (String, Vec<(String, String)>);

/// The guarded database, as far as an investigation asks it: who has an address, how many there are, which
/// cohorts they are in. Each answer is one query on its own connection of Rastro's role.
pub(crate) struct Guarded {
    connection: OwnConnection,
    subject: SubjectSpec,
}

impl Guarded {
    /// Takes the `[[subject]]` of a configuration that is called `kind`.
    ///
    /// # Errors
    /// There is none, or the configuration names no usable server.
    pub(crate) fn new(config: &Config, kind: &str) -> anyhow::Result<Guarded> {
        let subject = config.subject_specs()?.into_iter().find(|subject| subject.name == kind);
        let subject = subject.with_context(|| format!("the configuration has no [[subject]] `{kind}`"))?;
        Ok(Guarded { connection: OwnConnection::resolve(config)?, subject })
    }

    /// Returns which keys (as text) have each of `values` in `field`: e-mails whatever their case, phone
    /// numbers by their digits. A value that several subjects share is there several times.
    ///
    /// # Errors
    /// The field is not configured, or the server does not answer.
    pub(crate) fn find_subjects(
        &self,
        field: &str,
        values: &[String],
    ) -> anyhow::Result<Vec<(String, String)>> {
        let mut sources = self.subject.sources().filter_map(|(table, key, fields)| {
            fields.iter().find(|(name, _)| name == field).map(|(_, column)| (table, key, column))
        });
        let Some((table, key, column)) = sources.next() else {
            bail!("victims are named by `{field}`, which is not a field of subject `{}`", self.subject.name);
        };
        let column = quoted(column);
        let canonical = match field {
            "phone" => format!("regexp_replace({column}::text, '[^0-9]', '', 'g')"),
            _ => format!("lower({column}::text)"),
        };
        let sql = format!(
            "SELECT DISTINCT {}::text, {canonical} FROM {} WHERE {canonical} = ANY($1)",
            quoted(key),
            quoted_relation(table)
        );
        let asked: Vec<String> = values.iter().map(|value| canonical_value(field, value)).collect();
        let rows = self.ask(async |client| client.query(&sql, &[&asked]).await)?;
        let mut found = Vec::new();
        for row in &rows {
            let (subject, canonical): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            for (value, _) in values.iter().zip(&asked).filter(|(_, asked)| **asked == canonical) {
                found.push((value.clone(), subject.clone()));
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Returns how many subjects there are.
    ///
    /// # Errors
    /// The server does not answer.
    pub(crate) fn population(&self) -> anyhow::Result<u64> {
        let sql = format!("SELECT count(*) FROM {}", quoted_relation(&self.subject.table));
        let row = self.ask(async |client| client.query_one(&sql, &[]).await)?;
        Ok(u64::try_from(row.try_get::<_, i64>(0)?)?)
    }

    /// Returns the cohorts of every subject, as key and labels such as `language=en`; nothing if there are no
    /// cohorts, or more than 3 million subjects.
    ///
    /// # Errors
    /// The server does not answer.
    pub(crate) fn cohorts(&self, population: u64) -> anyhow::Result<Vec<(String, Vec<String>)>> {
        if self.subject.cohorts.is_empty() || population > COHORT_SUBJECTS_MAX {
            return Ok(Vec::new());
        }
        let rows = self.cohort_rows("")?;
        Ok(rows
            .into_iter()
            .map(|(key, labels)| (key, labels.into_iter().map(|(c, v)| format!("{c}={v}")).collect()))
            .collect())
    }

    /// Returns `(cohort column, value)` of the subjects with these keys (as text).
    fn cohorts_of(&self, keys: &[String]) -> anyhow::Result<Vec<Cohorts>> {
        let mut all = Vec::new();
        for some in keys.chunks(KEYS_MAX) {
            let list =
                some.iter().map(|key| format!("'{}'", key.replace('\'', "''"))).collect::<Vec<_>>().join(",");
            all.extend(self.cohort_rows(&format!(" WHERE {}::text IN ({list})", quoted(&self.subject.key)))?);
        }
        Ok(all)
    }

    fn cohort_rows(&self, condition: &str) -> anyhow::Result<Vec<Cohorts>> {
        let columns: String =
            self.subject.cohorts.iter().map(|column| format!(", {}::text", quoted(column))).collect();
        let sql = format!(
            "SELECT {}::text{columns} FROM {}{condition}",
            quoted(&self.subject.key),
            quoted_relation(&self.subject.table)
        );
        let rows = self.ask(async |client| client.query(&sql, &[]).await)?;
        let mut all = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut labels = Vec::new();
            for (position, column) in self.subject.cohorts.iter().enumerate() {
                if let Some(value) = row.try_get::<_, Option<String>>(position + 1)? {
                    labels.push((column.clone(), value));
                }
            }
            all.push((row.try_get(0)?, labels));
        }
        Ok(all)
    }

    fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
    ) -> anyhow::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let client = self.connection.connect(None).await.context("cannot ask the guarded database")?;
            question(&client).await.map_err(told).context("cannot ask the guarded database")
        })
    }
}

/// Counts subjects by cohort: column, value, subjects.
///
/// # Errors
/// The server does not answer.
pub(crate) fn cohort_counts(
    guarded: &Guarded,
    keys: &[String],
) -> anyhow::Result<BTreeMap<String, BTreeMap<String, u64>>> {
    let mut counts: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    if guarded.subject.cohorts.is_empty() {
        return Ok(counts);
    }
    for (_, labels) in guarded.cohorts_of(keys)? {
        for (column, value) in labels {
            *counts.entry(column).or_default().entry(value).or_default() += 1;
        }
    }
    Ok(counts)
}

fn canonical_value(field: &str, value: &str) -> String {
    match field {
        "phone" => value.chars().filter(char::is_ascii_digit).collect(),
        _ => value.trim().to_lowercase(),
    }
}
