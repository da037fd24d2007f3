//! Tries out how changes would be followed, and leaves nothing behind.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::Publication;
use super::slot::{self, Slot};
use crate::guarded::told;

// A slot may have to wait for open transactions; that it waits tells that it may be made.
const PATIENCE: &str = "SET statement_timeout = '5s'";

/// What a gateway would do.
#[derive(Debug)]
pub(crate) struct Trial {
    /// The statement that it would run first.
    pub(crate) makes: Option<String>,
    /// Tables whose changes it would follow.
    pub(crate) followed: usize,
    /// Why it would not follow those of others.
    pub(crate) polled: Vec<String>,
}

impl Publication {
    /// Tries it out over a connection of its own.
    ///
    /// # Errors
    /// No table's changes would be followed, for this reason.
    pub(crate) async fn try_out(&self, client: &Client) -> anyhow::Result<Trial> {
        slot::prepare(client).await?;
        client.batch_execute(PATIENCE).await.map_err(told)?;
        match Slot::make(client).await {
            Ok(slot) => slot.remove(client).await.map_err(told)?,
            Err(error) if error.code() == Some(&SqlState::QUERY_CANCELED) => {}
            Err(error) => return Err(told(error)),
        }
        let mut standings = self.survey(client).await?;
        let makes = self.statement(client, &standings).await?;
        if let Some(statement) = &makes {
            standings = self.publish(client, statement, false).await?;
        }
        let polled = super::reasons(&standings);
        match standings.iter().filter(|standing| standing.is_published()).count() {
            0 => anyhow::bail!("{}", polled.join("; ")),
            followed => Ok(Trial { makes, followed, polled }),
        }
    }
}
