//! Reads a spool back, also while it is being written.

use std::io;
use std::path::Path;

use crate::bytes::FormatError;
use crate::decode::{Brief, Decoder, Entry};
use crate::disk::{Directory, Files, file_name};
use crate::entry::EntryNo;
use crate::frame::{FRAME_HEAD_LEN, FileFacts, HEADER_LEN, HeaderError, body_len, body_matches};

/// Why a spool cannot be read on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The disk refused.
    #[error("cannot read spool file `{}`", file_name(*seq))]
    Disk {
        /// Which file; 0 for the directory.
        seq: u64,
        /// What the disk said.
        source: io::Error,
    },
    /// A header is unusable.
    #[error("cannot use spool file `{}`", file_name(*seq))]
    Header {
        /// Which file.
        seq: u64,
        /// Why.
        source: HeaderError,
    },
    /// A frame is damaged though later ones were written after it was durable.
    #[error("spool file `{}` is damaged at byte {offset}", file_name(*seq))]
    Damaged {
        /// Which file.
        seq: u64,
        /// Where the frame begins.
        offset: u64,
    },
    /// A frame is whole but says what the format does not allow.
    #[error("spool file `{}` has a malformed record in the frame at byte {offset}", file_name(*seq))]
    Malformed {
        /// Which file.
        seq: u64,
        /// Where the frame begins.
        offset: u64,
        /// Why.
        source: FormatError,
    },
    /// A file between two others is gone.
    #[error("spool file `{}` is missing", file_name(*seq))]
    Missing {
        /// Which file.
        seq: u64,
    },
}

/// Entries in order, across files. Ends at the last whole frame; asked again later it goes on with what has
/// been written since. Holds one frame (at most 16 MiB) and the dictionaries of one file. A clone goes on from the
/// same place by itself.
#[derive(Clone)]
pub struct SpoolReader<F: Files = Directory> {
    files: F,
    seq: Option<u64>,
    facts: Option<FileFacts>,
    decoder: Decoder,
    offset: u64,
    frame: Vec<u8>,
    /// Bytes of the frame's body already decoded.
    used: usize,
    frame_at: u64,
    /// Entries before this number are passed over.
    from: u64,
    /// Nothing beyond is read.
    limit: Option<Position>,
    /// The file to stay in.
    only: Option<u64>,
}

/// A place in a spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Which file.
    pub seq: u64,
    /// Bytes from its front.
    pub offset: u64,
}

impl SpoolReader<Directory> {
    /// Opens the spool in `dir` at its first entry.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn open(dir: &Path) -> Result<SpoolReader, ReadError> {
        SpoolReader::open_on(Directory::new(dir))
    }
}

impl<F: Files> SpoolReader<F> {
    /// Opens any files as a spool.
    ///
    /// # Errors
    /// The list of files cannot be read.
    pub fn open_on(files: F) -> Result<SpoolReader<F>, ReadError> {
        files.list().map_err(|source| ReadError::Disk { seq: 0, source })?;
        Ok(SpoolReader {
            files,
            seq: None,
            facts: None,
            decoder: Decoder::new(0, Default::default()),
            offset: 0,
            frame: Vec::new(),
            used: 0,
            frame_at: 0,
            from: 0,
            limit: None,
            only: None,
        })
    }

    /// Starts at file `seq` instead of the first.
    pub(crate) fn start_at(&mut self, seq: u64) {
        self.seq = Some(seq);
        self.facts = None;
    }

    /// Starts at entry `from`, which is in file `seq` or behind it; at the first file if that is gone or 0.
    ///
    /// # Errors
    /// The list of files cannot be read.
    pub fn begin_at(&mut self, seq: u64, from: EntryNo) -> Result<(), ReadError> {
        self.from = from.0;
        let files = self.files.list().map_err(|source| ReadError::Disk { seq: 0, source })?;
        if files.contains(&seq) {
            self.start_at(seq);
        }
        Ok(())
    }

    /// Passes over the entries before the one to begin at; so far as they are written.
    ///
    /// # Errors
    /// As [`SpoolReader::next_entry`].
    pub fn pass_over(&mut self) -> Result<(), ReadError> {
        loop {
            let mut body = self.frame.get(self.used..).unwrap_or_default();
            let passed = self.decoder.pass_over(&mut body, self.from);
            passed.map_err(|source| malformed(self.seq, self.frame_at, source))?;
            self.used = self.frame.len() - body.len();
            if self.facts.is_some() && self.decoder.next_no >= self.from || !self.next_frame()? {
                return Ok(());
            }
        }
    }

    /// Returns whether the file being read is still there, so that what was read of it holds: an erasure writes it
    /// anew.
    pub fn is_current(&self) -> bool
    where
        F: Clone,
    {
        // The reader itself may have the old one open.
        let files = self.files.clone();
        self.facts.is_some_and(|facts| read_facts(&files, facts.seq).is_ok_and(|now| now == facts))
    }

    /// Returns whether nothing more is written yet.
    ///
    /// # Errors
    /// As [`SpoolReader::next_entry`].
    pub fn is_at_end(&mut self) -> Result<bool, ReadError> {
        Ok(self.used == self.frame.len() && !self.next_frame()?)
    }

    /// Reads frames that end at or before `limit` only; the limit may be moved forward.
    pub(crate) fn set_limit(&mut self, limit: Position) {
        self.limit = Some(limit);
    }

    /// Reads file `seq` only. It ends without an error where the next file is missing.
    pub(crate) fn stay_in(&mut self, seq: u64) {
        self.start_at(seq);
        self.only = Some(seq);
    }

    /// Returns the number that the first entry of the first file has or would have; `None` if there is no file.
    ///
    /// # Errors
    /// The list of files or the header cannot be read.
    pub fn first_no(&self) -> Result<Option<EntryNo>, ReadError> {
        let files = self.files.list().map_err(|source| ReadError::Disk { seq: 0, source })?;
        let facts = files.first().map(|seq| read_facts(&self.files, *seq)).transpose()?;
        Ok(facts.map(|facts| EntryNo(facts.first_no)))
    }

    /// Returns whether the entry read last comes from a log that others wrote.
    pub fn is_imported(&self) -> bool {
        self.facts.is_some_and(|facts| facts.imported)
    }

    /// Returns the header of the file being read.
    pub(crate) fn facts(&self) -> Option<&FileFacts> {
        self.facts.as_ref()
    }

    pub(crate) fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn files(&self) -> &F {
        &self.files
    }

    /// Returns where the next frame begins; the front of file 0 before anything was read.
    pub fn position(&self) -> Position {
        Position { seq: self.seq.unwrap_or_default(), offset: self.offset }
    }

    /// Returns the next entry, `None` if no further one is complete yet.
    ///
    /// # Errors
    /// The spool is damaged before its end, or the disk fails. Asked again, it gives the same error.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            let mut body = self.frame.get(self.used..).unwrap_or_default();
            let entry = self.decoder.next_entry_from(&mut body, self.from);
            let entry = entry.map_err(|source| malformed(self.seq, self.frame_at, source))?;
            self.used = self.frame.len() - body.len();
            if entry.is_some() {
                return Ok(entry);
            }
            if !self.next_frame()? {
                return Ok(None);
            }
        }
    }

    /// Returns the next entry as far as a trace needs it: see [`SpoolReader::next_entry`]. Entries before the one
    /// to begin at are not passed over.
    ///
    /// # Errors
    /// As [`SpoolReader::next_entry`].
    pub fn next_brief(&mut self) -> Result<Option<Brief<'_>>, ReadError> {
        let (record, used) = loop {
            let mut body = self.frame.get(self.used..).unwrap_or_default();
            let found = self.decoder.next_record(&mut body);
            let found = found.map_err(|source| malformed(self.seq, self.frame_at, source))?;
            let used = self.frame.len() - body.len();
            if let Some(record) = found {
                break (record, used);
            }
            self.used = used;
            if !self.next_frame()? {
                return Ok(None);
            }
        };
        let (seq, frame_at) = (self.seq, self.frame_at);
        let brief = self.decoder.brief(record).map_err(|source| malformed(seq, frame_at, source))?;
        self.used = used;
        Ok(Some(brief))
    }

    /// Reads the next whole frame; `false` if there is none yet.
    fn next_frame(&mut self) -> Result<bool, ReadError> {
        loop {
            let Some(facts) = self.open_file()? else { return Ok(false) };
            if self.read_frame(&facts)? {
                return Ok(true);
            }
            if self.limit.is_some_and(|limit| limit.seq <= facts.seq) {
                return Ok(false);
            }
            // No more here. If a later file exists, this one was complete before: look once more.
            let files = self.files.list().map_err(|source| ReadError::Disk { seq: 0, source })?;
            let Some(next) = files.into_iter().find(|seq| *seq > facts.seq) else { return Ok(false) };
            if self.read_frame(&facts)? {
                return Ok(true);
            }
            if !self.rest_is_empty(facts.seq)? {
                return Err(ReadError::Damaged { seq: facts.seq, offset: self.offset });
            }
            if self.only.is_some() {
                return Ok(false);
            }
            if next != facts.seq + 1 {
                return Err(ReadError::Missing { seq: facts.seq + 1 });
            }
            self.start_at(next);
        }
    }

    /// Returns the facts of the file being read, opening it if needed.
    pub(crate) fn open_file(&mut self) -> Result<Option<FileFacts>, ReadError> {
        if let Some(facts) = self.facts {
            return Ok(Some(facts));
        }
        let first = match self.seq {
            Some(seq) => Some(seq),
            None => self.files.list().map_err(|source| ReadError::Disk { seq: 0, source })?.first().copied(),
        };
        let Some(seq) = first else { return Ok(None) };
        let facts = read_facts(&self.files, seq)?;
        (self.seq, self.facts) = (Some(seq), Some(facts));
        self.decoder = Decoder::new(facts.first_no, facts.base_time);
        self.offset = HEADER_LEN as u64;
        self.frame.clear();
        self.used = 0;
        Ok(Some(facts))
    }

    fn read_frame(&mut self, facts: &FileFacts) -> Result<bool, ReadError> {
        let seq = facts.seq;
        let disk = |source| ReadError::Disk { seq, source };
        let mut head = [0; FRAME_HEAD_LEN];
        if self.files.read_at(seq, self.offset, &mut head).map_err(disk)? < FRAME_HEAD_LEN {
            return Ok(false);
        }
        let Some(len) = body_len(facts.salt, self.offset, &head) else { return Ok(false) };
        let end = Position { seq, offset: self.offset + (FRAME_HEAD_LEN + len) as u64 };
        if self.limit.is_some_and(|limit| end > limit) {
            return Ok(false);
        }
        self.frame.resize(len, 0);
        self.used = len;
        let whole = self.files.read_at(seq, self.offset + FRAME_HEAD_LEN as u64, &mut self.frame);
        if whole.map_err(disk)? < len || !body_matches(facts.salt, self.offset, &head, &self.frame) {
            return Ok(false);
        }
        self.used = 0;
        self.frame_at = self.offset;
        self.offset += (FRAME_HEAD_LEN + len) as u64;
        Ok(true)
    }

    /// Returns whether only zeros follow in a file.
    pub(crate) fn rest_is_empty(&self, seq: u64) -> Result<bool, ReadError> {
        let mut buffer = vec![0; 64 << 10];
        let mut at = self.offset;
        loop {
            let n =
                self.files.read_at(seq, at, &mut buffer).map_err(|source| ReadError::Disk { seq, source })?;
            let read = buffer.get(..n).unwrap_or_default();
            if read.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            if n < buffer.len() {
                return Ok(true);
            }
            at += n as u64;
        }
    }
}

impl<F: Files> Iterator for SpoolReader<F> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_entry().transpose()
    }
}

impl<F: Files> std::fmt::Debug for SpoolReader<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpoolReader")
            .field("seq", &self.seq)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

fn malformed(seq: Option<u64>, offset: u64, source: FormatError) -> ReadError {
    ReadError::Malformed { seq: seq.unwrap_or_default(), offset, source }
}

/// Which entries of a spool come from a log that others wrote.
#[derive(Clone, Debug, Default)]
pub struct Origins(Vec<(u64, bool)>);

impl Origins {
    /// Reads the headers of the spool in `dir`.
    ///
    /// # Errors
    /// A header cannot be read; of the last file it may be unfinished.
    pub fn read(dir: &Path) -> Result<Origins, ReadError> {
        let files = Directory::new(dir);
        let seqs = files.list().map_err(|source| ReadError::Disk { seq: 0, source })?;
        let mut origins = Vec::with_capacity(seqs.len());
        for seq in &seqs {
            match read_facts(&files, *seq) {
                Ok(facts) => origins.push((facts.first_no, facts.imported)),
                Err(ReadError::Header { .. }) if Some(seq) == seqs.last() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Origins(origins))
    }

    /// Returns whether any entry is imported.
    pub fn any(&self) -> bool {
        self.0.iter().any(|(_, imported)| *imported)
    }

    /// Returns whether an entry is imported; one of a file that is gone is like the first that is left.
    pub fn is_imported(&self, no: EntryNo) -> bool {
        let behind = self.0.partition_point(|(first, _)| *first <= no.0);
        self.0.get(behind.saturating_sub(1)).is_some_and(|(_, imported)| *imported)
    }
}

/// Returns the bytes a spool takes: headers and whole frames of all its files. What is allocated ahead of use
/// is not counted. Reads every file; 0 for an empty directory.
///
/// # Errors
/// The spool is damaged before its end, or the disk fails.
pub fn spool_bytes(dir: &Path) -> Result<u64, ReadError> {
    let mut reader = SpoolReader::open(dir)?;
    let (mut earlier, mut seq, mut end) = (0, None, 0);
    loop {
        let more = reader.next_frame()?;
        if reader.seq != seq {
            (earlier, seq) = (earlier + end, reader.seq);
        }
        end = reader.offset;
        if !more {
            return Ok(earlier + end);
        }
    }
}

/// Reads the header of a file.
pub(crate) fn read_facts<F: Files + ?Sized>(files: &F, seq: u64) -> Result<FileFacts, ReadError> {
    let mut header = [0; HEADER_LEN];
    let n = files.read_at(seq, 0, &mut header).map_err(|source| ReadError::Disk { seq, source })?;
    let facts = FileFacts::decode(header.get(..n).unwrap_or_default());
    let facts = facts.map_err(|source| ReadError::Header { seq, source })?;
    if facts.seq == seq { Ok(facts) } else { Err(ReadError::Header { seq, source: HeaderError::Damaged }) }
}
