//! Opening files: plain, gzip, standard input; what is no text is refused.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use crate::error::IntakeError;

const HEAD_BYTES: usize = 64 << 10;

/// A file opened for reading, without its byte order mark.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) reader: Box<dyn Read + Send>,
    /// The first bytes of `reader`, read already; not empty.
    pub(crate) head: Vec<u8>,
    /// What stands between cells, where it is not for the header to say.
    pub(crate) delimiter: Option<u8>,
    /// Bytes read from the file so far, before decompression.
    pub(crate) read: Arc<AtomicU64>,
}

struct Counting<R> {
    reader: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Opens a file; `-` is standard input. A gzip file is unpacked on the way; of a Parquet file, columns with one
/// of the names in `wanted` are read as text.
///
/// # Errors
/// It cannot be read, is empty, or is not text.
pub(crate) fn open(path: &Path, wanted: &[&str]) -> Result<Source, IntakeError> {
    let failed = |source| IntakeError::Read { path: path.to_owned(), source };
    let read = Arc::new(AtomicU64::new(0));
    let input: Box<dyn Read + Send> = match path.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(File::open(path).map_err(failed)?),
    };
    let mut reader: Box<dyn Read + Send> = Box::new(Counting { reader: input, read: Arc::clone(&read) });
    let mut head = take_head(&mut reader).map_err(failed)?;
    if head.starts_with(&[0x1f, 0x8b]) {
        reader = Box::new(MultiGzDecoder::new(Cursor::new(head).chain(reader)));
        head = take_head(&mut reader).map_err(failed)?;
    }
    let mut delimiter = None;
    if head.starts_with(b"PAR1")
        && let Some(text) = parquet_text(path, wanted, &read)
    {
        reader = text.map_err(failed)?;
        head = take_head(&mut reader).map_err(failed)?;
        delimiter = Some(b',');
    }
    if head.starts_with(b"\xef\xbb\xbf") {
        head.drain(..3);
    }
    if head.trim_ascii().is_empty() && head.len() < HEAD_BYTES {
        return Err(IntakeError::Empty { path: path.to_owned() });
    }
    let found = if head.starts_with(b"PAR1") {
        Some("a Parquet file")
    } else if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        Some("UTF-16 text; convert it to UTF-8")
    } else if head.split(|byte| *byte == b'\n').next().is_some_and(|first| first.contains(&0)) {
        // Only the first line tells: a later one may be a line that was torn.
        Some("binary data")
    } else {
        None
    };
    match found {
        None => Ok(Source { path: path.to_owned(), reader, head, delimiter, read }),
        Some(found) => {
            Err(IntakeError::Kind { path: path.to_owned(), expected: "CSV text", found: found.to_owned() })
        }
    }
}

/// Returns a Parquet file as text, `None` if this program does not read such files.
fn parquet_text(
    path: &Path,
    wanted: &[&str],
    read: &Arc<AtomicU64>,
) -> Option<io::Result<Box<dyn Read + Send>>> {
    #[cfg(feature = "parquet")]
    {
        read.store(0, Ordering::Relaxed);
        let text = crate::parquet::ParquetText::open(path, wanted, Arc::clone(read));
        Some(text.map(|text| Box::new(text) as Box<dyn Read + Send>))
    }
    #[cfg(not(feature = "parquet"))]
    {
        let _ = (path, wanted, read);
        None
    }
}

fn take_head(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    reader.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Returns the size of a file, 0 if it is not known.
pub fn file_bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |facts| facts.len())
}
