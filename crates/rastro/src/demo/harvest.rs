use std::collections::HashSet;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::StreamExt;
use tokio_postgres::error::DbError;
use tokio_postgres::{Client, Row};

use super::stage::Stage;

/// Customers on one page of the insider's copy.
const PAGE: i64 = 500;
/// How often the insider tries again, with smaller and smaller pages, once cut.
const TRIES: &[i64] = &[100, 10, 1];

/// What an insider got.
#[derive(Default)]
pub(super) struct Harvest {
    /// Keys of the customers received, as text.
    pub(super) subjects: HashSet<String>,
    /// Of those, customers without an open ticket of the insider's.
    pub(super) unexplained: usize,
    /// Rows asked for until the first cut.
    pub(super) asked: i64,
    /// From the first statement to the cut; `None` if there was none.
    pub(super) cut_after: Option<Duration>,
    /// From the first statement to the last answer.
    pub(super) took: Duration,
    /// What the insider's screen said: SQLSTATE, message, hint.
    pub(super) screen: Option<(String, String, String)>,
    /// Tries after the cut that brought nothing.
    pub(super) tries_refused: usize,
}

/// Copies English-speaking customers page by page through `port`, with a real agent's login.
pub(super) async fn harvest(stage: &Stage, port: u16, insider: &str) -> anyhow::Result<Harvest> {
    let session = stage.connect(port, insider).await?;
    let begun = Instant::now();
    let mut got = Harvest::default();
    let mut last = 0;
    loop {
        let before = got.subjects.len();
        got.asked += PAGE;
        let cut = read_page(&session, &mut last, PAGE, &mut got).await?;
        if let Some(cut) = cut {
            got.cut_after = Some(begun.elapsed());
            let hint = cut.hint().unwrap_or_default().to_owned();
            got.screen = Some((cut.code().code().to_owned(), cut.message().to_owned(), hint));
            break;
        }
        if got.subjects.len() == before {
            break;
        }
    }
    got.took = begun.elapsed();
    if got.cut_after.is_some() {
        for page in TRIES {
            let before = got.subjects.len();
            let refused = read_page(&session, &mut last, *page, &mut got).await?.is_some();
            got.tries_refused += usize::from(refused && got.subjects.len() == before);
        }
    }
    got.unexplained = got.subjects.len() - explained(stage, insider, &got.subjects).await?;
    Ok(got)
}

/// Reads one page, row by row as it comes; returns the server's error, if that is how the page ends.
async fn read_page(
    session: &Client,
    last: &mut i64,
    rows: i64,
    got: &mut Harvest,
) -> anyhow::Result<Option<DbError>> {
    let sql =
        "SELECT id, name, email, phone FROM customers WHERE language = 'en' AND id > $1 ORDER BY id LIMIT $2";
    let answer = match session.query_raw(sql, [*last, rows]).await {
        Ok(answer) => answer,
        Err(error) => return refusal(error),
    };
    let mut answer = pin!(answer);
    while let Some(row) = answer.next().await {
        match row {
            Ok(row) => note(&row, last, got)?,
            Err(error) => return refusal(error),
        }
    }
    Ok(None)
}

fn note(row: &Row, last: &mut i64, got: &mut Harvest) -> anyhow::Result<()> {
    *last = row.try_get(0)?;
    got.subjects.insert(last.to_string());
    Ok(())
}

/// An answer of the server is part of the story; a broken connection is not.
fn refusal(error: tokio_postgres::Error) -> anyhow::Result<Option<DbError>> {
    match error.as_db_error() {
        Some(refused) => Ok(Some(refused.clone())),
        None => Err(error).context("the insider's connection broke"),
    }
}

/// Counts those of `subjects` who have an open ticket assigned to the insider; asked of PostgreSQL itself.
async fn explained(stage: &Stage, insider: &str, subjects: &HashSet<String>) -> anyhow::Result<usize> {
    let session = stage.connect(stage.cluster.port(), "postgres").await?;
    let keys: Vec<&str> = subjects.iter().map(String::as_str).collect();
    let sql = "SELECT count(DISTINCT customer_id) FROM tickets
        WHERE assignee = $1 AND status <> 'closed' AND customer_id::text = ANY($2)";
    let row = session.query_one(sql, &[&insider, &keys]).await?;
    Ok(usize::try_from(row.try_get::<_, i64>(0)?)?)
}

/// Returns how often the insider tries again.
pub(super) fn tries() -> usize {
    TRIES.len()
}
