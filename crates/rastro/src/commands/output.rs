use std::io::{self, BufWriter, StdoutLock, Write};

/// Returns standard output, buffered; flush it before the end.
pub(super) fn standard_output() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(1 << 16, io::stdout().lock())
}

/// Writes a whole text to standard output.
///
/// # Errors
/// That of the write; a closed pipe among them, which [`is_closed_pipe`] knows.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut output = standard_output();
    output.write_all(text.as_bytes())?;
    output.flush()
}

/// Writes one line to standard error, if anybody is there to read it.
pub(super) fn complain(what: &str) {
    let _ = writeln!(io::stderr(), "rastro: {what}");
}

/// Returns whether the reader of the output went away, which is no failure.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(broken)
            || matches!(
                cause.downcast_ref::<csv::Error>().map(csv::Error::kind),
                Some(csv::ErrorKind::Io(error)) if broken(error)
            )
    })
}
