//! What the relay asks of whoever decides over a session. Wire knows bytes and order; the inspector knows
//! subjects, budgets and the ledger.

use std::sync::Arc;
use std::task::{Context, Poll};

use crate::client_error::ClientError;
use crate::startup::CancelKey;

/// How a run of rows ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowsEnd {
    /// More rows of the statement may follow.
    Open,
    /// The statement completed, or its portal was suspended at the row limit.
    Completed,
    /// The server reported an error.
    Failed,
}

/// What to do after [`Inspector::settle`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    /// All rows were admitted.
    Go,
    /// Rows were admitted up to a limit; the client gets this error in place of the rest.
    Cut(ClientError),
    /// The rest needs an answer first; [`Inspector::poll_ready`] tells when to settle again.
    Wait,
}

/// The decision over the rows read since the last settlement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settlement {
    /// How many rows, from the first, may go to the client.
    pub rows: u32,
    /// The ticket they wait for; 0 when they may go at once.
    pub hold: u64,
    /// What follows them.
    pub next: Next,
}

/// A query of the gateway's own, run on the client's connection and in its transaction before a statement of
/// the client's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inquiry {
    /// The query; its results are asked for in text format.
    pub sql: Arc<str>,
    /// For each of its parameters, which of the client's statement it is, counted from 1.
    pub parameters: Vec<u16>,
}

/// What has to happen before a statement is sent to the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// It is not known yet; [`Inspector::poll_ready`] tells when to ask again.
    Wait,
    /// This is to be asked first.
    Ask(Inquiry),
}

/// How many rows the server says a statement gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reported {
    /// How many.
    pub rows: u64,
    /// They came as COPY data, where a message may also be a header or a trailer.
    pub copied: bool,
}

/// What becomes of a message that is no row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Heard {
    /// It may go to the client once the ticket is released; 0 when at once.
    Go {
        /// The ticket.
        hold: u64,
    },
    /// It must not be shown; in the place of an error the client gets this one.
    Withhold(ClientError),
    /// An answer is needed first; [`Inspector::poll_ready`] tells when to ask again.
    Wait,
}

/// Decides over one session. All calls come from the session's own task, in protocol order.
pub trait Inspector: Send + 'static {
    /// The text of a statement, kept for each prepared statement and portal.
    type Text: Clone + Send;
    /// One execution of a statement.
    type Statement: Send;
    /// What a RowDescription says about the rows that follow it.
    type Plan: Clone + Send;

    /// The server accepted the login and gave this key.
    fn cancel_key(&mut self, key: &CancelKey);

    /// Reads a statement's text. With `truncated` the text goes on beyond `sql`.
    fn text(&mut self, sql: &[u8], truncated: bool) -> Self::Text;

    /// Begins an execution, before it is sent to the server. `None`: the text is not known (a portal made
    /// by SQL, a function call).
    ///
    /// # Errors
    /// The execution is refused: the client gets the error, and the server a statement that fails.
    fn begin(&mut self, text: Option<&Self::Text>)
    -> Result<Self::Statement, (Self::Statement, ClientError)>;

    /// Returns why nothing of this text may reach the server now, not even to be planned. `None` as the text:
    /// whether the session's person is shut out.
    fn refuses(&mut self, text: Option<&Self::Text>) -> Option<ClientError>;

    /// Returns whether the server may describe results of this text in another way than it gives them
    /// (EXECUTE, FETCH); `None`: the text is not known.
    fn is_dynamic(&self, text: Option<&Self::Text>) -> bool;

    /// Returns what has to be asked before an execution of this text.
    fn before(&mut self, text: &Self::Text) -> Before {
        let _ = text;
        Before::Nothing
    }

    /// Returns whether all that a text does is to open a transaction block.
    fn begins(&self, text: &Self::Text) -> bool {
        let _ = text;
        false
    }

    /// Reads the payload of one DataRow of the inquiry that was made for `statement`.
    ///
    /// # Errors
    /// The row cannot be understood; the statement is refused.
    fn inquiry_row(&mut self, statement: &mut Self::Statement, payload: &[u8]) -> Result<(), ClientError> {
        let _ = (statement, payload);
        Ok(())
    }

    /// The inquiry for a statement is over, and all of its rows were settled; with `failed` the server reported
    /// an error, so that they are not all there are.
    fn answered(&mut self, statement: &mut Self::Statement, failed: bool) {
        let _ = (statement, failed);
    }

    /// Returns whether the statement may show what its description does not tell.
    fn is_opaque(&self, statement: &Self::Statement) -> bool {
        let _ = statement;
        false
    }

    /// Returns whether the statement changes nothing, as far as its text tells.
    fn only_reads(&self, statement: &Self::Statement) -> bool;

    /// Returns why a running statement has to stop, if it has to.
    fn interrupt(&mut self, statement: &Self::Statement) -> Option<ClientError>;

    /// Reads the payload of a RowDescription; `None`: not yet known, see [`Inspector::poll_ready`].
    ///
    /// # Errors
    /// The rows cannot be understood; the statement is cut before its first.
    fn plan(&mut self, row_description: &[u8]) -> Result<Option<Self::Plan>, ClientError>;

    /// Returns a plan for rows of `statement` that may not follow `plan` (`None`: no row was announced):
    /// whatever they show, they are not passed over.
    fn doubt(&self, statement: &Self::Statement, plan: Option<&Self::Plan>) -> Self::Plan;

    /// Returns whether rows of this plan have to be read.
    fn reads(&self, plan: &Self::Plan) -> bool;

    /// Reads the payload of one DataRow. The hot path: no allocation.
    ///
    /// # Errors
    /// The row cannot be understood; the statement is cut before it.
    fn row(&mut self, plan: &Self::Plan, payload: &[u8]) -> Result<(), ClientError>;

    /// COPY … TO STDOUT begins, or COPY in both directions.
    ///
    /// * `response`: the payload of CopyOutResponse or CopyBothResponse.
    fn copy_begins(&mut self, statement: &Self::Statement, response: &[u8]);

    /// Reads the payload of one CopyData message of COPY … TO STDOUT, or what a function call returned.
    ///
    /// # Errors
    /// It must not be shown; the statement is cut before it.
    fn copy_row(&mut self, payload: &[u8]) -> Result<(), ClientError>;

    /// Reads an ErrorResponse, NoticeResponse, NotificationResponse or ParameterStatus and records what it
    /// shows. All rows before it are settled.
    ///
    /// * `statement`: the execution it belongs to, if one is running.
    /// * `tag`: `E`, `N`, `A` or `S`.
    fn message(&mut self, statement: Option<&mut Self::Statement>, tag: u8, payload: &[u8]) -> Heard;

    /// Decides over the rows read since the last settlement and records what is admitted. Called at the end
    /// of a statement too when there were none.
    fn settle(&mut self, statement: &mut Self::Statement, end: RowsEnd) -> Settlement;

    /// Takes note of rows that go to the client without having been read: nothing protected is in them.
    fn passed(&mut self, rows: u64) {
        let _ = rows;
    }

    /// A statement gave its last rows, or all of them so far; they were settled. `reported` is how many the
    /// server's own message says there were; `None` if it says nothing of them.
    fn counted(&mut self, statement: &mut Self::Statement, reported: Option<Reported>) {
        let _ = (statement, reported);
    }

    /// Takes note that the client was cut off: rows read and not settled will not be asked for again.
    fn stopped(&mut self, statement: &mut Self::Statement);

    /// Ready when a `Wait`, or a plan not yet known, is worth asking for again.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Returns the highest ticket released so far; cheap.
    fn released(&self) -> u64;

    /// Ready when ticket `hold` is released.
    ///
    /// # Errors
    /// It never will be: what waits for it is refused with the error.
    fn poll_released(&mut self, hold: u64, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>>;

    /// The server reports a parameter's value.
    fn parameter_status(&mut self, name: &[u8], value: &[u8]);

    /// The server is ready for the next statement; `status` is `I`, `T` or `E`.
    fn ready_for_query(&mut self, status: u8);
}
