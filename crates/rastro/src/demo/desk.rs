use std::collections::HashSet;

use anyhow::Context;
use futures_util::future::try_join_all;
use tokio_postgres::Client;

use super::stage::Stage;

/// Tickets one agent answers in a morning, at most.
const TICKETS_MAX: i64 = 25;

/// What came of a morning's work.
#[derive(Default)]
pub(super) struct Morning {
    /// Tickets answered.
    pub(super) tickets: usize,
    /// Distinct customers looked at.
    pub(super) customers: usize,
    /// Customers who called without a ticket, and were looked up all the same.
    pub(super) callers: usize,
    /// Agents who were refused something.
    pub(super) refused: usize,
}

/// Has every agent answer tickets through the gateway, all at once.
pub(super) async fn work_tickets(stage: &Stage) -> anyhow::Result<Morning> {
    let insider = stage.insider();
    let agents = stage.desk.logins().zip(0u64..).map(|(login, index)| {
        let calls = login != insider;
        async move { work(stage, &login, index, calls).await.with_context(|| format!("`{login}` at work")) }
    });
    let mut morning = Morning::default();
    let mut customers = HashSet::new();
    for day in try_join_all(agents).await? {
        morning.tickets += day.tickets;
        morning.callers += day.callers;
        morning.refused += usize::from(day.refused);
        customers.extend(day.customers);
    }
    morning.customers = customers.len();
    Ok(morning)
}

#[derive(Default)]
struct Day {
    tickets: usize,
    callers: usize,
    customers: HashSet<i64>,
    refused: bool,
}

async fn work(stage: &Stage, login: &str, index: u64, calls: bool) -> anyhow::Result<Day> {
    let session = stage.connect(stage.port, login).await?;
    let mine = "SELECT id, subject FROM tickets WHERE assignee = $1 AND status <> 'closed' ORDER BY opened_at LIMIT $2";
    let tickets = session.query(mine, &[&login, &TICKETS_MAX]).await?;
    let look = "SELECT t.ticket_number, t.subject, c.id, c.name, c.email, c.phone
        FROM tickets t JOIN customers c ON c.id = t.customer_id WHERE t.id = $1";
    let look = session.prepare(look).await?;
    let mut day = Day::default();
    for ticket in &tickets {
        let id: i64 = ticket.try_get(0)?;
        match session.query_one(&look, &[&id]).await {
            Ok(row) => day.customers.insert(row.try_get(2)?),
            Err(error) if error.code().is_some() => {
                day.refused = true;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        session.execute("UPDATE tickets SET status = 'waiting' WHERE id = $1", &[&id]).await?;
        day.tickets += 1;
    }
    if calls {
        answer_call(&session, index, stage.desk.customers, &mut day).await?;
    }
    Ok(day)
}

/// A customer calls who has no ticket with this agent: rare, honest, and within the budget.
async fn answer_call(session: &Client, index: u64, customers: u64, day: &mut Day) -> anyhow::Result<()> {
    let caller = i64::try_from(index.wrapping_mul(7_919) % customers + 1)?;
    match session.query_one("SELECT id, name, phone FROM customers WHERE id = $1", &[&caller]).await {
        Ok(row) => {
            day.customers.insert(row.try_get(0)?);
            day.callers += 1;
        }
        Err(error) if error.code().is_some() => day.refused = true,
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
