//! The gateway's own query before a statement of the client's (P1): the client's message waits, unread by the
//! server, until the answer is there, recorded and released.
//!
//! The query goes out with a Sync of its own, so it is only asked where that ends nothing of the client's: not
//! behind a Bind or Execute of an open batch, but for those of BEGIN.

use std::task::{Context, Poll};

use super::client_side::Batch;
use super::ops::Op;
use super::server_side::Flow;
use super::{Relay, RelayError};
use crate::client_error::ClientError;
use crate::client_message::{self, Parameter};
use crate::inspector::{Before, Inquiry, Inspector, Next, RowsEnd};

// Rows of an answer that are settled at once: as a rule all of them, so that the statement is allowed or
// refused as a whole.
const ROWS_AT_ONCE: u32 = 65_536;

/// An answered inquiry.
#[derive(Debug)]
pub(super) struct Answer<S> {
    pub(super) statement: S,
    /// The statement is not to run.
    pub(super) refused: Option<ClientError>,
    /// The server could not answer.
    pub(super) failed: bool,
    /// An earlier message of the batch failed: the server passes over the statement.
    pub(super) skipped: bool,
    /// Ticket of what was recorded.
    hold: u64,
}

/// Why the client's next message is not read yet.
#[derive(Debug)]
pub(super) enum Held<S> {
    /// The inspector has to be ready.
    Inspector,
    /// The server owes answers that come first.
    Answers,
    /// The inquiry is being answered.
    Inquiry,
    Answered(Answer<S>),
}

/// An inquiry on its way.
#[derive(Debug)]
pub(super) struct Asked<S> {
    statement: S,
    refused: Option<ClientError>,
    hold: u64,
    rows: u32,
    in_transaction: bool,
    failed: bool,
    undoing: bool,
    skipped: bool,
    unsettled: bool,
}

impl<S> Asked<S> {
    pub(super) fn skip(&mut self) {
        self.skipped = true;
    }
}

/// What to do with a client's message that may need an inquiry.
pub(super) enum Turn<S> {
    /// Send it; with an answer if there was an inquiry.
    Go(Option<Answer<S>>),
    /// Keep it, and send this.
    Keep(Vec<u8>),
}

impl<I: Inspector + Unpin> Relay<I>
where
    I::Text: Unpin,
    I::Statement: Unpin,
    I::Plan: Unpin,
{
    /// Decides whether a message that runs a statement may be sent.
    ///
    /// * `types`: of the statement's parameters, as the client gave them.
    /// * `parameters`: `None` if they are not known.
    pub(super) fn ask_before(
        &mut self,
        text: &I::Text,
        types: &[u32],
        parameters: Option<&[Parameter<'_>]>,
    ) -> Turn<I::Statement> {
        if let Some(answer) = self.take_answer() {
            return Turn::Go(Some(answer));
        }
        let inquiry = match self.inspector.before(text) {
            Before::Nothing => return Turn::Go(None),
            Before::Wait => {
                self.from_client.held = Some(Held::Inspector);
                return Turn::Keep(Vec::new());
            }
            Before::Ask(inquiry) => inquiry,
        };
        let batch = self.from_client.batch;
        if self.ops.is_skipping() || self.ops.is_copying_in() || batch == Batch::Busy {
            return Turn::Go(None);
        }
        if !self.is_clean() {
            self.from_client.held = Some(Held::Answers);
            return Turn::Keep(Vec::new());
        }
        let in_transaction = self.from_server.is_in_transaction() || batch == Batch::Begun;
        let Some(frames) = parameters
            .filter(|_| !self.from_server.is_failed())
            .and_then(|parameters| frames(&inquiry, types, parameters, in_transaction))
        else {
            return Turn::Go(None);
        };
        // Whoever is refused is refused when the statement begins.
        let Ok(statement) = self.inspector.begin(Some(text)) else { return Turn::Go(None) };
        self.from_server.cancel_asked = false;
        self.ops.push(Op::Inquiry(Asked {
            statement,
            refused: None,
            hold: 0,
            rows: 0,
            in_transaction,
            failed: false,
            undoing: false,
            skipped: false,
            unsettled: false,
        }));
        self.from_client.held = Some(Held::Inquiry);
        Turn::Keep(frames)
    }

    // Whether a Sync of the gateway's own ends nothing.
    fn is_clean(&self) -> bool {
        self.ops.is_clean(self.from_client.batch == Batch::Begun)
    }

    /// Returns the answer that the client's message has waited for.
    pub(super) fn take_answer(&mut self) -> Option<Answer<I::Statement>> {
        match self.from_client.held.take() {
            Some(Held::Answered(answer)) => Some(answer),
            _ => None,
        }
    }

    /// Returns whether the client's message that was held is to be looked at again.
    pub(super) fn is_let_go(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.from_client.held {
            None => true,
            Some(Held::Inquiry) => false,
            Some(Held::Answers) => self.is_clean(),
            Some(Held::Inspector) => !self.from_server.waiting && self.inspector.poll_ready(cx).is_ready(),
            Some(Held::Answered(answer)) => {
                if answer.hold == 0 || answer.hold <= self.inspector.released() {
                    return true;
                }
                match self.inspector.poll_released(answer.hold, cx) {
                    Poll::Pending => return false,
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => answer.refused = Some(error),
                }
                answer.hold = 0;
                true
            }
        }
    }

    /// Reads a message of the answer to an inquiry; nothing of it goes to the client. `None`: the op in front
    /// is no inquiry.
    pub(super) fn inquiry_message(&mut self, tag: u8, payload: &[u8]) -> Result<Option<Flow>, RelayError> {
        let Some(Op::Inquiry(asked)) = self.ops.front() else { return Ok(None) };
        match tag {
            b'D' if asked.refused.is_none() => {
                asked.rows += 1;
                if let Err(error) = self.inspector.inquiry_row(&mut asked.statement, payload) {
                    asked.refused = Some(error);
                }
                asked.unsettled = asked.rows >= ROWS_AT_ONCE;
            }
            b'C' => asked.unsettled = true,
            b'E' => {
                asked.failed = true;
                // What it told before is settled, or it would count as rows of the statement behind it.
                asked.unsettled = true;
            }
            b'Z' => self.end_inquiry(payload),
            b'D' | b'T' | b'n' | b'1' | b'2' | b'3' | b'N' | b's' | b'I' => {}
            _ => return Err(RelayError::Unexpected { tag, expected: "the answer to an inquiry" }),
        }
        Ok(Some(self.settle_inquiry()))
    }

    /// Settles what was read of the answer to an inquiry, if that is due.
    pub(super) fn settle_inquiry(&mut self) -> Flow {
        let Some(Op::Inquiry(asked)) = self.ops.front() else { return Flow::On };
        if !asked.unsettled || asked.refused.is_some() {
            return Flow::On;
        }
        let settlement = self.inspector.settle(&mut asked.statement, RowsEnd::Open);
        let failed = asked.failed;
        asked.hold = asked.hold.max(settlement.hold);
        match settlement.next {
            Next::Wait => {
                self.from_server.waiting = true;
                return Flow::Stop;
            }
            Next::Go => {}
            Next::Cut(error) => {
                asked.refused = Some(error);
                // A failed one is over: the request would hit what undoes it.
                if !failed {
                    self.cancel();
                }
            }
        }
        if let Some(Op::Inquiry(asked)) = self.ops.front() {
            asked.rows = 0;
            asked.unsettled = false;
        }
        Flow::On
    }

    fn end_inquiry(&mut self, status: &[u8]) {
        let status = status.first().copied().unwrap_or(b'I');
        if let Some(Op::Inquiry(asked)) = self.ops.front()
            && asked.failed
            && asked.in_transaction
            && !asked.undoing
            && status == b'E'
        {
            asked.undoing = true;
            self.inject(client_message::undo_inquiry_frames());
            return;
        }
        self.from_server.set_status(status);
        let Some(Op::Inquiry(mut asked)) = self.ops.pop() else { return };
        if asked.skipped {
            // Nobody will say how it went.
            self.inspector.settle(&mut asked.statement, RowsEnd::Failed);
        } else {
            self.inspector.answered(&mut asked.statement, asked.failed);
        }
        self.from_client.held = Some(Held::Answered(Answer {
            statement: asked.statement,
            refused: asked.refused,
            failed: asked.failed,
            skipped: asked.skipped,
            hold: asked.hold,
        }));
    }
}

fn frames(
    inquiry: &Inquiry,
    types: &[u32],
    parameters: &[Parameter<'_>],
    in_transaction: bool,
) -> Option<Vec<u8>> {
    let index = |number: &u16| usize::from(*number).checked_sub(1);
    let values: Option<Vec<Parameter<'_>>> =
        inquiry.parameters.iter().map(|number| parameters.get(index(number)?).copied()).collect();
    let types: Vec<u32> = inquiry
        .parameters
        .iter()
        .map(|number| index(number).and_then(|at| types.get(at)).copied().unwrap_or(0))
        .collect();
    Some(client_message::inquiry_frames(&inquiry.sql, &types, &values?, in_transaction))
}
