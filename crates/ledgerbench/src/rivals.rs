//! The same data and questions in PostgreSQL, in DuckDB over the archive's files, and as an audit log.

use std::fmt::Write as _;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use rastro_sim::{ScratchCluster, ScratchOptions};

use crate::ask::{drop_page_cache, median};
use crate::ingest::principal_name;
use crate::options::Options;
use crate::year::{TEXTS, play};

/// How a rival answered both questions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rival {
    pub(crate) bytes: u64,
    pub(crate) who_saw_ms: (f64, f64),
    pub(crate) subjects_of_ms: (f64, f64),
    /// Rows that the first question found.
    pub(crate) found: u64,
}

fn timed<T>(work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(f64, T)> {
    let began = Instant::now();
    let done = work()?;
    Ok((began.elapsed().as_secs_f64() * 1e3, done))
}

/// Fills a table with a row a disclosure, indexed by subject and by principal.
pub(crate) fn postgres(options: &Options, subjects: &[String], principal: u32) -> anyhow::Result<Rival> {
    let scratch = ScratchOptions::default()
        // Small, so that what is cold is cold: the system's page cache serves what is warm.
        .with_setting("shared_buffers", "64MB")
        .with_setting("max_wal_size", "8GB")
        .with_setting("maintenance_work_mem", "1GB");
    let cluster = ScratchCluster::start(&scratch)?;
    let url = cluster.url("postgres", "postgres");
    let sql = |script: &str| -> anyhow::Result<String> { Ok(cluster.run_sql("postgres", script)?) };
    sql("CREATE TABLE shown (subject int, principal smallint, fields smallint, time timestamptz)")?;
    let mut copy = Command::new(cluster.program("psql"))
        .args([url.as_str(), "-qc", "COPY shown FROM STDIN"])
        .stdin(Stdio::piped())
        .spawn()?;
    let mut into = BufWriter::with_capacity(1 << 20, copy.stdin.take().context("no pipe")?);
    let mut line = String::new();
    play(options, |made| {
        let time = rastro_model::Timestamp(made.time);
        line.clear();
        write!(line, "\t{}\t{}\t{time}", made.principal, made.fields)?;
        for key in made.subjects {
            writeln!(into, "{key}{line}")?;
        }
        Ok(())
    })?;
    drop(into);
    ensure!(copy.wait()?.success(), "PostgreSQL did not take the data");
    sql(
        "CREATE INDEX ON shown (subject); CREATE INDEX ON shown (principal); VACUUM ANALYZE shown; CHECKPOINT",
    )?;
    let bytes = sql("SELECT pg_total_relation_size('shown')")?.trim().parse()?;
    let who_saw =
        format!("SELECT principal, time, fields FROM shown WHERE subject IN ({})", subjects.join(","));
    let subjects_of =
        format!("SELECT subject, bit_or(fields) FROM shown WHERE principal = {principal} GROUP BY subject");
    let count = |query: &str| format!("SELECT count(*) FROM ({query}) AS answer");
    let found = sql(&count(&who_saw))?.trim().parse()?;
    let time = |query: &str| -> anyhow::Result<f64> {
        let plan = sql(&format!("EXPLAIN (ANALYZE, TIMING OFF) {query}"))?;
        let time = plan.lines().find_map(|line| line.strip_prefix("Execution Time: "));
        time.and_then(|time| time.trim_end_matches(" ms").parse().ok()).context("no time")
    };
    let ask = |query: &str| -> anyhow::Result<(f64, f64)> {
        // Something else in the server's own buffers.
        sql("SELECT count(*) FROM (SELECT * FROM shown ORDER BY ctid LIMIT 2000000) AS others")?;
        drop_page_cache();
        let cold = time(query)?;
        let warm = (0..5).map(|_| time(query)).collect::<anyhow::Result<_>>()?;
        Ok((cold, median(warm)))
    };
    Ok(Rival { bytes, who_saw_ms: ask(&who_saw)?, subjects_of_ms: ask(&subjects_of)?, found })
}

const DUCKDB: &str = r#"
import json, pathlib, sys, time, duckdb
store, principal, subjects = pathlib.Path(sys.argv[1]), sys.argv[2], ",".join(sys.argv[3:])
manifest = json.loads(max((store / "manifest").iterdir()).read_text().split("\n", 1)[0])
files = {}
for segment in manifest["segments"]:
    for file in segment["files"]:
        files.setdefault(file["table"], []).append(str(store / file["path"]))
db = duckdb.connect(config={"threads": 2})
# It would be written among the answers.
db.execute("SET enable_progress_bar = false")
for table, paths in files.items():
    db.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet({paths!r})")
who_saw = f"""SELECT principal, time, fields FROM disclosures JOIN statements USING (line)
    WHERE subject_int IN ({subjects})"""
subjects_of = f"""SELECT DISTINCT subject_int, fields FROM disclosures JOIN statements USING (line)
    WHERE principal = '{principal}'"""
def ask(query):
    times = []
    for _ in range(4):
        began = time.perf_counter()
        found = len(db.execute(query).fetchall())
        times.append((time.perf_counter() - began) * 1e3)
    return times[0], sorted(times[1:])[1], found
print(json.dumps([ask(who_saw), ask(subjects_of)]))
"#;

/// Asks DuckDB, which reads the rows of the archive and not its sets.
pub(crate) fn duckdb(
    python: &Path,
    dir: &Path,
    subjects: &[String],
    principal: u32,
) -> anyhow::Result<Rival> {
    drop_page_cache();
    let output = Command::new(python)
        .args(["-c", DUCKDB])
        .arg(dir.join("store"))
        .arg(principal_name(principal))
        .args(subjects)
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let [(cold, warm, found), (cold_of, warm_of, _)]: [(f64, f64, u64); 2] =
        serde_json::from_slice(&output.stdout)?;
    Ok(Rival { bytes: 0, who_saw_ms: (cold, warm), subjects_of_ms: (cold_of, warm_of), found })
}

/// Writes what an audit extension would, were it to name the rows, and scans it for the subjects. Returns the
/// bytes that the whole year would take, and the time of a scan of all, from that of the part written.
pub(crate) fn audit_log(options: &Options, dir: &Path, subjects: &[String]) -> anyhow::Result<(u64, f64)> {
    let path = dir.join("audit.log");
    let mut log = BufWriter::with_capacity(1 << 20, std::fs::File::create(&path)?);
    let (mut all, mut written) = (0u64, 0u64);
    let mut line = String::new();
    play(options, |made| {
        line.clear();
        let text = TEXTS.get(made.text).copied().unwrap_or_default();
        let (time, who) = (rastro_model::Timestamp(made.time), principal_name(made.principal));
        write!(
            line,
            "{time} [4711] {who}@support LOG:  AUDIT: SESSION,1,1,READ,SELECT,TABLE,public.customers,\"{text}\","
        )?;
        for key in made.subjects {
            write!(line, "{key};")?;
        }
        line.push('\n');
        all += line.len() as u64;
        if written < options.log_bytes_max {
            written += line.len() as u64;
            log.write_all(line.as_bytes())?;
        }
        Ok(())
    })?;
    log.flush()?;
    let wanted: Vec<String> = subjects.iter().map(|subject| format!("{subject};")).collect();
    let wanted: std::collections::HashSet<&[u8]> = wanted.iter().map(String::as_bytes).collect();
    drop_page_cache();
    let (ms, hits) = timed(|| scan(&path, &wanted))?;
    std::hint::black_box(hits);
    std::fs::remove_file(&path)?;
    Ok((all, ms * all as f64 / written.max(1) as f64))
}

/// Counts the lines that name a wanted subject.
fn scan(path: &Path, wanted: &std::collections::HashSet<&[u8]>) -> anyhow::Result<u64> {
    let mut file = std::fs::File::open(path)?;
    let (mut buffer, mut kept, mut hits) = (vec![0u8; 4 << 20], Vec::new(), 0);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hits);
        }
        kept.extend_from_slice(buffer.get(..read).unwrap_or_default());
        let end = memchr::memrchr(b'\n', &kept).map_or(0, |at| at + 1);
        for line in kept.get(..end).unwrap_or_default().split(|byte| *byte == b'\n') {
            let keys = memchr::memrchr(b',', line).and_then(|at| line.get(at + 1..)).unwrap_or_default();
            hits += u64::from(keys.split_inclusive(|byte| *byte == b';').any(|key| wanted.contains(key)));
        }
        kept.drain(..end);
    }
}
