//! Segments merged to one: rows of sorted tables, stream by stream, in bounded memory.

use std::cmp::Ordering;
use std::sync::Arc;
use std::vec::IntoIter;

use arrow_array::RecordBatch;

use crate::build::{after, write_rows};
use crate::clock::Clock;
use crate::error::ArchiveError;
use crate::exposed::Seen;
use crate::manifest::{Names, Segment, Source};
use crate::objects::Objects;
use crate::open::{Batches, OpenSegment};
use crate::row::{BulkSet, Disclosed, Exposed, ReasonRow, Statement};
use crate::table::{
    Combinations, StatementReader, Table, decode_disclosures, decode_exposure, decode_reasons, decode_sets,
    encode_clock, encode_disclosures, encode_exposure, encode_reasons, encode_sets, encode_statements,
    ticks_of,
};
use crate::write::{Place, TableWriter};

type Decode<R> = dyn FnMut(&RecordBatch) -> Result<Vec<R>, &'static str>;

/// Rows of one segment's table, a batch at a time.
struct Stream<R> {
    batches: Option<Batches>,
    decode: Box<Decode<R>>,
    ready: IntoIter<R>,
    next: Option<R>,
}

impl<R> Stream<R> {
    fn open(
        segment: &OpenSegment,
        table: Table,
        decode: impl FnMut(&RecordBatch) -> Result<Vec<R>, &'static str> + 'static,
    ) -> Result<Stream<R>, ArchiveError> {
        let batches = segment.table(table).map(|table| table.read(&[], None)).transpose()?;
        let mut stream =
            Stream { batches, decode: Box::new(decode), ready: Vec::new().into_iter(), next: None };
        stream.advance()?;
        Ok(stream)
    }

    fn advance(&mut self) -> Result<(), ArchiveError> {
        loop {
            self.next = self.ready.next();
            if self.next.is_some() {
                return Ok(());
            }
            let Some(batches) = &mut self.batches else { return Ok(()) };
            let Some(batch) = batches.next() else { return Ok(()) };
            let rows = (self.decode)(&batch?).map_err(ArchiveError::malformed(&batches.path))?;
            self.ready = rows.into_iter();
        }
    }
}

/// Calls `each` with the rows of all streams in the order of `compare`, and which stream each came from.
fn merge<R>(
    mut streams: Vec<Stream<R>>,
    compare: impl Fn(&R, &R) -> Ordering,
    mut each: impl FnMut(usize, R) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    // A binary heap of the streams' numbers, by their next rows; the least on top.
    let mut heap: Vec<usize> = (0..streams.len()).collect();
    let less = |streams: &[Stream<R>], a: usize, b: usize| {
        let next = |at: usize| streams.get(at).and_then(|stream| stream.next.as_ref());
        match (next(a), next(b)) {
            (Some(x), Some(y)) => compare(x, y).then(a.cmp(&b)) == Ordering::Less,
            (x, _) => x.is_some(),
        }
    };
    for root in (0..heap.len()).rev() {
        sift(&mut heap, root, |a, b| less(&streams, a, b));
    }
    while let Some(at) = heap.first().copied() {
        let Some(stream) = streams.get_mut(at) else { break };
        let Some(row) = stream.next.take() else { break };
        stream.advance()?;
        each(at, row)?;
        sift(&mut heap, 0, |a, b| less(&streams, a, b));
    }
    Ok(())
}

fn sift(heap: &mut [usize], mut root: usize, less: impl Fn(usize, usize) -> bool) {
    loop {
        let at = |place: usize| heap.get(place).copied();
        let mut least = root;
        for child in [2 * root + 1, 2 * root + 2] {
            if let (Some(a), Some(b)) = (at(child), at(least))
                && less(a, b)
            {
                least = child;
            }
        }
        if least == root {
            return;
        }
        heap.swap(root, least);
        root = least;
    }
}

/// New numbers of the rows of each segment's `statements`.
struct Renumbered {
    first: Vec<u64>,
    rows: Vec<Vec<u32>>,
    first_row: u64,
}

impl Renumbered {
    /// Returns the new line of a row.
    fn get(&self, segment: usize, row: u64) -> Result<u64, &'static str> {
        let first = self.first.get(segment).copied().ok_or("line")?;
        let at = row.checked_sub(first).and_then(|at| usize::try_from(at).ok()).ok_or("line")?;
        let new = self.rows.get(segment).and_then(|rows| rows.get(at)).copied();
        new.map(|new| self.first_row + u64::from(new)).ok_or("line")
    }
}

/// Merges consecutive segments; the files of the result are written, and in no manifest yet.
///
/// Memory: 5 bytes an entry, and a batch of each segment.
pub(crate) fn merge_segments(
    objects: &Objects,
    parts: &[Segment],
    label: &str,
    nonce: u64,
) -> Result<Option<Segment>, ArchiveError> {
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return Ok(None) };
    let kept = Arc::default();
    let open = parts.iter().map(|part| OpenSegment::open(objects, part, &kept));
    let open: Vec<OpenSegment> = open.collect::<Result<_, _>>()?;
    let place = Place { label: label.to_owned(), first_entry: first.first_entry, nonce };
    let mut files = Vec::new();
    let (schemas, schema_numbers) = join_schemas(parts);
    let min_time = parts.iter().map(|part| part.min_time).min().unwrap_or_default();
    let first_line = first.first_line();
    let clocks = open.iter().map(whole_clock).collect::<Result<Vec<Arc<Clock>>, _>>()?;
    let clock = Clock::join(&clocks.iter().map(|clock| &**clock).collect::<Vec<_>>(), min_time);

    let mut writer = TableWriter::new(objects, Table::Statements, &place, encode_statements);
    let mut renumbered = Renumbered {
        first: parts.iter().map(Segment::first_line).collect(),
        rows: parts
            .iter()
            .map(|part| Vec::with_capacity(usize::try_from(part.entries).unwrap_or(0)))
            .collect(),
        first_row: first_line,
    };
    let streams = open.iter().zip(&clocks).map(|(segment, clock)| {
        let mut reader = StatementReader::new(Arc::clone(clock));
        Stream::open(segment, Table::Statements, move |batch| {
            Ok(reader.decode(batch)?.into_iter().map(|(_, statement)| statement).collect())
        })
    });
    let mut next = 0u32;
    merge(
        streams.collect::<Result<_, _>>()?,
        |a: &Statement, b: &Statement| a.order().cmp(&b.order()),
        |segment, mut statement| {
            let numbers = schema_numbers.get(segment);
            let number = numbers.and_then(|numbers| numbers.get(statement.schema as usize));
            statement.schema = *number.ok_or_else(|| ArchiveError::malformed(label)("schema"))?;
            if let Some(rows) = renumbered.rows.get_mut(segment) {
                rows.push(next);
            }
            let line = first_line + u64::from(next);
            next += 1;
            writer.push((line, after(&clock, &statement), statement))
        },
    )?;
    files.extend(writer.finish()?);
    let renumbered = Arc::new(renumbered);

    let mut writer = TableWriter::new(objects, Table::Disclosures, &place, encode_disclosures);
    let streams = open.iter().enumerate().map(|(segment, open)| {
        let (mut combinations, renumbered) = (Combinations::default(), Arc::clone(&renumbered));
        Stream::open(open, Table::Disclosures, move |batch| {
            let mut rows = decode_disclosures(batch, &mut combinations, |_| true)?;
            for row in &mut rows {
                row.row = renumbered.get(segment, row.row)?;
            }
            Ok(rows)
        })
    });
    let order = |a: &Disclosed, b: &Disclosed| a.order().cmp(&b.order());
    merge(streams.collect::<Result<_, _>>()?, order, |_, row| writer.push(row))?;
    files.extend(writer.finish()?);

    let mut writer = TableWriter::new(objects, Table::Sets, &place, encode_sets);
    let streams = open.iter().enumerate().map(|(segment, open)| {
        let (mut combinations, renumbered) = (Combinations::default(), Arc::clone(&renumbered));
        Stream::open(open, Table::Sets, move |batch| {
            let mut rows = decode_sets(batch, &mut combinations)?;
            for row in &mut rows {
                row.facts.row = renumbered.get(segment, row.facts.row)?;
            }
            Ok(rows)
        })
    });
    let order = |a: &BulkSet, b: &BulkSet| a.facts.row.cmp(&b.facts.row);
    merge(streams.collect::<Result<_, _>>()?, order, |_, row| writer.push(row))?;
    files.extend(writer.finish()?);

    let mut writer = TableWriter::new(objects, Table::Reasons, &place, encode_reasons);
    let streams = open.iter().enumerate().map(|(segment, open)| {
        let renumbered = Arc::clone(&renumbered);
        Stream::open(open, Table::Reasons, move |batch| {
            let mut rows = decode_reasons(batch, |_| true)?;
            for row in &mut rows {
                row.row = renumbered.get(segment, row.row)?;
            }
            Ok(rows)
        })
    });
    let order = |a: &ReasonRow, b: &ReasonRow| (&a.kind, &a.key, a.row).cmp(&(&b.kind, &b.key, b.row));
    merge(streams.collect::<Result<_, _>>()?, order, |_, row| writer.push(row))?;
    files.extend(writer.finish()?);
    files.extend(merge_exposure(objects, &open, &place)?);
    let ticks = clock.ticks().iter().copied();
    files.extend(write_rows(objects, Table::Clock, &place, encode_clock, ticks)?);

    Ok(Some(Segment {
        first_entry: first.first_entry,
        next_entry: last.next_entry,
        first_position: first.first_position,
        entries: parts.iter().map(|part| part.entries).sum(),
        first_line: Some(first_line),
        min_time,
        max_time: parts.iter().map(|part| part.max_time).max().unwrap_or_default(),
        schemas,
        sources: join_sources(parts),
        files,
    }))
}

/// Returns the clock of a segment; that of one which an earlier version wrote is made.
fn whole_clock(segment: &OpenSegment) -> Result<Arc<Clock>, ArchiveError> {
    let Some(table) = segment.table(Table::Statements).filter(|_| segment.table(Table::Clock).is_none())
    else {
        return segment.clock();
    };
    let malformed = |column| ArchiveError::malformed(table.file.path())(column);
    let mut ticks = Vec::new();
    for batch in table.read(&segment.entry_columns(), None)? {
        ticks.extend(ticks_of(&batch?, &Clock::default()).map_err(malformed)?);
    }
    ticks.sort_unstable_by_key(|tick| tick.entry);
    Ok(Arc::new(Clock::of_entries(ticks.into_iter(), segment.facts.min_time)))
}

/// Returns all schemas, each once, and the new number of each segment's.
fn join_schemas(parts: &[Segment]) -> (Vec<Names>, Vec<Vec<u32>>) {
    let mut all: Vec<Names> = Vec::new();
    let mut number = |names: &Names| {
        let at = all.iter().position(|known| known == names).unwrap_or_else(|| {
            all.push(names.clone());
            all.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    };
    let numbers = parts.iter().map(|part| part.schemas.iter().map(&mut number).collect()).collect();
    (all, numbers)
}

fn join_sources(parts: &[Segment]) -> Vec<Source> {
    let mut all: Vec<Source> = Vec::new();
    for source in parts.iter().flat_map(|part| &part.sources) {
        if all.last().is_none_or(|last| last.file != source.file) {
            all.push(source.clone());
        }
    }
    all
}

fn merge_exposure(
    objects: &Objects,
    open: &[OpenSegment],
    place: &Place,
) -> Result<Option<crate::manifest::TableFile>, ArchiveError> {
    let mut writer = TableWriter::new(objects, Table::Exposure, place, encode_exposure);
    let streams = open.iter().map(|segment| {
        let mut combinations = Combinations::default();
        Stream::open(segment, Table::Exposure, move |batch| {
            decode_exposure(batch, &mut combinations, |_| true)
        })
    });
    let mut current = None;
    let mut seen = Seen::default();
    merge(
        streams.collect::<Result<_, _>>()?,
        |a: &Exposed, b: &Exposed| a.principal.cmp(&b.principal),
        |_, row| {
            if current.as_ref() != Some(&row.principal)
                && let Some(principal) = current.replace(row.principal.clone())
            {
                let rows = std::mem::take(&mut seen).rows(&principal);
                rows.into_iter().try_for_each(|row| writer.push(row))?;
            }
            seen.add_row(&row).map_err(ArchiveError::malformed(&place.label))
        },
    )?;
    if let Some(principal) = current {
        seen.rows(&principal).into_iter().try_for_each(|row| writer.push(row))?;
    }
    writer.finish()
}
