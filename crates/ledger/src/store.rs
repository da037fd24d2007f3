//! Named files that are replaced whole: the tree's tiles, checkpoints and salts.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Reads and replaces small files by name; `/` in a name separates directories.
pub trait Store: Send {
    /// Returns the bytes of a file; `None` if there is none.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Replaces a file. Readers see it whole or as it was; after a power cut it may be either, or gone, until
    /// [`Store::sync`] has returned.
    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Replaces a file and returns once it is on stable storage.
    fn write_durable(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Puts everything written on stable storage.
    fn sync(&mut self) -> io::Result<()>;

    /// Removes a file if it is there.
    fn remove(&mut self, name: &str) -> io::Result<()>;
}

/// A directory as a store.
#[derive(Debug)]
pub struct DirectoryStore {
    root: PathBuf,
    /// Mode of new files: whether others may read them.
    secret: bool,
    /// The directory written to last, which exists.
    made: Option<PathBuf>,
}

impl DirectoryStore {
    /// Names a directory, created when something is written.
    pub fn new(root: impl Into<PathBuf>) -> DirectoryStore {
        DirectoryStore { root: root.into(), secret: false, made: None }
    }

    /// Names a directory whose files only their owner may read.
    pub fn secret(root: impl Into<PathBuf>) -> DirectoryStore {
        DirectoryStore { root: root.into(), secret: true, made: None }
    }

    fn put(&mut self, name: &str, bytes: &[u8], durable: bool) -> io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.root.join(name);
        let parent = path.parent().unwrap_or(&self.root).to_owned();
        if self.made.as_ref() != Some(&parent) {
            fs::create_dir_all(&parent)?;
            self.made = Some(parent.clone());
        }
        let mut new = path.clone().into_os_string();
        new.push(".new");
        let mode = if self.secret { 0o600 } else { 0o644 };
        let mut file = File::options().create(true).truncate(true).write(true).mode(mode).open(&new)?;
        file.write_all(bytes)?;
        if durable {
            file.sync_all()?;
        }
        fs::rename(&new, &path)?;
        if durable {
            sync_upwards(&parent, &self.root)?;
        }
        Ok(())
    }
}

/// Syncs a directory and those above it, up to the one that holds `root`: any may be new.
fn sync_upwards(from: &Path, root: &Path) -> io::Result<()> {
    for dir in from.ancestors() {
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        File::open(dir)?.sync_all()?;
        if !dir.starts_with(root) {
            break;
        }
    }
    Ok(())
}

impl Store for DirectoryStore {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.root.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.put(name, bytes, false)
    }

    fn write_durable(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.put(name, bytes, true)
    }

    fn sync(&mut self) -> io::Result<()> {
        match File::open(&self.root) {
            Ok(dir) => Ok(rustix::fs::syncfs(&dir)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let path = self.root.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // A directory of partial tiles serves one tile only.
        if let Some(parent) = path.parent().filter(|dir| dir.extension().is_some_and(|ext| ext == "p")) {
            self.made = None;
            // It stays while it holds anything.
            let _ = fs::remove_dir(parent);
        }
        Ok(())
    }
}
