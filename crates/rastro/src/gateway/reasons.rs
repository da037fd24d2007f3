//! Asks the guarded database why principals see subjects: in batches, beside the traffic, never a query per
//! row.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rastro_detect::{Answered, Question};
use rastro_ledger::ReasonEntry;
use rastro_model::Clock;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Gateway;
use super::inspector::Seat;
use super::metric;
use super::settings::Settings;
use crate::guarded::OwnConnection;

// Subjects of one query.
const BATCH_MAX: usize = 1_000;
// Queries under way at once, over one connection.
const QUERIES_MAX: usize = 8;
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Where sessions leave word that a principal has open questions. Each seat is in the queue at most once, so
/// the queue is no longer than there are seats, and no word is lost.
pub(super) struct ReasonDesk {
    seats: mpsc::UnboundedSender<Arc<Seat>>,
}

impl ReasonDesk {
    /// Returns the desk and its work, if a reason query is configured.
    pub(super) fn start(settings: &Settings) -> (Option<ReasonDesk>, Option<ReasonWork>) {
        let Some(query) = settings.reason_query.clone() else { return (None, None) };
        let (seats, received) = mpsc::unbounded_channel();
        let work = ReasonWork {
            query,
            connection: settings.own_connection.clone(),
            back: seats.clone(),
            seats: received,
            session: None,
        };
        (Some(ReasonDesk { seats }), Some(work))
    }

    /// Asks for the answers to a principal's open questions.
    pub(super) fn ask(&self, seat: &Arc<Seat>) {
        queue(&self.seats, seat);
    }
}

fn queue(seats: &mpsc::UnboundedSender<Arc<Seat>>, seat: &Arc<Seat>) {
    if !seat.asked.swap(true, Ordering::AcqRel) && seats.send(Arc::clone(seat)).is_err() {
        tracing::error!("nobody answers questions for reasons any more");
    }
}

/// The side that asks.
pub(super) struct ReasonWork {
    query: String,
    connection: OwnConnection,
    back: mpsc::UnboundedSender<Arc<Seat>>,
    seats: mpsc::UnboundedReceiver<Arc<Seat>>,
    session: Option<Arc<Session>>,
}

struct Session {
    client: tokio_postgres::Client,
    statement: tokio_postgres::Statement,
    // A query failed or took too long: the next one begins on a connection of its own.
    spent: AtomicBool,
}

impl ReasonWork {
    /// Answers questions until the gateway is gone. One batch for each seat in turn: who asks much waits for
    /// those who ask little, not the other way round.
    pub(super) async fn run(mut self, gateway: Arc<Gateway>) {
        let mut queries = JoinSet::new();
        while let Some(seat) = self.seats.recv().await {
            // Before the questions are taken: one raised from here on queues the seat again.
            seat.asked.store(false, Ordering::Release);
            let questions = seat.budget.take_questions(BATCH_MAX);
            if questions.len() == BATCH_MAX {
                queue(&self.back, &seat);
            }
            if questions.is_empty() {
                continue;
            }
            while queries.len() >= QUERIES_MAX {
                queries.join_next().await;
            }
            while queries.try_join_next().is_some() {}
            let session = match tokio::time::timeout(ANSWER_WITHIN, self.session()).await {
                Ok(session) => session.map_err(|error| sqlstate_of(&error)),
                Err(_) => Err("no connection in time".to_owned()),
            };
            let gateway = Arc::clone(&gateway);
            queries.spawn(async move {
                let answered = answer(&gateway, &seat, &questions, session).await;
                record(&gateway, &seat, &answered);
            });
        }
    }

    async fn session(&mut self) -> anyhow::Result<Arc<Session>> {
        if let Some(session) = self.session.as_ref().filter(|session| session.is_usable()) {
            return Ok(Arc::clone(session));
        }
        let client = self.connection.connect(None).await?;
        let types = [tokio_postgres::types::Type::TEXT, tokio_postgres::types::Type::TEXT_ARRAY];
        let statement = client.prepare_typed(&self.query, &types).await?;
        let session = Arc::new(Session { client, statement, spent: AtomicBool::new(false) });
        self.session = Some(Arc::clone(&session));
        Ok(session)
    }
}

impl Session {
    fn is_usable(&self) -> bool {
        !self.client.is_closed() && !self.spent.load(Ordering::Acquire)
    }
}

async fn answer(
    gateway: &Gateway,
    seat: &Seat,
    questions: &[Question],
    session: Result<Arc<Session>, String>,
) -> Answered {
    let asked = match session {
        Ok(session) => match tokio::time::timeout(ANSWER_WITHIN, ask(&session, seat, questions)).await {
            Ok(Ok(reasons)) => Ok(reasons),
            failed => {
                session.spent.store(true, Ordering::Release);
                Err(match failed {
                    Ok(Err(error)) => sqlstate_of(&error),
                    _ => "no answer in time".to_owned(),
                })
            }
        },
        Err(failure) => Err(failure),
    };
    let now = gateway.clock.now();
    match asked {
        Ok(reasons) => {
            let find = |_, key: &rastro_model::SubjectKey| reasons.get(&key.to_string()).map(String::as_str);
            seat.budget.answer(questions, find, now)
        }
        Err(failure) => {
            metric::reason_query_failed();
            tracing::error!(
                principal = %seat.principal, failure,
                "reason query failed; its subjects count as unexplained"
            );
            seat.budget.answer_failed(questions, now)
        }
    }
}

async fn ask(
    session: &Session,
    seat: &Seat,
    questions: &[Question],
) -> anyhow::Result<HashMap<String, String>> {
    let subjects: Vec<String> = questions.iter().map(|question| question.key.to_string()).collect();
    let rows = session.client.query(&session.statement, &[&seat.principal.as_str(), &subjects]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

// The server's own words may quote a subject's key (P4).
fn sqlstate_of(error: &anyhow::Error) -> String {
    let code = error.downcast_ref::<tokio_postgres::Error>().and_then(|error| error.code());
    code.map_or_else(|| "no answer".to_owned(), |code| format!("SQLSTATE {}", code.code()))
}

fn record(gateway: &Gateway, seat: &Seat, answered: &Answered) {
    for fact in &answered.facts {
        let entry = ReasonEntry {
            principal: &seat.reference,
            kind: fact.kind,
            key: &fact.key,
            reason: &fact.reason,
            asked_at: fact.asked_at,
            until: fact.until,
        };
        if let Err(error) = gateway.spool.append_reason(&entry) {
            tracing::error!(error = &error as &dyn std::error::Error, "reason was not recorded");
            return;
        }
    }
    if let Some(breach) = answered.breach {
        metric::budget_reached(breach.limit);
        tracing::warn!(principal = %seat.principal, budget = breach.limit.as_str(), "budget reached");
    }
}
