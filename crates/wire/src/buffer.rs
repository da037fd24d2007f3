//! Read buffers, drawn from a small pool of each thread so that an idle session holds none, and the queue of
//! bytes on their way out.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncWrite, ReadBuf};

use crate::frame::read_header;

/// Bytes of an ordinary read buffer: one read takes what a socket holds under load, and two sessions' buffers
/// still fit a core's second-level cache.
pub const BUFFER_BYTES: usize = 64 * 1024;
// Buffers a thread keeps for use again: 2 MiB.
const POOL_BUFFERS_MAX: usize = 32;
// Pieces of one vectored write.
const SLICES_MAX: usize = 16;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes read from a socket; gives its memory back to the thread's pool when dropped.
#[derive(Debug)]
pub struct Buffer {
    // Always initialised in its whole length; the first `filled` bytes count.
    memory: Vec<u8>,
    filled: usize,
}

impl Buffer {
    /// Takes a buffer of [`BUFFER_BYTES`] from the pool.
    pub fn take() -> Buffer {
        let memory = POOL.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; BUFFER_BYTES]);
        Buffer { memory, filled: 0 }
    }

    /// Wraps bytes made by Rastro.
    pub fn owned(bytes: Vec<u8>) -> Buffer {
        Buffer { filled: bytes.len(), memory: bytes }
    }

    /// Takes a buffer that begins with `bytes` and has room for at least `capacity` in all.
    pub fn starting_with(bytes: &[u8], capacity: usize) -> Buffer {
        let mut buffer = Buffer::take();
        buffer.grow(capacity.max(bytes.len()));
        if let Some(start) = buffer.memory.get_mut(..bytes.len()) {
            start.copy_from_slice(bytes);
            buffer.filled = bytes.len();
        }
        buffer
    }

    /// Returns a buffer that holds what `input` has from `start` on, with room for at least `capacity` bytes
    /// in all: `input` itself if nothing of it is in use, so that a frame that comes in many small reads is
    /// not copied at each.
    pub fn tail(input: Arc<Buffer>, start: usize, capacity: usize) -> Buffer {
        match Arc::try_unwrap(input) {
            Ok(mut buffer) if start == 0 => {
                if buffer.filled == buffer.memory.len() {
                    buffer.grow(capacity);
                }
                buffer
            }
            Ok(buffer) => Buffer::starting_with(buffer.bytes().get(start..).unwrap_or_default(), capacity),
            Err(shared) => Buffer::starting_with(shared.bytes().get(start..).unwrap_or_default(), capacity),
        }
    }

    /// Makes room for at least `capacity` bytes in all.
    pub fn grow(&mut self, capacity: usize) {
        if capacity > self.memory.len() {
            self.memory.resize(capacity, 0);
        }
    }

    /// Returns the bytes read so far.
    pub fn bytes(&self) -> &[u8] {
        self.memory.get(..self.filled).unwrap_or_default()
    }

    /// Lets `read` fill the free room and returns how many bytes came.
    pub fn poll_fill(
        &mut self,
        read: impl FnOnce(&mut ReadBuf<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(self.memory.get_mut(self.filled..).unwrap_or_default());
        ready!(read(&mut room))?;
        let count = room.filled().len();
        self.filled += count;
        Poll::Ready(Ok(count))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.memory.len() == BUFFER_BYTES {
            let memory = std::mem::take(&mut self.memory);
            // The pool is gone while its thread ends; the memory then goes with it.
            let _ = POOL.try_with(|pool| {
                let mut pool = pool.borrow_mut();
                if pool.len() < POOL_BUFFERS_MAX {
                    pool.push(memory);
                }
            });
        }
    }
}

/// Where a run of bytes belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tag {
    /// The bytes may go once this ticket is released; 0 at once.
    pub hold: u64,
    /// The answer cycle (count of ReadyForQuery before it).
    pub cycle: u64,
    /// Part of a frame that is passed on in parts, so not cut at frames.
    pub raw: bool,
}

#[derive(Debug)]
struct Piece {
    buffer: Arc<Buffer>,
    origin: usize,
    start: usize,
    end: usize,
    tag: Tag,
}

/// Bytes on their way to a socket, in order; none goes before its ticket is released.
#[derive(Debug, Default)]
pub struct OutQueue {
    pieces: VecDeque<Piece>,
    bytes: usize,
}

impl OutQueue {
    /// Appends a run of whole frames (or, with `tag.raw`, of any bytes).
    pub fn push(&mut self, buffer: &Arc<Buffer>, start: usize, end: usize, tag: Tag) {
        if start >= end {
            return;
        }
        self.bytes += end - start;
        if let Some(last) = self.pieces.back_mut()
            && last.end == start
            && last.tag == tag
            && Arc::ptr_eq(&last.buffer, buffer)
        {
            last.end = end;
            return;
        }
        self.pieces.push_back(Piece { buffer: Arc::clone(buffer), origin: start, start, end, tag });
    }

    /// Appends frames made by Rastro.
    pub fn push_owned(&mut self, bytes: Vec<u8>, tag: Tag) {
        let end = bytes.len();
        self.push(&Arc::new(Buffer::owned(bytes)), 0, end, tag);
    }

    /// Appends all of `other`. Behind a backlog, a few bytes do not keep the large buffer they were read into.
    pub fn append(&mut self, mut other: OutQueue) {
        if !self.is_empty() && other.bytes < BUFFER_BYTES / 8 {
            for piece in &other.pieces {
                let bytes = piece.buffer.bytes().get(piece.start..piece.end).unwrap_or_default();
                self.push_owned(bytes.to_vec(), piece.tag);
            }
            return;
        }
        self.bytes += other.bytes;
        self.pieces.append(&mut other.pieces);
    }

    /// Returns the bytes waiting.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Returns the ticket that the first waiting byte needs, if it is above `released`.
    pub fn blocked_on(&self, released: u64) -> Option<u64> {
        self.pieces.front().map(|piece| piece.tag.hold).filter(|&hold| hold > released)
    }

    /// Writes what is released; ready with `true` if bytes went, `false` if there was nothing to write.
    pub fn poll_write<W: AsyncWrite>(
        &mut self,
        mut stream: Pin<&mut W>,
        cx: &mut Context<'_>,
        released: u64,
    ) -> Poll<io::Result<bool>> {
        if self.pieces.front().is_none_or(|piece| piece.tag.hold > released) {
            return Poll::Ready(Ok(false));
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for (slot, piece) in slices.iter_mut().zip(self.pieces.iter().take_while(|p| p.tag.hold <= released))
        {
            *slot = IoSlice::new(piece.buffer.bytes().get(piece.start..piece.end).unwrap_or_default());
            count += 1;
        }
        let written = match slices.get(..count) {
            None | Some([]) => return Poll::Ready(Ok(false)),
            Some([one]) => ready!(stream.as_mut().poll_write(cx, one))?,
            Some(many) => ready!(stream.as_mut().poll_write_vectored(cx, many))?,
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.consume(written);
        Poll::Ready(Ok(true))
    }

    fn consume(&mut self, mut count: usize) {
        self.bytes -= count;
        while let Some(piece) = self.pieces.front_mut() {
            let length = piece.end - piece.start;
            if count < length {
                piece.start += count;
                return;
            }
            count -= length;
            self.pieces.pop_front();
        }
    }

    /// Takes back what waits of `cycle`, but for the rest of a frame already begun and for frames passed on
    /// in parts. Later cycles stay.
    pub fn discard_cycle(&mut self, cycle: u64) {
        self.discard_within(cycle, self.pieces.len());
    }

    // As `discard_cycle`; nothing of the cycle's pieces from `unsent` on has been written, so that these go
    // without exception.
    fn discard_within(&mut self, cycle: u64, unsent: usize) {
        let is_raw = |piece: &Piece| piece.tag.raw && piece.tag.cycle == cycle;
        let last_raw = self.pieces.iter().take(unsent).rposition(is_raw);
        let mut count = 0;
        self.pieces.retain_mut(|piece| {
            let index = count;
            count += 1;
            if piece.tag.cycle != cycle || last_raw.is_some_and(|raw| index <= raw) {
                return true;
            }
            if index >= unsent {
                return false;
            }
            piece.end = piece.frame_boundary();
            piece.start < piece.end
        });
        self.bytes = self.pieces.iter().map(|piece| piece.end - piece.start).sum();
    }

    /// Leaves out what waits of `cycle` for a ticket above `released`, and nothing behind it.
    pub fn drop_held(&mut self, released: u64, cycle: u64) {
        self.pieces.retain(|piece| piece.tag.cycle != cycle || piece.tag.hold <= released);
        self.bytes = self.pieces.iter().map(|piece| piece.end - piece.start).sum();
    }

    /// Replaces every cycle that waits for a ticket above `released`: what waits of it gives way to `error`,
    /// and its ReadyForQuery, if already there, stays. Returns whether the cycle `open`, whose end has not
    /// come yet, was among them.
    pub fn refuse_held(&mut self, released: u64, open: u64, error: &[u8]) -> bool {
        let mut cycles: Vec<u64> = self
            .pieces
            .iter()
            .filter(|piece| piece.tag.hold > released)
            .map(|piece| piece.tag.cycle)
            .collect();
        cycles.dedup();
        for &cycle in &cycles {
            let ready = self.ready_frame(cycle).filter(|_| cycle != open);
            // What stands behind a piece that waits was not written either.
            let held = |piece: &Piece| piece.tag.cycle == cycle && piece.tag.hold > released;
            self.discard_within(cycle, self.pieces.iter().position(held).unwrap_or(self.pieces.len()));
            let at = self.pieces.partition_point(|piece| piece.tag.cycle <= cycle);
            let mut bytes = error.to_vec();
            bytes.extend(ready.into_iter().flatten());
            let end = bytes.len();
            self.bytes += end;
            let tag = Tag { hold: 0, cycle, raw: false };
            let buffer = Arc::new(Buffer::owned(bytes));
            self.pieces.insert(at, Piece { buffer, origin: 0, start: 0, end, tag });
        }
        cycles.contains(&open)
    }

    // The ReadyForQuery that ends a cycle: 6 bytes, always the last of it.
    fn ready_frame(&self, cycle: u64) -> Option<[u8; 6]> {
        let piece = self.pieces.iter().rev().find(|piece| piece.tag.cycle == cycle)?;
        let bytes = piece.buffer.bytes().get(piece.start..piece.end)?;
        bytes.last_chunk::<6>().copied().filter(|frame| frame.starts_with(b"Z\0\0\0\x05"))
    }
}

impl Piece {
    // The end of the frame that is partly written, or the start if none is.
    fn frame_boundary(&self) -> usize {
        let mut at = self.origin;
        while at < self.start {
            match self.buffer.bytes().get(at..).map(|rest| read_header(rest, usize::MAX - 1)) {
                Some(Ok(Some(frame))) => at += frame.bytes,
                _ => return self.end,
            }
        }
        at.min(self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(count: u8) -> Arc<Buffer> {
        let mut bytes = Vec::new();
        for n in 0..count {
            crate::frame::write_frame(&mut bytes, b'D', &[&[n; 5]]);
        }
        Arc::new(Buffer::owned(bytes))
    }

    #[test]
    fn discarded_cycle_keeps_the_frame_already_begun() {
        let buffer = frames(4);
        let mut queue = OutQueue::default();
        queue.push(&buffer, 0, 40, Tag::default());
        queue.push(&buffer, 0, 10, Tag { cycle: 1, ..Tag::default() });
        queue.consume(13);
        queue.discard_cycle(0);
        assert_eq!(queue.bytes(), 7 + 10);
        queue.consume(7);
        assert_eq!(queue.pieces.front().unwrap().tag.cycle, 1);
    }

    #[test]
    fn discarded_cycle_with_nothing_begun_leaves_nothing() {
        let buffer = frames(2);
        let mut queue = OutQueue::default();
        queue.push(&buffer, 0, 20, Tag::default());
        queue.discard_cycle(0);
        assert!(queue.is_empty() && queue.bytes() == 0);
    }

    #[test]
    fn refused_cycles_give_way_to_an_error_and_keep_their_end() {
        let mut bytes = frames(1).bytes().to_vec();
        bytes.extend_from_slice(b"Z\0\0\0\x05I");
        let buffer = Arc::new(Buffer::owned(bytes));
        let mut queue = OutQueue::default();
        queue.push(&buffer, 0, 16, Tag { hold: 5, cycle: 0, raw: false });
        queue.push(&buffer, 0, 10, Tag { hold: 6, cycle: 1, raw: false });
        assert_eq!(queue.blocked_on(4), Some(5));
        assert!(queue.refuse_held(4, 1, b"E!"));
        let out: Vec<u8> =
            queue.pieces.iter().flat_map(|p| p.buffer.bytes()[p.start..p.end].to_vec()).collect();
        assert_eq!(out, b"E!Z\0\0\0\x05IE!");
        assert_eq!(queue.bytes(), out.len());
    }

    #[test]
    fn dropped_message_leaves_what_stands_behind_it() {
        let buffer = frames(3);
        let mut queue = OutQueue::default();
        queue.push(&buffer, 0, 10, Tag { hold: 5, cycle: 1, raw: false });
        queue.push(&buffer, 10, 20, Tag { hold: 0, cycle: 1, raw: false });
        queue.push(&buffer, 20, 30, Tag { hold: 6, cycle: 2, raw: false });
        queue.drop_held(4, 1);
        let left: Vec<usize> = queue.pieces.iter().map(|piece| piece.start).collect();
        assert_eq!((left, queue.bytes()), (vec![10, 20], 20));
    }

    #[test]
    fn backlog_of_small_reads_keeps_no_large_buffers() {
        let mut queue = OutQueue::default();
        for _ in 0..100 {
            let mut read = OutQueue::default();
            read.push(&Arc::new(Buffer::starting_with(&[b'x'; 50], 0)), 0, 50, Tag::default());
            queue.append(read);
        }
        let kept: usize = queue.pieces.iter().map(|piece| piece.buffer.memory.len()).sum();
        assert_eq!(queue.bytes(), 5_000);
        assert!(kept < BUFFER_BYTES + 5_000, "{kept} bytes");
    }

    #[test]
    fn tail_of_an_unused_buffer_is_the_buffer_itself() {
        let buffer = Buffer::starting_with(b"begun", 0);
        let address = buffer.memory.as_ptr();
        let tail = Buffer::tail(Arc::new(buffer), 0, 10);
        assert_eq!((tail.memory.as_ptr(), tail.bytes()), (address, &b"begun"[..]));
        let full = Buffer::tail(Arc::new(Buffer::owned(vec![1; BUFFER_BYTES])), 0, 2 * BUFFER_BYTES);
        assert_eq!((full.memory.len(), full.filled), (2 * BUFFER_BYTES, BUFFER_BYTES));
        let shared = Arc::new(Buffer::owned(vec![1; 9]));
        assert_eq!(Buffer::tail(Arc::clone(&shared), 4, 0).bytes(), [1; 5]);
    }

    #[test]
    fn buffers_come_back_to_the_pool_of_their_thread() {
        let first = Buffer::take();
        let address = first.memory.as_ptr();
        drop(first);
        assert_eq!(Buffer::take().memory.as_ptr(), address);
    }
}
