//! From the client: which statement is asked for, and what is sent on.

use std::sync::Arc;

use hashbrown::HashMap;

use super::inquiry::{Answer, Held, Turn};
use super::ops::Op;
use super::texts::{TEXTS_MAX, Texts};
use super::{OPS_MAX, Relay, RelayError};
use crate::buffer::{Buffer, OutQueue, Tag};
use crate::client_error::ClientError;
use crate::client_message::{self, Target};
use crate::frame::{Frame, HEADER_BYTES, read_header};
use crate::inspector::{Before, Inspector};

// PostgreSQL takes messages up to 1 GiB.
const CLIENT_FRAME_BYTES_MAX: usize = 0x3fff_ffff + 4;
// How much of a statement's text is read; the rest is passed on unread.
const TEXT_BYTES_MAX: usize = 1024 * 1024;
// How much of any other message is waited for.
const HEAD_BYTES_MAX: usize = 32 * 1024;
// Portals whose description is known to be fresh.
const FRESH_MAX: usize = 16;

/// The client's half of the relay's state.
pub(super) struct ClientSide<I: Inspector> {
    pub(super) input: Option<Buffer>,
    /// The client sent its last byte.
    pub(super) ended: bool,
    /// There was nothing to read; the task is woken when there is.
    pub(super) dry: bool,
    /// The server was told so.
    pub(super) shut_down: bool,
    /// Whole messages wait in `input`, because the server owes too many answers.
    pub(super) stalled: bool,
    /// Why the whole message at the start of `input` is not sent yet.
    pub(super) held: Option<Held<I::Statement>>,
    /// What the client bound or ran since its last Sync.
    pub(super) batch: Batch,
    /// The client closed the connection or said it would.
    pub(super) left: bool,
    /// Frames of the gateway's own that go behind the frame passed on in parts.
    pub(super) injected: Vec<u8>,
    /// Messages are dropped until Sync, as a server does after an error.
    pub(super) dropping_to_sync: bool,
    // Bytes left of a frame passed on in parts, and whether they are passed on.
    rest: usize,
    rest_dropped: bool,
    pub(super) texts: Texts<Prepared<I::Text>>,
    portals: HashMap<Vec<u8>, Portal<I>>,
    // Portals described since any other portal, statement or Sync could have changed them.
    fresh: Vec<u64>,
    // The portal bound last, while nothing but Describe has come since.
    bound: Option<u64>,
    portal_count: u64,
}

/// What was bound or run since the last Sync, as far as a Sync between would matter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Batch {
    /// Nothing.
    Empty,
    /// BEGIN: a transaction block is open, which a Sync leaves open.
    Begun,
    /// Something that a Sync would end.
    Busy,
}

impl Batch {
    fn run(&mut self, begins: bool) {
        *self = if begins && *self != Batch::Busy { Batch::Begun } else { Batch::Busy };
    }
}

/// A statement's text and the types that the client gave its parameters.
#[derive(Clone)]
pub(super) struct Prepared<T> {
    text: T,
    types: Option<Arc<[u32]>>,
}

struct Portal<I: Inspector> {
    id: u64,
    text: Option<I::Text>,
    /// All of its subjects were asked for before it was bound.
    asked: bool,
    /// The execution that was begun with the question.
    statement: Option<I::Statement>,
}

impl<I: Inspector> ClientSide<I> {
    pub(super) fn new() -> Self {
        ClientSide {
            input: None,
            ended: false,
            dry: false,
            shut_down: false,
            stalled: false,
            held: None,
            batch: Batch::Empty,
            left: false,
            injected: Vec::new(),
            dropping_to_sync: false,
            rest: 0,
            rest_dropped: false,
            texts: Texts::new(),
            portals: HashMap::new(),
            fresh: Vec::new(),
            bound: None,
            portal_count: 0,
        }
    }

    /// Returns whether a frame is on its way to the server in parts.
    pub(super) fn mid_frame(&self) -> bool {
        self.rest > 0 && !self.rest_dropped
    }

    fn portal(&mut self, name: &[u8]) -> &mut Portal<I> {
        if !self.portals.contains_key(name) {
            self.add_portal(name, None, None);
        }
        let none = || Portal { id: 0, text: None, asked: false, statement: None };
        self.portals.entry_ref(name).or_insert_with(none)
    }

    // Returns the portal that had the name before.
    fn add_portal(
        &mut self,
        name: &[u8],
        text: Option<I::Text>,
        asked: Option<(I::Statement, bool)>,
    ) -> Option<u64> {
        if self.portals.len() >= TEXTS_MAX {
            self.portals.clear();
        }
        self.portal_count += 1;
        let (statement, asked) = asked.map_or((None, false), |(statement, asked)| (Some(statement), asked));
        let portal = Portal { id: self.portal_count, text, asked, statement };
        match self.portals.get_mut(name) {
            Some(known) => Some(std::mem::replace(known, portal).id),
            None => {
                self.portals.insert(name.into(), portal);
                None
            }
        }
    }
}

enum Step {
    /// The message goes to the server as it is.
    Forward,
    /// The message goes no further.
    Drop,
    /// Something else goes in its place.
    Replace(Vec<u8>),
    /// Something goes before it.
    Precede(Vec<u8>),
    /// Something goes before it, and it waits for the answer.
    Keep(Vec<u8>),
}

impl<I: Inspector + Unpin> Relay<I>
where
    I::Text: Unpin,
    I::Statement: Unpin,
    I::Plan: Unpin,
{
    /// Walks what the client sent and queues it for the server.
    pub(super) fn walk_client(&mut self) -> Result<(), RelayError> {
        let Some(input) = self.from_client.input.take() else { return Ok(()) };
        let length = input.bytes().len();
        let mut out = Forwarding { queue: OutQueue::default(), input: Arc::new(input), from: 0 };
        let mut at = 0;
        let mut wanted = 0;
        while at < length {
            if self.from_client.rest > 0 {
                let count = self.from_client.rest.min(length - at);
                self.from_client.rest -= count;
                if self.from_client.rest_dropped {
                    out.skip(at, at + count);
                }
                at += count;
                if self.from_client.rest == 0 && !self.from_client.injected.is_empty() {
                    out.insert(at, std::mem::take(&mut self.from_client.injected));
                }
                continue;
            }
            if self.ops.len() >= OPS_MAX {
                self.from_client.stalled = true;
                break;
            }
            let bytes = Arc::clone(&out.input);
            let rest = bytes.bytes().get(at..).unwrap_or_default();
            let Some(frame) = read_header(rest, CLIENT_FRAME_BYTES_MAX).map_err(RelayError::ClientFrame)?
            else {
                break;
            };
            let head = frame.bytes.min(head_bytes(frame.tag));
            if rest.len() < head {
                wanted = head.min(rest.len().saturating_mul(2));
                break;
            }
            let there = frame.bytes.min(rest.len());
            let payload = rest.get(HEADER_BYTES..there).unwrap_or_default();
            let step = self.client_message(frame, payload, there < frame.bytes);
            let dropped = matches!(step, Step::Drop | Step::Replace(_));
            match step {
                Step::Forward => {}
                Step::Drop => out.skip(at, at + there),
                Step::Precede(bytes) => out.insert(at, bytes),
                Step::Keep(bytes) => {
                    out.insert(at, bytes);
                    break;
                }
                Step::Replace(bytes) => {
                    out.insert(at, bytes);
                    out.skip(at, at + there);
                }
            }
            self.from_client.rest = frame.bytes - there;
            self.from_client.rest_dropped = dropped;
            at += there;
            if self.closing.is_some() {
                break;
            }
        }
        let input = out.finish(at, &mut self.to_server);
        if at < length {
            self.from_client.input = Some(Buffer::tail(input, at, wanted));
        }
        Ok(())
    }

    fn client_message(&mut self, frame: Frame, payload: &[u8], truncated: bool) -> Step {
        if self.from_client.dropping_to_sync {
            if frame.tag != b'S' {
                return Step::Drop;
            }
            self.from_client.dropping_to_sync = false;
        }
        if frame.tag != b'D' && frame.tag != b'E' {
            self.from_client.bound = None;
        }
        match frame.tag {
            b'Q' => {
                let sql = payload.strip_suffix(b"\0").unwrap_or(payload);
                let text = self.inspector.text(sql, truncated);
                let answer = match self.ask_before(&text, &[], Some(&[])) {
                    Turn::Keep(bytes) => return Step::Keep(bytes),
                    Turn::Go(answer) => answer,
                };
                self.from_client.fresh.clear();
                self.from_client.batch = Batch::Empty;
                self.simple(Some(&text), answer)
            }
            b'F' => {
                self.from_client.fresh.clear();
                self.from_client.batch = Batch::Empty;
                self.simple(None, None)
            }
            b'P' => {
                let Some((name, sql)) = client_message::parse(payload) else {
                    return self.malformed("Parse");
                };
                let text = self.inspector.text(sql, truncated);
                if let Some(error) = self.inspector.refuses(Some(&text)) {
                    return self.refuse_extended(error);
                }
                if !self.ops.is_skipping() {
                    let types = Some(client_message::parse_types(payload)).filter(|types| !types.is_empty());
                    let types = types.map(Arc::from);
                    let number = self.from_client.texts.parse(name, Prepared { text, types });
                    self.ops.push(Op::Parse { number, refused: None });
                }
                Step::Forward
            }
            b'B' => {
                let Some((portal, statement)) = client_message::bind(payload) else {
                    return self.malformed("Bind");
                };
                let prepared = self.from_client.texts.get(statement);
                let text = prepared.as_ref().map(|prepared| prepared.text.clone());
                // Planning runs functions.
                if let Some(error) = self.inspector.refuses(text.as_ref()) {
                    self.from_client.held = None;
                    return self.refuse_extended(error);
                }
                // A Parse that failed meanwhile has taken the text along.
                let mut answer = self.take_answer();
                if answer.is_none()
                    && let Some(Prepared { text, types }) = &prepared
                {
                    let types = types.as_deref().unwrap_or_default();
                    match self.ask_before_bind(text, types, payload, truncated) {
                        Turn::Keep(bytes) => return Step::Keep(bytes),
                        Turn::Go(found) => answer = found,
                    }
                }
                let asked = match answer {
                    Some(Answer { skipped: true, .. }) => {
                        self.from_client.dropping_to_sync = true;
                        return Step::Drop;
                    }
                    Some(Answer { refused: Some(error), .. }) => return self.refuse_extended(error),
                    Some(Answer { statement, failed, .. }) => Some((statement, !failed)),
                    None => None,
                };
                self.from_client.batch.run(text.as_ref().is_some_and(|text| self.inspector.begins(text)));
                let replaced = self.from_client.add_portal(portal, text, asked);
                self.from_client.bound = Some(self.from_client.portal_count);
                self.ops.push(Op::Bind { replaced });
                Step::Forward
            }
            b'D' => match client_message::target(payload) {
                Some((Target::Statement, _)) => {
                    self.ops.push(Op::DescribeStatement);
                    Step::Forward
                }
                Some((Target::Portal, name)) => {
                    let portal = self.from_client.portal(name).id;
                    self.describe(portal, false);
                    Step::Forward
                }
                None => self.malformed("Describe"),
            },
            b'E' => match client_message::execute(payload) {
                Some(name) => self.execute(name),
                None => self.malformed("Execute"),
            },
            b'C' => match client_message::target(payload) {
                Some((target, name)) => {
                    self.from_client.fresh.clear();
                    let portal = match target {
                        Target::Statement => {
                            self.from_client.texts.close(name);
                            None
                        }
                        Target::Portal => self.from_client.portals.remove(name).map(|portal| portal.id),
                    };
                    self.ops.push(Op::Close { portal });
                    Step::Forward
                }
                None => self.malformed("Close"),
            },
            b'S' => {
                self.from_client.fresh.clear();
                self.from_client.batch = Batch::Empty;
                self.from_client.texts.end_segment();
                self.ops.push(Op::Sync);
                Step::Forward
            }
            b'c' | b'f' => {
                self.ops.push(Op::CopyEnd);
                Step::Forward
            }
            b'X' => {
                self.from_client.left = true;
                Step::Forward
            }
            _ => Step::Forward,
        }
    }

    // Only a Bind with an inquiry before it is read further than its head.
    fn ask_before_bind(
        &mut self,
        text: &I::Text,
        types: &[u32],
        payload: &[u8],
        truncated: bool,
    ) -> Turn<I::Statement> {
        if self.inspector.before(text) == Before::Nothing {
            return Turn::Go(None);
        }
        let parameters = if truncated { None } else { client_message::bind_parameters(payload) };
        self.ask_before(text, types, parameters.as_deref())
    }

    fn simple(&mut self, text: Option<&I::Text>, answer: Option<Answer<I::Statement>>) -> Step {
        let begun = match answer {
            Some(Answer { statement, refused: Some(error), .. }) => Err((statement, error)),
            // The person may have been suspended while the question was answered.
            Some(Answer { statement, .. }) => match self.inspector.interrupt(&statement) {
                Some(error) => Err((statement, error)),
                None => Ok(statement),
            },
            None => self.inspector.begin(text),
        };
        match begun {
            Ok(statement) if text.is_none() => {
                self.ops.push(Op::FunctionCall { statement });
                Step::Forward
            }
            Ok(statement) => {
                self.ops.push(Op::Query { statement, refused: None });
                Step::Forward
            }
            Err((statement, error)) => {
                self.ops.push(Op::Query { statement, refused: Some(error) });
                Step::Replace(client_message::failing_query_frame())
            }
        }
    }

    fn execute(&mut self, name: &[u8]) -> Step {
        let portal = self.from_client.portal(name);
        let id = portal.id;
        let text = portal.text.clone();
        let asked = portal.asked;
        let statement = match portal.statement.take() {
            Some(statement) => statement,
            None => match self.inspector.begin(text.as_ref()) {
                Ok(mut statement) => {
                    // The portal goes on: its subjects are those that were asked for.
                    if asked {
                        self.inspector.answered(&mut statement, false);
                    }
                    statement
                }
                Err((_, error)) => return self.refuse_extended(error),
            },
        };
        self.from_client.batch.run(text.as_ref().is_some_and(|text| self.inspector.begins(text)));
        // Rows come without a description, and one given earlier may be of another portal of this name.
        let known = self.from_client.fresh.contains(&id);
        if !known {
            self.describe(id, true);
        }
        self.from_client.fresh.retain(|&fresh| fresh == id);
        // What EXECUTE and FETCH give is described anew at each Describe, but decided when they first run.
        self.from_client.bound = self.from_client.bound.filter(|&bound| bound == id);
        let doubtful = self.from_client.bound.is_none() && self.inspector.is_dynamic(text.as_ref());
        self.ops.push(Op::Execute { portal: id, doubtful, statement });
        if known { Step::Forward } else { Step::Precede(client_message::describe_portal_frame(name)) }
    }

    fn refuse_extended(&mut self, error: ClientError) -> Step {
        self.ops.push(Op::Parse { number: 0, refused: Some(error) });
        Step::Replace(client_message::failing_parse_frame())
    }

    fn describe(&mut self, portal: u64, injected: bool) {
        let fresh = &mut self.from_client.fresh;
        if fresh.len() >= FRESH_MAX {
            fresh.remove(0);
        }
        fresh.push(portal);
        self.ops.push(Op::DescribePortal { portal, injected });
    }

    fn malformed(&mut self, message: &str) -> Step {
        self.close_with(ClientError::fatal("08P01", format!("malformed {message} message")));
        Step::Drop
    }
}

// How much of a message has to be there before it is sent on.
fn head_bytes(tag: u8) -> usize {
    match tag {
        b'Q' | b'P' => TEXT_BYTES_MAX,
        b'B' | b'D' | b'E' | b'C' => HEAD_BYTES_MAX,
        _ => HEADER_BYTES,
    }
}

/// Collects what is forwarded of one input buffer.
struct Forwarding {
    queue: OutQueue,
    input: Arc<Buffer>,
    from: usize,
}

impl Forwarding {
    fn insert(&mut self, at: usize, bytes: Vec<u8>) {
        self.queue.push(&self.input, self.from, at, Tag::default());
        self.from = at;
        self.queue.push_owned(bytes, Tag::default());
    }

    fn skip(&mut self, start: usize, end: usize) {
        self.queue.push(&self.input, self.from, start, Tag::default());
        self.from = end;
    }

    fn finish(mut self, end: usize, to: &mut OutQueue) -> Arc<Buffer> {
        self.queue.push(&self.input, self.from, end, Tag::default());
        to.append(self.queue);
        self.input
    }
}
