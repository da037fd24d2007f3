//! Which of the guarded tables tell their changes through a publication, and why others do not.

pub(crate) mod slot;
mod trial;

use anyhow::Context;
use tokio_postgres::{Client, Statement};

use crate::config::ValueSource;
use crate::guarded::{quoted, quoted_relation, told};

// A view, a table that others inherit from and an unlogged or foreign table have changes that no publication tells
// in whole. Publishing updates of a table without replica identity would make the server refuse them.
const TABLES_SQL: &str = "\
SELECT c.oid, \
(c.relkind = 'r' AND NOT c.relhassubclass OR c.relkind = 'p') \
AND NOT EXISTS (SELECT FROM leaves l WHERE l.nr = w.nr AND NOT l.plain) AS plain, \
NOT EXISTS (SELECT FROM leaves l WHERE l.nr = w.nr AND NOT l.identified) AS identified, \
p.attnames::text[], p.rowfilter IS NOT NULL AS filtered, \
ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated <> '') \
FROM wanted w LEFT JOIN pg_catalog.pg_class c ON c.oid = w.oid \
LEFT JOIN pg_catalog.pg_publication_tables p \
ON p.pubname = $3 AND p.schemaname = w.schema AND p.tablename = w.name ORDER BY w.nr";

const WANTED_SQL: &str = "\
WITH wanted AS (SELECT w.nr, w.schema, w.name, c.oid \
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY w(schema, name, nr) \
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema \
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name)";

const LEAVES_SQL: &str = "\
, leaves AS (SELECT w.nr, c.relkind = 'r' AND c.relpersistence = 'p' AS plain, c.relreplident = 'f' OR EXISTS (\
SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indislive \
AND CASE c.relreplident WHEN 'd' THEN i.indisprimary AND i.indimmediate \
WHEN 'i' THEN i.indisreplident ELSE false END) AS identified \
FROM wanted w CROSS JOIN LATERAL (SELECT w.oid AS relid UNION \
SELECT t.relid FROM pg_catalog.pg_partition_tree(w.oid) t WHERE t.isleaf) t \
JOIN pg_catalog.pg_class c ON c.oid = t.relid AND c.relkind <> 'p')";

const PUBLICATION_SQL: &str =
    "SELECT pubinsert AND pubupdate FROM pg_catalog.pg_publication WHERE pubname = $1";

// Changes whenever the publication, what is in it, or one of the tables does.
const STATE_SQL: &str = "\
SELECT concat_ws(' ', (SELECT concat_ws('/', oid, xmin) FROM pg_catalog.pg_publication WHERE pubname = $3), \
(SELECT sum(hashtextextended(concat_ws('/', oid, xmin), 0)) FROM pg_catalog.pg_publication_rel), \
(SELECT sum(hashtextextended(concat_ws('/', oid, xmin), 1)) FROM pg_catalog.pg_publication_namespace), \
(SELECT sum(hashtextextended(concat_ws('/', inhrelid, inhparent), 2)) FROM pg_catalog.pg_inherits), \
(SELECT string_agg(concat_ws('/', w.oid, c.xmin), ' ' ORDER BY w.nr) \
FROM wanted w LEFT JOIN pg_catalog.pg_class c ON c.oid = w.oid))";

/// The guarded tables and the publication that tells their changes.
#[derive(Clone, Debug)]
pub(crate) struct Publication {
    name: String,
    sources: Vec<ValueSource>,
}

/// What a table's changes can be read from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// The publication tells them; OID of the relation it names.
    Published(u32),
    /// The publication may take the table in.
    Missing,
    /// The publication cannot tell them, for this reason.
    Unfit(String),
}

impl Standing {
    /// Returns whether changes are told.
    pub(crate) fn is_published(&self) -> bool {
        matches!(self, Standing::Published(_))
    }

    /// Returns why they are not.
    pub(crate) fn why_not(&self) -> Option<&str> {
        if let Standing::Unfit(why) = self { Some(why) } else { None }
    }
}

impl Publication {
    /// Joins the name of a publication with the tables whose changes are wanted.
    pub(crate) fn new(name: &str, sources: Vec<ValueSource>) -> Publication {
        Publication { name: name.to_owned(), sources }
    }

    /// Returns the name as an option of `pgoutput` takes it.
    pub(crate) fn quoted(&self) -> String {
        quoted(&self.name)
    }

    /// Returns the standing of each table, in their order.
    ///
    /// # Errors
    /// The catalogue cannot be read.
    pub(crate) async fn survey(&self, client: &Client) -> anyhow::Result<Vec<Standing>> {
        let exists = client.query_opt(PUBLICATION_SQL, &[&self.name]).await.map_err(told)?;
        let tells_enough = exists.map(|row| row.try_get::<_, bool>(0)).transpose()?.unwrap_or(true);
        let (schemas, names) = self.names();
        let sql = format!("{WANTED_SQL}{LEAVES_SQL} {TABLES_SQL}");
        let rows = client.query(&sql, &[&schemas, &names, &self.name]).await.map_err(told)?;
        let mut standings = Vec::new();
        for (row, source) in rows.iter().zip(&self.sources) {
            let unfit = |why: &str| Standing::Unfit(format!("`{}` {why}", source.table));
            let generated: Vec<&str> = row.try_get(5)?;
            let published: Option<Vec<&str>> = row.try_get(3)?;
            let unpublished = |name: &&str| published.as_ref().is_some_and(|list| !list.contains(name));
            standings.push(match row.try_get::<_, Option<u32>>(0)? {
                None => unfit("does not exist"),
                Some(_) if !row.try_get::<_, bool>(1)? => {
                    unfit("is no ordinary table, has tables that inherit from it, or is unlogged")
                }
                Some(_) if source.column_names().any(|name| generated.contains(&name)) => {
                    unfit("has generated values, which are not published")
                }
                Some(_) if !tells_enough => unfit("is in a publication without inserts or updates"),
                Some(_) if published.is_none() && !row.try_get::<_, bool>(2)? => {
                    unfit("has no primary key or other replica identity")
                }
                Some(_) if published.is_none() => Standing::Missing,
                Some(_) if row.try_get::<_, bool>(4)? => unfit("is published with a condition"),
                Some(oid) => match source.column_names().find(unpublished) {
                    Some(name) => unfit(&format!("is published without `{name}`")),
                    None => Standing::Published(oid),
                },
            });
        }
        Ok(standings)
    }

    /// Returns the statement that makes the publication, or takes tables into it; `None` if there is nothing to do.
    ///
    /// # Errors
    /// The catalogue cannot be read.
    pub(crate) async fn statement(
        &self,
        client: &Client,
        standings: &[Standing],
    ) -> anyhow::Result<Option<String>> {
        let missing = standings.iter().zip(&self.sources).filter(|(s, _)| **s == Standing::Missing);
        let mut tables: Vec<String> = missing.map(|(_, source)| quoted_relation(&source.table)).collect();
        tables.sort();
        tables.dedup();
        if tables.is_empty() {
            return Ok(None);
        }
        let (name, tables) = (quoted(&self.name), tables.join(", "));
        let exists = client.query_opt(PUBLICATION_SQL, &[&self.name]).await.map_err(told)?.is_some();
        Ok(Some(if exists {
            format!("ALTER PUBLICATION {name} ADD TABLE {tables}")
        } else {
            format!(
                "CREATE PUBLICATION {name} FOR TABLE {tables} \
                 WITH (publish = 'insert, update', publish_via_partition_root = true)"
            )
        }))
    }

    /// Runs that statement and returns the standing of each table, none of them `Missing` any more; takes it back
    /// unless it is to be kept.
    ///
    /// # Errors
    /// The catalogue cannot be read.
    pub(crate) async fn publish(
        &self,
        client: &Client,
        statement: &str,
        keep: bool,
    ) -> anyhow::Result<Vec<Standing>> {
        let made = client.batch_execute(&format!("BEGIN; {statement}")).await.map_err(told);
        if made.is_err() {
            client.batch_execute("ROLLBACK").await.map_err(told)?;
        }
        let mut standings = self.survey(client).await?;
        let end = if made.is_ok() && keep { "COMMIT" } else { "ROLLBACK" };
        client.batch_execute(end).await.map_err(told)?;
        let why = match made {
            Ok(()) => "is published by way of another table".to_owned(),
            Err(error) => format!("is not published and cannot be: {error}; its owner can: {statement}"),
        };
        for (standing, source) in standings.iter_mut().zip(&self.sources) {
            if *standing == Standing::Missing {
                *standing = Standing::Unfit(format!("`{}` {why}", source.table));
            }
        }
        Ok(standings)
    }

    /// Returns the query that [`Publication::state`] asks.
    ///
    /// # Errors
    /// The connection is gone.
    pub(crate) async fn state_query(&self, client: &Client) -> anyhow::Result<Statement> {
        client.prepare(&format!("{WANTED_SQL} {STATE_SQL}")).await.map_err(told)
    }

    /// Returns what differs once anything has changed that a standing depends on.
    ///
    /// # Errors
    /// The catalogue cannot be read.
    pub(crate) async fn state(&self, client: &Client, query: &Statement) -> anyhow::Result<String> {
        let (schemas, names) = self.names();
        let row = client.query_one(query, &[&schemas, &names, &self.name]).await.map_err(told)?;
        row.try_get(0).context("the publication's state is no text")
    }

    fn names(&self) -> (Vec<&str>, Vec<&str>) {
        let tables = self.sources.iter().map(|source| &source.table);
        tables.map(|table| (table.schema.as_str(), table.name.as_str())).unzip()
    }
}

/// Returns why tables' changes are not told, each reason once.
pub(crate) fn reasons(standings: &[Standing]) -> Vec<String> {
    let mut reasons: Vec<String> =
        standings.iter().filter_map(Standing::why_not).map(str::to_owned).collect();
    reasons.dedup();
    reasons
}
