//! Where an archive's files are: any object store, used from ordinary threads.

use std::fs::File;
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions,
    PutPayload,
};
use sha2::{Digest, Sha256};

/// Bytes sent at a time; object stores want at least 5 MiB.
const PART_BYTES: usize = 8 << 20;

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store refused or lost an operation.
    #[error("cannot {action} `{path}` in the archive")]
    Access {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: String,
        /// What the store said.
        source: object_store::Error,
    },
    /// The directory cannot be used.
    #[error("cannot use the directory `{}`", path.display())]
    Directory {
        /// Which directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not a place this program can store at.
    #[error("cannot store at `{url}`: {why}")]
    Place {
        /// What was given.
        url: String,
        /// Why.
        why: String,
    },
}

impl StoreError {
    /// Returns whether the file is just not there.
    pub fn is_absent(&self) -> bool {
        matches!(self, StoreError::Access { source: object_store::Error::NotFound { .. }, .. })
    }
}

/// An object store with what is needed to use it without an asynchronous runtime around.
#[derive(Clone, Debug)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    /// Of a directory: read directly, synced after each write.
    root: Option<PathBuf>,
    #[cfg(feature = "s3")]
    runtime: Option<Arc<tokio::runtime::Runtime>>,
}

impl Objects {
    /// Opens a directory, created if absent.
    ///
    /// # Errors
    /// `Directory`.
    pub fn directory(root: &FilePath) -> Result<Objects, StoreError> {
        let refused = |source| StoreError::Directory { path: root.to_owned(), source };
        std::fs::create_dir_all(root).map_err(refused)?;
        let root = root.canonicalize().map_err(refused)?;
        let store =
            LocalFileSystem::new_with_prefix(&root).map_err(|error| refused(io::Error::other(error)))?;
        Ok(Objects { root: Some(root), ..Objects::on(Arc::new(store)) })
    }

    /// Uses any store; one that needs an asynchronous runtime must be opened by [`Objects::open`].
    pub fn on(store: Arc<dyn ObjectStore>) -> Objects {
        Objects {
            store,
            root: None,
            #[cfg(feature = "s3")]
            runtime: None,
        }
    }

    /// Opens what `ledger.store` of the configuration names: `file`, then `directory`; or the URL of a store.
    ///
    /// # Errors
    /// `Directory`; `Place` if this program was built without support for the URL's scheme.
    pub fn open(place: &str, directory: &FilePath) -> Result<Objects, StoreError> {
        match place {
            "file" => Objects::directory(directory),
            _ => Objects::remote(place),
        }
    }

    #[cfg(feature = "s3")]
    fn remote(url: &str) -> Result<Objects, StoreError> {
        let wrong = |why: String| StoreError::Place { url: url.to_owned(), why };
        let rest =
            url.strip_prefix("s3://").ok_or_else(|| wrong("only `file` and `s3://…` are known".into()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| wrong(error.to_string()))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let store = object_store::aws::AmazonS3Builder::from_env().with_bucket_name(bucket).build();
        let store = store.map_err(|error| wrong(error.to_string()))?;
        let store: Arc<dyn ObjectStore> = match prefix.trim_matches('/') {
            "" => Arc::new(store),
            prefix => Arc::new(object_store::prefix::PrefixStore::new(store, prefix)),
        };
        Ok(Objects { store, root: None, runtime: Some(Arc::new(runtime)) })
    }

    #[cfg(not(feature = "s3"))]
    fn remote(url: &str) -> Result<Objects, StoreError> {
        let why = "this program was built without the feature `s3`; use `file`, or build it with \
                   `cargo build --release -p rastro --features s3`";
        Err(StoreError::Place { url: url.to_owned(), why: why.to_owned() })
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        #[cfg(feature = "s3")]
        if let Some(runtime) = &self.runtime {
            return runtime.block_on(work);
        }
        futures_executor::block_on(work)
    }

    /// Returns what a person would call the place of a file.
    pub fn display(&self, path: &str) -> String {
        match &self.root {
            Some(root) => root.join(path).display().to_string(),
            None => path.to_owned(),
        }
    }

    pub(crate) fn read(&self, path: &str) -> Result<Bytes, StoreError> {
        self.wait(async { self.store.get(&Path::from(path)).await?.bytes().await })
            .map_err(access("read", path))
    }

    /// Creates a file; `false` if there is one of this name. Durable on return.
    pub(crate) fn create(&self, path: &str, bytes: Vec<u8>) -> Result<bool, StoreError> {
        let options = PutOptions::from(PutMode::Create);
        let place = Path::from(path);
        let put = self.store.put_opts(&place, PutPayload::from(bytes), options);
        match self.wait(put) {
            Ok(_) => self.make_durable(path).map(|()| true),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Ok(false)
            }
            Err(source) => Err(access("create", path)(source)),
        }
    }

    /// Begins a file whose name nobody has used.
    pub(crate) fn upload(&self, path: String) -> Upload {
        let hash = Sha256::new();
        Upload { objects: self.clone(), path, buffer: Vec::new(), multipart: None, hash, bytes: 0 }
    }

    pub(crate) fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>, StoreError> {
        self.wait(self.store.list(Some(&Path::from(prefix))).try_collect()).map_err(access("list", prefix))
    }

    pub(crate) fn size(&self, path: &str) -> Result<u64, StoreError> {
        let meta = self.wait(self.store.head(&Path::from(path))).map_err(access("look at", path))?;
        Ok(meta.size)
    }

    /// Removes a file, also if it is gone already.
    pub(crate) fn delete(&self, path: &str) -> Result<(), StoreError> {
        match self.wait(self.store.delete(&Path::from(path))) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(access("delete", path)(source)),
        }
    }

    /// Opens a file for reading at any place.
    pub(crate) fn open_file(&self, path: &str, bytes: u64) -> Result<ObjectFile, StoreError> {
        let local = match &self.root {
            Some(root) => Some(File::open(root.join(path)).map_err(|error| {
                let source = match error.kind() {
                    io::ErrorKind::NotFound => {
                        object_store::Error::NotFound { path: path.to_owned(), source: error.into() }
                    }
                    _ => object_store::Error::Generic { store: "directory", source: error.into() },
                };
                access("read", path)(source)
            })?),
            None => None,
        };
        Ok(ObjectFile { local: local.map(Arc::new), objects: self.clone(), path: path.into(), bytes })
    }

    /// A directory's files are synced by name once they are there: a file torn by a power cut before that is
    /// in no manifest, and a torn manifest is not valid.
    fn make_durable(&self, path: &str) -> Result<(), StoreError> {
        let Some(root) = &self.root else { return Ok(()) };
        let full = root.join(path);
        let sync = |path: &FilePath| {
            let synced = File::open(path).and_then(|file| file.sync_all());
            synced.map_err(|source| StoreError::Directory { path: path.to_owned(), source })
        };
        sync(&full)?;
        for dir in full.ancestors().skip(1) {
            sync(dir)?;
            if dir == root {
                break;
            }
        }
        Ok(())
    }
}

fn access(action: &'static str, path: &str) -> impl FnOnce(object_store::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Access { action, path, source }
}

/// What a finished upload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Uploaded {
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: [u8; 32],
}

/// A file being written.
pub(crate) struct Upload {
    objects: Objects,
    path: String,
    buffer: Vec<u8>,
    multipart: Option<Box<dyn MultipartUpload>>,
    hash: Sha256,
    bytes: u64,
}

impl Upload {
    fn send(&mut self) -> Result<(), object_store::Error> {
        let part = PutPayload::from(std::mem::take(&mut self.buffer));
        if self.multipart.is_none() {
            let path = Path::from(self.path.as_str());
            let begun = self.objects.store.put_multipart_opts(&path, PutMultipartOptions::default());
            self.multipart = Some(self.objects.wait(begun)?);
        }
        match &mut self.multipart {
            Some(multipart) => self.objects.wait(multipart.put_part(part)),
            None => Ok(()),
        }
    }

    /// Ends the file; it is durable on return.
    pub(crate) fn finish(mut self) -> Result<Uploaded, StoreError> {
        self.end().map_err(access("write", &self.path))?;
        self.objects.make_durable(&self.path)?;
        Ok(Uploaded { path: self.path, bytes: self.bytes, sha256: self.hash.finalize().into() })
    }

    fn end(&mut self) -> Result<(), object_store::Error> {
        if self.multipart.is_some() {
            if !self.buffer.is_empty() {
                self.send()?;
            }
            if let Some(multipart) = &mut self.multipart {
                self.objects.wait(multipart.complete())?;
            }
            return Ok(());
        }
        let payload = PutPayload::from(std::mem::take(&mut self.buffer));
        self.objects.wait(self.objects.store.put(&Path::from(self.path.as_str()), payload)).map(|_| ())
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PART_BYTES {
            self.send().map_err(io::Error::other)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file open for reading; a directory's stays readable when it is removed meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct ObjectFile {
    local: Option<Arc<File>>,
    objects: Objects,
    path: Arc<str>,
    bytes: u64,
}

impl ObjectFile {
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn read_at(&self, start: u64, length: usize) -> io::Result<Bytes> {
        if let Some(file) = &self.local {
            let mut buffer = vec![0; length];
            file.read_exact_at(&mut buffer, start)?;
            return Ok(buffer.into());
        }
        let range = start..start.saturating_add(length as u64);
        let path = Path::from(&*self.path);
        self.objects.wait(self.objects.store.get_range(&path, range)).map_err(io::Error::other)
    }

    /// Lets the system know that a part is read soon; of a directory's files.
    pub(crate) fn foresee(&self, part: Range<u64>) {
        let length = part.end.checked_sub(part.start).and_then(NonZeroU64::new);
        if let (Some(file), Some(length)) = (&self.local, length) {
            // It is read either way.
            let _ = rustix::fs::fadvise(file, part.start, Some(length), rustix::fs::Advice::WillNeed);
        }
    }

    pub(crate) fn sha256(&self) -> io::Result<[u8; 32]> {
        let mut hash = Sha256::new();
        let mut at = 0;
        while at < self.bytes {
            let length = (self.bytes - at).min(PART_BYTES as u64);
            hash.update(self.read_at(at, length as usize)?);
            at += length;
        }
        Ok(hash.finalize().into())
    }
}

impl parquet::file::reader::Length for ObjectFile {
    fn len(&self) -> u64 {
        self.bytes
    }
}

impl parquet::file::reader::ChunkReader for ObjectFile {
    type T = io::BufReader<Tail>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(io::BufReader::with_capacity(1 << 16, Tail { file: self.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        Ok(self.read_at(start, length)?)
    }
}

/// The rest of a file from a place on.
pub(crate) struct Tail {
    file: ObjectFile,
    at: u64,
}

impl io::Read for Tail {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.file.bytes.saturating_sub(self.at);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        let read = self.file.read_at(self.at, length)?;
        for (to, from) in into.iter_mut().zip(read.iter()) {
            *to = *from;
        }
        self.at += read.len() as u64;
        Ok(read.len())
    }
}
