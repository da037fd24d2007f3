//! What the guarded server must provide: tables, columns, rights, a reason query, the time.

use std::collections::HashMap;

use rastro_attribution::{RelationName, SubjectSpec};
use rastro_model::{Clock, SystemClock};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::Findings;
use crate::config::{Config, Freshness};
use crate::guarded::{OwnConnection, told};
use crate::publication::Publication;

/// Reasons and budgets compare times of both machines.
const CLOCK_SKEW_MICROS_MAX: i64 = 5_000_000;

const RELATION: &str = "SELECT c.oid, c.relkind::text, has_schema_privilege(n.oid, 'USAGE') \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')";
const COLUMNS: &str = "SELECT attname::text, has_column_privilege(attrelid, attnum, 'SELECT') \
    FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped";
const UNIQUE: &str = "SELECT EXISTS (SELECT FROM pg_index i \
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
    WHERE i.indrelid = $1 AND i.indisunique AND i.indnkeyatts = 1 AND i.indpred IS NULL AND a.attname = $2)";

pub(super) async fn check(config: &Config, findings: &mut Findings) {
    let connected = match OwnConnection::resolve(config) {
        Ok(connection) => connection.connect(None).await,
        Err(error) => Err(error),
    };
    let client = match connected {
        Ok(client) => client,
        Err(error) => {
            findings.problem(format!("`database`: cannot connect: {error:#}"));
            return;
        }
    };
    for spec in config.subject_specs().unwrap_or_default() {
        if let Err(error) = check_subject(&client, &spec, findings).await {
            findings.problem(format!(
                "subject `{}`: cannot read the catalogue: {:#}",
                spec.name,
                told(error)
            ));
        }
    }
    if let Some(reason) = &config.reason {
        check_reason(&client, &reason.query, findings).await;
    }
    match clock_skew_micros(&client).await {
        Ok(skew) if skew.abs() > CLOCK_SKEW_MICROS_MAX => {
            let seconds = skew / 1_000_000;
            findings.problem(format!("`database`: its clock is {seconds} s ahead of this machine's"));
        }
        Ok(_) => {}
        Err(error) => findings.problem(format!("`database`: cannot read its clock: {:#}", told(error))),
    }
    check_freshness(config, &client, findings).await;
}

async fn check_subject(client: &Client, spec: &SubjectSpec, findings: &mut Findings) -> Result<(), Error> {
    for (table, key, fields) in spec.sources() {
        let own = *table == spec.table;
        let wanted = fields.iter().map(|(_, column)| column.as_str());
        let cohorts = spec.cohorts.iter().filter(|_| own).map(String::as_str);
        let columns: Vec<&str> = std::iter::once(key).chain(wanted).chain(cohorts).collect();
        let Some(oid) = check_columns(client, &spec.name, table, &columns, findings).await? else { continue };
        if own && !client.query_one(UNIQUE, &[&oid, &key]).await?.try_get::<_, bool>(0)? {
            let what = format!("subject `{}`: no unique index on `{table}.{key}`: is it the key?", spec.name);
            findings.warning(what);
        }
    }
    Ok(())
}

/// Returns the relation's OID if there is such a relation.
async fn check_columns(
    client: &Client,
    subject: &str,
    table: &RelationName,
    columns: &[&str],
    findings: &mut Findings,
) -> Result<Option<u32>, Error> {
    let Some(row) = client.query_opt(RELATION, &[&table.schema, &table.name]).await? else {
        findings.problem(format!("subject `{subject}`: there is no table `{table}`"));
        return Ok(None);
    };
    let oid: u32 = row.try_get(0)?;
    if !row.try_get::<_, bool>(2)? {
        findings.problem(format!("subject `{subject}`: the role may not use schema `{}`", table.schema));
    }
    let mut readable: HashMap<String, bool> = HashMap::new();
    for row in client.query(COLUMNS, &[&oid]).await? {
        readable.insert(row.try_get(0)?, row.try_get(1)?);
    }
    let mut forbidden = Vec::new();
    for column in columns {
        match readable.get(*column) {
            None => findings.problem(format!("subject `{subject}`: there is no column `{table}.{column}`")),
            Some(false) => forbidden.push(*column),
            Some(true) => {}
        }
    }
    if !forbidden.is_empty() {
        let columns = forbidden.join("`, `");
        findings.problem(format!("subject `{subject}`: the role may not read `{columns}` of `{table}`"));
    }
    Ok(Some(oid))
}

async fn check_reason(client: &Client, query: &str, findings: &mut Findings) {
    let statement = match client.prepare_typed(query, &[Type::TEXT, Type::TEXT_ARRAY]).await {
        Ok(statement) => statement,
        Err(error) => {
            findings.problem(format!("`reason.query` cannot be prepared: {:#}", told(error)));
            return;
        }
    };
    if statement.params().len() != 2 {
        let count = statement.params().len();
        findings.problem(format!("`reason.query` has {count} parameters, expected $1 text and $2 text[]"));
    }
    for wanted in ["subject", "reason"] {
        match statement.columns().iter().find(|column| column.name() == wanted) {
            None => findings.problem(format!("`reason.query` returns no column `{wanted}`")),
            Some(column) if !is_text(column.type_()) => {
                let type_name = column.type_().name();
                let what =
                    format!("`reason.query` returns `{wanted}` as {type_name}, expected text: add `::text`");
                findings.problem(what);
            }
            Some(_) => {}
        }
    }
}

/// Tells how changed values will come to be known. Changes settings of the connection.
async fn check_freshness(config: &Config, client: &Client, findings: &mut Findings) {
    let sources = config.value_sources().unwrap_or_default();
    if !config.values.enabled || sources.is_empty() {
        return;
    }
    let every = config.values.poll;
    if config.values.freshness == Freshness::Polling {
        findings
            .note(format!("changed values are looked for every {every}: `values.freshness` is `polling`"));
        return;
    }
    match Publication::new(&config.values.publication, sources).try_out(client).await {
        Ok(trial) => {
            let tables = trial.followed;
            findings.note(format!("changed values of {tables} tables are followed by logical replication"));
            trial.makes.into_iter().for_each(|sql| findings.note(format!("`rastro serve` will run: {sql}")));
            for why in trial.polled {
                findings.note(format!("changed values are looked for every {every}: {why}"));
            }
        }
        Err(why) => {
            findings.note(format!("changed values are looked for every {every}, not followed: {why:#}"));
        }
    }
}

fn is_text(found: &Type) -> bool {
    [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME].contains(found)
}

/// Returns how far the server's clock is ahead.
async fn clock_skew_micros(client: &Client) -> Result<i64, Error> {
    let before = SystemClock.now().0;
    let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let there: i64 = client.query_one(sql, &[]).await?.try_get(0)?;
    let after = SystemClock.now().0;
    Ok(there - i64::midpoint(before, after))
}
