//! Reading a CSV file on all cores.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use parking_lot::Mutex;

use crate::blocks::{Block, Blocks};
use crate::cells::{Cells, Record, Step};
use crate::error::{BadLine, IntakeError};
use crate::header::{Column, ColumnMap, Header, read_header};
use crate::source::Source;

/// Blocks that wait for a worker, and results that wait for the caller; each is of some MB.
const WAITING_MAX: usize = 4;
/// Bad lines kept with their cause; the others are only counted.
const BAD_KEPT_MAX: usize = 20;

/// Whether a malformed line ends the reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum BadLines {
    /// The first one does, by its place in the file.
    #[default]
    Refuse,
    /// They are counted, and left out.
    Skip,
}

/// How CSV files are read.
#[derive(Clone, Debug, Default)]
pub struct TableFormat {
    /// Other names of the columns.
    pub columns: ColumnMap,
    /// What stands between cells; found out from the header if missing.
    pub delimiter: Option<u8>,
    /// Whether a malformed line ends the reading.
    pub bad_lines: BadLines,
}

/// What was read from a file.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Records used.
    pub records: u64,
    /// Lines left out.
    pub bad: u64,
    /// The first of them, in the order of the file.
    pub bad_lines: Vec<BadLine>,
    /// Lines that repeat the header.
    pub headers_repeated: u64,
    /// Bytes read from the file.
    pub bytes: u64,
}

/// What a worker does with the records it is given.
pub(crate) trait Worker: Send {
    /// What it makes of one block.
    type Output: Send + Default;

    /// Uses one record whose cells are at the header's positions.
    ///
    /// # Errors
    /// Why the line cannot be used, in words that hold none of its values.
    fn record(
        &mut self,
        record: &Record<'_>,
        header: &Header,
        output: &mut Self::Output,
    ) -> Result<(), String>;

    /// Ends a block: what was put off is done now.
    fn end_block(&mut self, output: &mut Self::Output) {
        let _ = output;
    }
}

struct Done<T> {
    output: T,
    tally: Tally,
}

/// Reads a file: a thread cuts blocks, `workers` use their records, and `sink` takes what they make of each
/// block, in any order, on the calling thread together with the bytes of the file read so far.
///
/// # Errors
/// The file cannot be read or its header used; with [`BadLines::Refuse`] its first malformed line.
pub(crate) fn read_table<W: Worker>(
    source: Source,
    columns: &[Column],
    format: &TableFormat,
    workers: &mut [W],
    sink: impl FnMut(W::Output, u64),
) -> Result<Tally, IntakeError> {
    let header = read_header(
        &source.path,
        &source.head,
        columns,
        &format.columns,
        source.delimiter.or(format.delimiter),
    )?;
    read_records(source, header, format.bad_lines, workers, sink)
}

/// The same for a file whose header is known already.
///
/// # Errors
/// The file cannot be read; with [`BadLines::Refuse`] its first malformed line.
pub(crate) fn read_records<W: Worker>(
    source: Source,
    header: Header,
    bad_lines: BadLines,
    workers: &mut [W],
    mut sink: impl FnMut(W::Output, u64),
) -> Result<Tally, IntakeError> {
    let Source { path, reader, mut head, read, .. } = source;
    head.drain(..header.taken);
    let blocks = Blocks::new(reader, header.delimiter, head, header.lines + 1);
    let stop = AtomicBool::new(false);
    let refuse = bad_lines == BadLines::Refuse;
    let mut total = Tally::default();
    let failed = std::thread::scope(|scope| {
        let (block_sender, block_receiver) = sync_channel(WAITING_MAX);
        // Held by the workers alone: should they all end early, the cutter ends too.
        let queue = Arc::new(Mutex::new(block_receiver));
        let (done_sender, done_receiver) = sync_channel::<Done<W::Output>>(WAITING_MAX);
        let (stop, header) = (&stop, &header);
        let cutter = scope.spawn(move || cut_blocks(blocks, &block_sender, stop));
        for worker in workers {
            let (queue, done_sender) = (Arc::clone(&queue), done_sender.clone());
            scope.spawn(move || work(worker, header, &queue, &done_sender, refuse.then_some(stop)));
        }
        drop((queue, done_sender));
        for done in done_receiver {
            total.add(done.tally);
            sink(done.output, read.load(Ordering::Relaxed));
        }
        cutter.join()
    });
    total.bytes = read.load(Ordering::Relaxed);
    match failed {
        Ok(Ok(())) => {}
        Ok(Err(source)) => return Err(IntakeError::Read { path, source }),
        Err(_) => {
            return Err(IntakeError::Read { path, source: std::io::Error::other("a thread ended early") });
        }
    }
    total.bad_lines.sort_by_key(|bad| bad.line);
    total.bad_lines.truncate(BAD_KEPT_MAX);
    if refuse {
        total.refuse(&path)?;
    }
    Ok(total)
}

impl Tally {
    pub(crate) fn add(&mut self, other: Tally) {
        self.records += other.records;
        self.bad += other.bad;
        self.headers_repeated += other.headers_repeated;
        self.bytes += other.bytes;
        self.bad_lines.extend(other.bad_lines);
    }

    pub(crate) fn refuse(&mut self, path: &Path) -> Result<(), IntakeError> {
        match self.bad_lines.first() {
            None => Ok(()),
            Some(bad) => Err(IntakeError::Line { path: PathBuf::from(path), bad: bad.clone() }),
        }
    }

    pub(crate) fn note_bad(&mut self, line: u64, cause: impl Into<String>) {
        self.bad += 1;
        if self.bad_lines.len() < BAD_KEPT_MAX {
            self.bad_lines.push(BadLine { line, cause: cause.into() });
        }
    }
}

fn cut_blocks<R: std::io::Read>(
    mut blocks: Blocks<R>,
    sender: &SyncSender<Block>,
    stop: &AtomicBool,
) -> std::io::Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let Some(block) = blocks.next_block()? else { break };
        if sender.send(block).is_err() {
            break;
        }
    }
    Ok(())
}

fn work<W: Worker>(
    worker: &mut W,
    header: &Header,
    queue: &Mutex<Receiver<Block>>,
    sender: &SyncSender<Done<W::Output>>,
    stop: Option<&AtomicBool>,
) {
    let mut cells = Cells::default();
    loop {
        let Ok(block) = queue.lock().recv() else { return };
        let done = use_block(worker, header, &block, &mut cells);
        if let Some(stop) = stop.filter(|_| done.tally.bad > 0) {
            stop.store(true, Ordering::Relaxed);
        }
        if sender.send(done).is_err() {
            return;
        }
    }
}

fn use_block<W: Worker>(
    worker: &mut W,
    header: &Header,
    block: &Block,
    cells: &mut Cells,
) -> Done<W::Output> {
    let mut done = Done { output: W::Output::default(), tally: Tally::default() };
    let mut line = block.first_line;
    if block.overlong {
        done.tally.note_bad(line, "the line is longer than 1 MiB");
    }
    let mut rest = block.bytes.as_slice();
    while !rest.is_empty() {
        let taken = match cells.next(rest, header.delimiter) {
            Step::Blank(taken) => {
                line += 1;
                taken
            }
            Step::Malformed(taken, newlines, why) => {
                done.tally.note_bad(line, why);
                line += newlines;
                taken
            }
            Step::Record(taken, newlines) => {
                let record = cells.record(rest);
                let used = if record.len() == header.width {
                    worker.record(&record, header, &mut done.output)
                } else {
                    Err(format!("it has {} columns, the header {}", record.len(), header.width))
                };
                match used {
                    Ok(()) => done.tally.records += 1,
                    Err(_) if rest.get(..taken).unwrap_or_default().trim_ascii_end() == header.text => {
                        done.tally.headers_repeated += 1;
                    }
                    Err(why) => done.tally.note_bad(line, why),
                }
                line += newlines;
                taken
            }
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    worker.end_block(&mut done.output);
    done
}
