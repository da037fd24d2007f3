//! The rows of `disclosures`, which stand in the order of subjects, in the order of lines: chunk after chunk of lines.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::ArchiveError;
use crate::open::OpenSegment;
use crate::row::{Combination, Disclosed, Key};
use crate::table::{Combinations, Table, decode_disclosures};

/// Rows held at a time; 16 bytes each where the key is an integer.
const HELD_MAX: u64 = 16 << 20;

/// Reads the table as few times as memory allows.
pub(super) struct ByLine<'a> {
    segment: &'a OpenSegment,
    chunk: u64,
    /// Chunks of lines held at a time, and the first that is.
    width: u64,
    first: Option<u64>,
    combinations: Combinations,
    numbers: HashMap<Arc<Combination>, u32>,
    known: Vec<Arc<Combination>>,
    ints: Vec<Vec<Held>>,
    others: Vec<Vec<Disclosed>>,
}

#[derive(Clone, Copy)]
struct Held {
    key: i64,
    /// From the segment's first.
    line: u32,
    combination: u32,
}

impl<'a> ByLine<'a> {
    /// `chunk`: lines that are asked for at a time.
    pub(super) fn new(segment: &'a OpenSegment, chunk: u64) -> ByLine<'a> {
        let rows = segment.table(Table::Disclosures).map_or(0, |table| table.rows);
        let chunks = segment.facts.entries.div_ceil(chunk);
        let width = chunks.div_ceil(rows.div_ceil(HELD_MAX).max(1)).max(1);
        ByLine {
            segment,
            chunk,
            width,
            first: None,
            combinations: Combinations::default(),
            numbers: HashMap::new(),
            known: Vec::new(),
            ints: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Returns the rows of a chunk of lines, by line, combination and key. Chunks are to be asked for in their order.
    pub(super) fn take(&mut self, chunk: u64) -> Result<Vec<Disclosed>, ArchiveError> {
        let at = match self.first.and_then(|first| chunk.checked_sub(first)).filter(|at| *at < self.width) {
            Some(at) => at,
            None => {
                self.read(chunk)?;
                0
            }
        };
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let mut held = self.ints.get_mut(at).map(std::mem::take).unwrap_or_default();
        let mut rows = self.others.get_mut(at).map(std::mem::take).unwrap_or_default();
        let mut order: Vec<u32> = (0..self.known.len() as u32).collect();
        order.sort_by_key(|number| self.known.get(*number as usize));
        let mut rank = vec![0u32; order.len()];
        for (place, number) in (0..).zip(&order) {
            if let Some(rank) = rank.get_mut(*number as usize) {
                *rank = place;
            }
        }
        let of = |held: &Held| (held.line, rank.get(held.combination as usize), held.key);
        held.sort_unstable_by(|a, b| of(a).cmp(&of(b)));
        let is_mixed = !rows.is_empty();
        rows.reserve(held.len());
        for Held { key, line, combination } in held {
            let Some(combination) = self.known.get(combination as usize) else { continue };
            let row = self.segment.facts.first_line() + u64::from(line);
            rows.push(Disclosed { key: Key::Int(key), row, combination: Arc::clone(combination) });
        }
        if is_mixed {
            rows.sort_unstable_by(|a, b| {
                (a.row, &a.combination, &a.key).cmp(&(b.row, &b.combination, &b.key))
            });
        }
        Ok(rows)
    }

    /// Reads the rows of the chunks from `first` on that are held at a time.
    fn read(&mut self, first: u64) -> Result<(), ArchiveError> {
        self.first = Some(first);
        let width = usize::try_from(self.width).unwrap_or(1);
        self.ints = vec![Vec::new(); width];
        self.others = vec![Vec::new(); width];
        let Some(table) = self.segment.table(Table::Disclosures) else { return Ok(()) };
        let lines = first * self.chunk..(first + self.width) * self.chunk;
        let malformed = |column| ArchiveError::malformed(table.file.path())(column);
        for batch in table.read(&[], None)? {
            let rows = decode_disclosures(&batch?, &mut self.combinations, |row| {
                self.segment.offset_of(row).is_some_and(|line| lines.contains(&u64::from(line)))
            });
            for row in rows.map_err(malformed)? {
                let line = self.segment.offset_of(row.row).ok_or_else(|| malformed("line"))?;
                let at = usize::try_from(u64::from(line) / self.chunk - first).unwrap_or(usize::MAX);
                let Key::Int(key) = row.key else {
                    self.others.get_mut(at).ok_or_else(|| malformed("line"))?.push(row);
                    continue;
                };
                let combination = match self.numbers.get(&row.combination) {
                    Some(known) => *known,
                    None => {
                        let number = u32::try_from(self.known.len()).map_err(|_| malformed("fields"))?;
                        self.numbers.insert(Arc::clone(&row.combination), number);
                        self.known.push(row.combination);
                        number
                    }
                };
                let held = Held { key, line, combination };
                self.ints.get_mut(at).ok_or_else(|| malformed("line"))?.push(held);
            }
        }
        Ok(())
    }
}
