mod edges;
mod prose;
mod source;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

/// What the checks found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Files read.
    pub(crate) files: usize,
    /// Worth a look.
    pub(crate) warnings: Vec<String>,
    /// To be mended before a commit.
    pub(crate) faults: Vec<String>,
}

/// Checks every file that git knows of, or would if added, below `root`.
pub(crate) fn check_workspace(root: &Path) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let files = files_of(root)?;
    for name in &files {
        let path = root.join(name);
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        report.files += 1;
        if name.ends_with(".rs") {
            source::check(name, &text, &mut report);
        } else if name.ends_with(".md") {
            prose::check(name, &text, |path| exists(root, name, path, &files), &mut report);
        } else if name.ends_with("Cargo.toml") && name != "Cargo.toml" && !name.starts_with("fuzz/") {
            edges::check(name, &text, &mut report);
        }
    }
    Ok(report)
}

fn files_of(root: &Path) -> anyhow::Result<Vec<String>> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("cannot run `git ls-files`")?;
    ensure!(output.status.success(), "`git ls-files` failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// Returns whether a path named in `file` is there, seen from the root, from the file's own directory, or
/// from a crate's (`src/segment/` in prose about one crate).
fn exists(root: &Path, file: &str, path: &str, files: &[String]) -> bool {
    let beside = Path::new(file).parent().unwrap_or(Path::new(""));
    root.join(path).exists()
        || root.join(beside).join(path).exists()
        || files.iter().any(|known| known.ends_with(path) && known.starts_with("crates/"))
}
