//! The cut: the client gets an error in place of the rest, the server's query is cancelled, and the session
//! goes on once the server is ready again (P3).

use super::Relay;
use super::client_side::Batch;
use super::ops::Op;
use super::server_side::Cut;
use crate::buffer::Tag;
use crate::client_error::ClientError;
use crate::frame::write_frame;
use crate::inspector::Inspector;

// Why a COPY ends, for the server's log.
const CUT: &[u8] = b"cut by rastro\0";

impl<I: Inspector + Unpin> Relay<I>
where
    I::Text: Unpin,
    I::Statement: Unpin,
    I::Plan: Unpin,
{
    /// Turns to dropping everything up to the present cycle's ReadyForQuery. The error must already be on its
    /// way to the client.
    pub(super) fn enter_cut(&mut self) {
        let front = self.ops.front();
        let extended = front.as_ref().is_none_or(|op| !op.ends_cycle());
        if let Some(statement) = front.and_then(Op::statement_mut) {
            self.inspector.stopped(statement);
        }
        let (mut writes, inspector) = (false, &self.inspector);
        self.ops.skip_to_cycle_end(|op| {
            writes |= op.statement().is_some_and(|statement| !inspector.only_reads(statement));
        });
        self.from_server.cut = Cut { extended, writes, failed: false };
        self.from_client.texts.unheard_before(self.ops.first_parse());
        if self.ops.len() == 0 {
            self.from_client.dropping_to_sync = true;
        }
        self.from_server.begin_dropping();
    }

    /// Asks the server to stop, unless statements behind the cut one are on their way already: the request
    /// names a session, not a statement, and must not hit an innocent one. Until the server has taken the
    /// request nothing more is sent to it.
    pub(super) fn begin_cancel(&mut self) {
        if self.ops.outstanding() <= 1 {
            self.cancel();
        }
    }

    pub(super) fn cancel(&mut self) {
        if self.cancelling.is_none()
            && !self.from_server.cancel_asked
            && let Some(key) = &self.cancel_key
        {
            self.from_server.cancel_asked = true;
            self.cancelling = Some(self.target.cancel(key.clone()));
        }
    }

    /// Cuts the running statement off between two frames, taking back what was not sent yet.
    pub(super) fn cut_running(&mut self, error: &ClientError) {
        let cycle = self.from_server.cycle();
        self.to_client.discard_cycle(cycle);
        self.to_client.push_owned(error.to_frame(), Tag { hold: 0, cycle, raw: false });
        // The server waits for the client's data, and does not look for a cancel request meanwhile.
        if self.ops.is_copying_in() {
            let mut bytes = Vec::new();
            write_frame(&mut bytes, b'f', &[CUT]);
            self.inject(bytes);
        }
        self.enter_cut();
        self.begin_cancel();
    }

    /// Cuts the running statement off if the inspector says so.
    pub(super) fn interrupt_running(&mut self) -> bool {
        if !self.from_server.is_normal() || self.from_server.mid_frame() {
            return false;
        }
        let Some(statement) = self.ops.front().and_then(Op::statement_mut) else { return false };
        let Some(error) = self.inspector.interrupt(statement) else { return false };
        self.cut_running(&error);
        // What stands behind is refused as well.
        self.cancel();
        true
    }

    /// The ledger will not record what waits for it: the client gets the error in its place.
    pub(super) fn refuse_held(&mut self, released: u64, error: ClientError) {
        let open = self.from_server.cycle();
        if self.shows_only_messages() {
            self.to_client.drop_held(released, open);
        }
        if !self.to_client.refuse_held(released, open, &error.to_frame()) {
            return;
        }
        self.from_server.drop_rest();
        if !self.from_server.is_dropping() {
            self.enter_cut();
            self.begin_cancel();
        }
    }

    // No statement of the present cycle has given rows yet: what waits of it is a notification or the like,
    // without which the session goes on.
    fn shows_only_messages(&mut self) -> bool {
        self.from_client.batch != Batch::Busy
            && self.from_server.is_normal()
            && matches!(self.ops.front(), None | Some(Op::Inquiry(_)))
    }

    /// A statement behind the cut one asks the client for COPY data that will not come.
    pub(super) fn refuse_copy_in(&mut self) {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, b'f', &[CUT]);
        // A Sync sent before was passed over by the server.
        if matches!(self.ops.front(), Some(Op::Sync)) {
            write_frame(&mut bytes, b'S', &[]);
        }
        self.inject(bytes);
    }

    // Sends frames of the gateway's own, behind the client's frame that is on its way in parts.
    pub(super) fn inject(&mut self, bytes: Vec<u8>) {
        if self.from_client.mid_frame() {
            self.from_client.injected.extend(bytes);
        } else {
            self.to_server.push_owned(bytes, Tag::default());
        }
    }
}
