//! What the server still owes an answer to, in order.

use std::collections::VecDeque;

use super::inquiry::Asked;
use crate::client_error::ClientError;

/// One message sent to the server that it will answer, or that decides how it answers.
#[derive(Debug)]
pub(super) enum Op<S> {
    /// Answered by results and ReadyForQuery.
    Query {
        statement: S,
        refused: Option<ClientError>,
    },
    /// FunctionCall, answered likewise.
    FunctionCall {
        statement: S,
    },
    Parse {
        /// Counts the client's Parse messages from 1; 0 for one of the gateway's own.
        number: u64,
        refused: Option<ClientError>,
    },
    Bind {
        /// The portal that had the name before.
        replaced: Option<u64>,
    },
    DescribeStatement,
    DescribePortal {
        portal: u64,
        injected: bool,
    },
    Execute {
        portal: u64,
        /// Its description may not be that of its rows.
        doubtful: bool,
        statement: S,
    },
    Close {
        portal: Option<u64>,
    },
    /// Answered by ReadyForQuery.
    Sync,
    /// A query of the gateway's own and its Sync, answered by ReadyForQuery; see `inquiry.rs`.
    Inquiry(Asked<S>),
    /// CopyDone or CopyFail: not answered; ends the stretch in which the server passes over Sync.
    CopyEnd,
}

impl<S> Op<S> {
    /// Returns whether ReadyForQuery answers it.
    pub(super) fn ends_cycle(&self) -> bool {
        matches!(self, Op::Query { .. } | Op::FunctionCall { .. } | Op::Sync | Op::Inquiry(_))
    }

    fn is_extended(&self) -> bool {
        !self.ends_cycle() && !matches!(self, Op::CopyEnd)
    }

    /// Returns the execution, if it is one.
    pub(super) fn statement(&self) -> Option<&S> {
        match self {
            Op::Query { statement, .. } | Op::FunctionCall { statement } | Op::Execute { statement, .. } => {
                Some(statement)
            }
            _ => None,
        }
    }

    /// Returns the execution, if it is one, to change it.
    pub(super) fn statement_mut(&mut self) -> Option<&mut S> {
        match self {
            Op::Query { statement, .. } | Op::FunctionCall { statement } | Op::Execute { statement, .. } => {
                Some(statement)
            }
            _ => None,
        }
    }
}

/// The queue of [`Op`]s; its length is bounded by the relay, which stops reading the client.
#[derive(Debug)]
pub(super) struct Ops<S> {
    queue: VecDeque<Op<S>>,
    // The server skips everything until a Sync that the client has not sent yet.
    skipping: bool,
    // The server takes COPY data and passes over each Sync until the data ends.
    copying_in: bool,
}

impl<S> Ops<S> {
    pub(super) fn new() -> Ops<S> {
        Ops { queue: VecDeque::new(), skipping: false, copying_in: false }
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Returns how many messages the server owes an answer to.
    pub(super) fn outstanding(&self) -> usize {
        self.queue.iter().filter(|op| !matches!(op, Op::CopyEnd)).count()
    }

    /// Returns whether the server will pass over what is sent now.
    pub(super) fn is_skipping(&self) -> bool {
        self.skipping
    }

    /// Returns whether all that the server owes answers to are messages that a Sync does not undo; with
    /// `begun` the only execution among them is that of BEGIN.
    pub(super) fn is_clean(&self, begun: bool) -> bool {
        let keeps = |op: &Op<S>| match op {
            Op::Parse { .. } | Op::DescribeStatement | Op::Close { portal: None } | Op::CopyEnd => true,
            Op::Bind { .. } | Op::DescribePortal { .. } | Op::Execute { .. } => begun,
            _ => false,
        };
        self.queue.iter().all(keeps)
    }

    /// Returns the number of the first Parse that is still to be answered.
    pub(super) fn first_parse(&self) -> Option<u64> {
        self.queue.iter().find_map(|op| match op {
            Op::Parse { number, .. } if *number > 0 => Some(*number),
            _ => None,
        })
    }

    /// Returns whether the server takes COPY data whose end was not sent yet.
    pub(super) fn is_copying_in(&self) -> bool {
        self.copying_in
    }

    pub(super) fn push(&mut self, op: Op<S>) {
        match op {
            Op::CopyEnd if std::mem::take(&mut self.copying_in) => return,
            Op::Sync if self.copying_in => return,
            _ => {}
        }
        if self.skipping {
            if !matches!(op, Op::Sync) {
                return;
            }
            self.skipping = false;
        }
        self.queue.push_back(op);
    }

    /// Returns the op that the server answers now.
    pub(super) fn front(&mut self) -> Option<&mut Op<S>> {
        while matches!(self.queue.front(), Some(Op::CopyEnd)) {
            self.queue.pop_front();
        }
        self.queue.front_mut()
    }

    /// Returns the op that the server answers now, without tidying up before it.
    pub(super) fn peek(&self) -> Option<&Op<S>> {
        self.queue.iter().find(|op| !matches!(op, Op::CopyEnd))
    }

    pub(super) fn pop(&mut self) -> Option<Op<S>> {
        self.queue.pop_front()
    }

    /// The op in front failed: an extended message makes the server skip to the next Sync.
    pub(super) fn fail_front(&mut self) {
        self.copying_in = false;
        if !self.front().is_some_and(|op| op.is_extended()) {
            return;
        }
        self.skip_to_sync();
    }

    /// Drops everything before the end of the present cycle, as far as the server has not failed: then it
    /// passes over a Query on the way to Sync too, see [`Ops::skip_to_sync`]. Gives what is dropped, and the
    /// end, to `see`.
    pub(super) fn skip_to_cycle_end(&mut self, mut see: impl FnMut(&Op<S>)) {
        self.copying_in = false;
        while let Some(op) = self.queue.front() {
            see(op);
            if op.ends_cycle() {
                return;
            }
            self.queue.pop_front();
        }
        self.skipping = true;
    }

    /// Drops everything before the next Sync.
    pub(super) fn skip_to_sync(&mut self) {
        while let Some(op) = self.queue.front() {
            if matches!(op, Op::Sync | Op::Inquiry(_)) {
                return;
            }
            self.queue.pop_front();
        }
        self.skipping = true;
    }

    /// The server takes COPY data for the op in front: it passes over each Sync sent before the data's end.
    pub(super) fn begin_copy_in(&mut self) {
        let mut kept = VecDeque::with_capacity(self.queue.len());
        kept.extend(self.queue.pop_front());
        let mut ended = false;
        for op in self.queue.drain(..) {
            match op {
                Op::Sync if !ended => {}
                Op::CopyEnd if !ended => ended = true,
                op => kept.push_back(op),
            }
        }
        self.queue = kept;
        self.copying_in = !ended;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn execute() -> Op<()> {
        Op::Execute { portal: 0, doubtful: false, statement: () }
    }

    #[test]
    fn failed_extended_message_skips_to_the_next_sync() {
        let mut ops = Ops::new();
        for op in [
            Op::Parse { number: 1, refused: None },
            Op::Bind { replaced: None },
            execute(),
            Op::Query { statement: (), refused: None },
        ] {
            ops.push(op);
        }
        ops.fail_front();
        assert_eq!(ops.len(), 0);
        ops.push(Op::Bind { replaced: None });
        assert_eq!(ops.len(), 0, "still skipped");
        ops.push(Op::Sync);
        assert!(matches!(ops.front(), Some(Op::Sync)));
    }

    #[test]
    fn failed_simple_query_still_ends_its_cycle() {
        let mut ops = Ops::new();
        ops.push(Op::Query { statement: (), refused: None });
        ops.push(Op::Bind { replaced: None });
        ops.fail_front();
        assert_eq!(ops.len(), 2);
    }

    #[test]
    fn sync_during_copy_in_is_passed_over_once() {
        let mut ops = Ops::new();
        for op in [execute(), Op::Sync, Op::CopyEnd, Op::Sync] {
            ops.push(op);
        }
        ops.begin_copy_in();
        assert_eq!(ops.len(), 2);
        ops.pop();
        assert!(matches!(ops.front(), Some(Op::Sync)));
    }
}
