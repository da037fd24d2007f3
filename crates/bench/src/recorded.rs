//! Bytes a route has recorded about what it showed.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result};

/// Bytes read at once while looking for the last one in use.
const STEP_BYTES: u64 = 64 * 1024;

/// Returns the bytes in use of all files below `directory`; 0 if it does not exist.
///
/// Files may be allocated ahead of use, as zeros, so a file ends at its last byte that is not zero.
pub(crate) fn used_bytes(directory: &Path) -> Result<u64> {
    if !directory.exists() {
        return Ok(0);
    }
    let mut total = 0;
    let entries =
        std::fs::read_dir(directory).with_context(|| format!("cannot list `{}`", directory.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            total += used_bytes(&entry.path())?;
        } else if entry.file_type()?.is_file() {
            total += match used_length(&entry.path()) {
                // It was renamed meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
                length => length.with_context(|| format!("cannot read `{}`", entry.path().display()))?,
            };
        }
    }
    Ok(total)
}

fn used_length(path: &Path) -> std::io::Result<u64> {
    let mut file = File::open(path)?;
    let mut end = file.metadata()?.len();
    let mut buffer = Vec::new();
    while end > 0 {
        let begin = end.saturating_sub(STEP_BYTES);
        file.seek(SeekFrom::Start(begin))?;
        buffer.clear();
        Read::by_ref(&mut file).take(end - begin).read_to_end(&mut buffer)?;
        if let Some(last) = buffer.iter().rposition(|byte| *byte != 0) {
            return Ok(begin + last as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::used_bytes;

    #[test]
    fn used_bytes_stop_at_last_byte_in_use() {
        let directory = tempfile::tempdir().unwrap();
        let mut ahead = vec![0_u8; 300_000];
        ahead[100_000] = 1;
        std::fs::write(directory.path().join("ahead"), ahead).unwrap();
        std::fs::create_dir(directory.path().join("below")).unwrap();
        std::fs::write(directory.path().join("below/full"), [1, 2, 3]).unwrap();
        std::fs::write(directory.path().join("empty"), [0; 10]).unwrap();
        assert_eq!(used_bytes(directory.path()).unwrap(), 100_001 + 3);
    }

    #[test]
    fn used_bytes_of_missing_directory_are_none() {
        assert_eq!(used_bytes(std::path::Path::new("/nonexistent/spool")).unwrap(), 0);
    }
}
