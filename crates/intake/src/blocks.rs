//! A file in blocks of whole records, so that several threads can read it.

use std::io::{self, Read};

use memchr::{memchr, memchr_iter, memrchr};

/// Longest record. A longer line is malformed; a quote that is not closed within so much opened no cell.
pub(crate) const RECORD_BYTES_MAX: usize = 1 << 20;
/// Bytes asked of the file at a time; four of the longest records.
const BLOCK_BYTES: usize = 4 << 20;

/// Whole records of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) bytes: Vec<u8>,
    /// Number of its first line in the file, from 1.
    pub(crate) first_line: u64,
    /// The block stands for one line that is too long; it holds none of its bytes.
    pub(crate) overlong: bool,
}

/// Cuts what a reader gives into blocks.
pub(crate) struct Blocks<R> {
    reader: R,
    delimiter: u8,
    carry: Vec<u8>,
    line: u64,
    ended: bool,
}

impl<R: Read> Blocks<R> {
    /// Starts with `carry`, bytes read already, the first of line `line`.
    pub(crate) fn new(reader: R, delimiter: u8, carry: Vec<u8>, line: u64) -> Blocks<R> {
        Blocks { reader, delimiter, carry, line, ended: false }
    }

    /// Returns the next block, `None` at the end.
    ///
    /// # Errors
    /// The reader's.
    pub(crate) fn next_block(&mut self) -> io::Result<Option<Block>> {
        if !self.ended && self.carry.len() < BLOCK_BYTES {
            let wanted = BLOCK_BYTES - self.carry.len();
            self.carry.reserve_exact(wanted);
            let read = self.reader.by_ref().take(wanted as u64).read_to_end(&mut self.carry)?;
            self.ended = read < wanted;
        }
        if self.carry.is_empty() {
            return Ok(None);
        }
        let border = if self.ended { self.carry.len() } else { last_border(&self.carry, self.delimiter) };
        if border == 0 {
            return self.drop_line().map(Some);
        }
        let rest = self.carry.split_off(border);
        let bytes = std::mem::replace(&mut self.carry, rest);
        let first_line = self.line;
        self.line += memchr_iter(b'\n', &bytes).count() as u64;
        Ok(Some(Block { bytes, first_line, overlong: false }))
    }

    /// Reads past a line of which a whole block is not the end.
    fn drop_line(&mut self) -> io::Result<Block> {
        let block = Block { bytes: Vec::new(), first_line: self.line, overlong: true };
        self.line += 1;
        loop {
            if let Some(end) = memchr(b'\n', &self.carry) {
                self.carry.drain(..=end);
                return Ok(block);
            }
            self.carry.clear();
            let read = self.reader.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut self.carry)?;
            if read < BLOCK_BYTES {
                self.ended = true;
                let end = memchr(b'\n', &self.carry).map_or(self.carry.len(), |end| end + 1);
                self.carry.drain(..end);
                return Ok(block);
            }
        }
    }
}

/// Returns where the last whole record of `bytes` ends; 0 if there is none.
fn last_border(bytes: &[u8], delimiter: u8) -> usize {
    let (mut border, mut at) = (0, 0);
    while let Some(rest) = bytes.get(at..) {
        let quote = memchr(b'"', rest).map(|found| at + found);
        let plain = bytes.get(at..quote.unwrap_or(bytes.len())).unwrap_or_default();
        if let Some(newline) = memrchr(b'\n', plain) {
            border = at + newline + 1;
        }
        let Some(quote) = quote else { break };
        at = quote + 1;
        if opens_cell(bytes, quote, delimiter) {
            match quoted_end(bytes, quote) {
                Some(end) => at = end,
                None if bytes.len() - quote > RECORD_BYTES_MAX => {}
                // Its end may be in the next block.
                None => break,
            }
        }
    }
    border
}

fn opens_cell(bytes: &[u8], quote: usize, delimiter: u8) -> bool {
    match quote.checked_sub(1).and_then(|before| bytes.get(before)) {
        None => true,
        Some(before) => *before == b'\n' || *before == delimiter,
    }
}

/// Returns the position after the quote that closes the cell opened at `quote`; `None` if there is none
/// within the longest record.
pub(crate) fn quoted_end(bytes: &[u8], quote: usize) -> Option<usize> {
    let limit = bytes.len().min(quote.saturating_add(RECORD_BYTES_MAX));
    let mut at = quote + 1;
    loop {
        let found = at + memchr(b'"', bytes.get(at..limit)?)?;
        if bytes.get(found + 1) != Some(&b'"') {
            return Some(found + 1);
        }
        at = found + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn border_is_after_the_last_newline_outside_quotes() {
        for (text, expected) in [
            ("a,b\nc,d", 4),
            ("a,b\nc,d\n", 8),
            ("a,\"x\ny\"\nc", 8),
            ("a\nb,\"x\ny", 2),
            ("a,O\"Brien\nb\n", 12),
            ("a,\"x\"\"\n\"\nb", 9),
            ("no newline", 0),
            ("", 0),
        ] {
            assert_eq!(last_border(text.as_bytes(), b','), expected, "{text:?}");
        }
    }

    #[test]
    fn blocks_hold_every_byte_once_and_count_their_lines() {
        let line = format!("{},\"two\nlines\",{}\n", "k".repeat(700), "v".repeat(300));
        let text = line.repeat(20_000);
        let mut blocks = Blocks::new(text.as_bytes(), b',', Vec::new(), 2);
        let (mut all, mut lines, mut count) = (Vec::new(), 2, 0);
        while let Some(block) = blocks.next_block().unwrap() {
            assert_eq!(block.first_line, lines);
            assert!(block.bytes.ends_with(b"\n"));
            lines += memchr_iter(b'\n', &block.bytes).count() as u64;
            all.extend(block.bytes);
            count += 1;
        }
        assert!(all == text.as_bytes() && count > 3, "{count} blocks");
    }

    #[test]
    fn line_longer_than_a_block_is_dropped_and_the_next_one_kept() {
        let text = format!("{}\nshort\n", "x".repeat(3 * BLOCK_BYTES + 17));
        let mut blocks = Blocks::new(text.as_bytes(), b',', Vec::new(), 1);
        let first = blocks.next_block().unwrap().unwrap();
        assert!(first.overlong && first.first_line == 1);
        let second = blocks.next_block().unwrap().unwrap();
        assert_eq!((second.bytes.as_slice(), second.first_line), (&b"short\n"[..], 2));
        assert_eq!(blocks.next_block().unwrap(), None);
    }
}
