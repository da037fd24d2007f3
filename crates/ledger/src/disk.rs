//! The files of a spool, behind traits so that tests can lose, tear and refuse writes.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Reading the files of a spool.
pub trait Files {
    /// Returns the positions of the files, rising.
    fn list(&self) -> io::Result<Vec<u64>>;

    /// Reads at `offset` of file `seq` until `into` is full or the file ends; returns the bytes read.
    fn read_at(&self, seq: u64, offset: u64, into: &mut [u8]) -> io::Result<usize>;
}

impl<F: Files + ?Sized> Files for &F {
    fn list(&self) -> io::Result<Vec<u64>> {
        (**self).list()
    }

    fn read_at(&self, seq: u64, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        (**self).read_at(seq, offset, into)
    }
}

/// Writing the files of a spool. One file is current: the one created last.
pub trait Disk: Files + Send {
    /// Creates a file that holds `header`, durably, and makes it current.
    fn create(&mut self, seq: u64, header: &[u8]) -> io::Result<()>;

    /// Writes at `offset` of the current file. After an error any part may have been written.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Puts everything written to the current file on stable storage.
    fn sync(&mut self) -> io::Result<()>;

    /// Shortens file `seq` to `len` bytes, durably.
    fn cut(&mut self, seq: u64, len: u64) -> io::Result<()>;
}

/// Zeros are written ahead of the data in steps of this size, so that the sync of an entry finds its blocks
/// in place and need not wait for the file system's journal.
const STEP: u64 = 1 << 20;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Returns the name of file `seq`.
pub(crate) fn file_name(seq: u64) -> String {
    format!("spool-{seq:010}.log")
}

/// The files in a directory, read only. A clone opens them anew.
#[derive(Debug)]
pub struct Directory {
    dir: PathBuf,
    open: Mutex<Option<(u64, File)>>,
}

impl Directory {
    /// Names a directory; nothing is opened yet.
    pub fn new(dir: &Path) -> Directory {
        Directory { dir: dir.to_owned(), open: Mutex::new(None) }
    }
}

impl Clone for Directory {
    fn clone(&self) -> Directory {
        Directory::new(&self.dir)
    }
}

impl Files for Directory {
    fn list(&self) -> io::Result<Vec<u64>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let name = entry?.file_name();
            let digits = name.to_str().and_then(|n| n.strip_prefix("spool-")?.strip_suffix(".log"));
            if let Some(seq) = digits.and_then(|digits| digits.parse().ok()) {
                found.push(seq);
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    fn read_at(&self, seq: u64, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut open = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let file = match &mut *open {
            Some((held, file)) if *held == seq => file,
            other => &mut other.insert((seq, File::open(self.dir.join(file_name(seq)))?)).1,
        };
        read_full(file, offset, into)
    }
}

fn read_full(file: &File, offset: u64, mut into: &mut [u8]) -> io::Result<usize> {
    let mut read = 0usize;
    while !into.is_empty() {
        match file.read_at(into, offset + read as u64) {
            Ok(0) => break,
            Ok(n) => {
                read += n;
                into = into.get_mut(n..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// The directory of a spool, held by its one writer.
#[derive(Debug)]
pub struct DirectoryDisk {
    files: Directory,
    current: Option<(u64, File)>,
    /// Zeros or data reach to here in the current file.
    reserved: u64,
    _lock: File,
}

impl DirectoryDisk {
    /// Creates the directory if absent and locks it against other writers.
    ///
    /// # Errors
    /// `WouldBlock` if another process holds the lock.
    pub fn open(dir: &Path) -> io::Result<DirectoryDisk> {
        fs::create_dir_all(dir)?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("spool.lock"))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            // A file whose creation a crash broke off; it never held an entry.
            if path.extension().is_some_and(|ext| ext == "new") {
                fs::remove_file(path)?;
            }
        }
        Ok(DirectoryDisk { files: Directory::new(dir), current: None, reserved: 0, _lock: lock })
    }

    fn current(&self) -> io::Result<&File> {
        self.current.as_ref().map(|(_, file)| file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn reserve(&mut self, end: u64) -> io::Result<()> {
        while self.reserved < end {
            let len = ZEROS.len() as u64 - self.reserved % ZEROS.len() as u64;
            let zeros = ZEROS.get(..len as usize).unwrap_or(&ZEROS);
            self.current()?.write_all_at(zeros, self.reserved)?;
            self.reserved += len;
        }
        Ok(())
    }
}

impl Files for DirectoryDisk {
    fn list(&self) -> io::Result<Vec<u64>> {
        self.files.list()
    }

    fn read_at(&self, seq: u64, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.files.read_at(seq, offset, into)
    }
}

impl Disk for DirectoryDisk {
    fn create(&mut self, seq: u64, header: &[u8]) -> io::Result<()> {
        let path = self.files.dir.join(file_name(seq));
        let new = path.with_extension("new");
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(&new)?;
        file.write_all_at(header, 0)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        // The name is taken: a full disk here must not look as if nothing had happened.
        File::open(&self.files.dir).and_then(|dir| dir.sync_all()).map_err(io::Error::other)?;
        self.current = Some((seq, file));
        self.reserved = header.len() as u64;
        Ok(())
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset.saturating_add(bytes.len() as u64);
        if end > self.reserved {
            self.reserve(end.saturating_add(STEP))?;
        }
        self.current()?.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.current()?.sync_data()
    }

    fn cut(&mut self, seq: u64, len: u64) -> io::Result<()> {
        let other;
        let file = match &self.current {
            Some((current, file)) if *current == seq => {
                self.reserved = len;
                file
            }
            _ => {
                other = OpenOptions::new().write(true).open(self.files.dir.join(file_name(seq)))?;
                &other
            }
        };
        if file.metadata()?.len() > len {
            file.set_len(len)?;
            file.sync_all()?;
        }
        Ok(())
    }
}
