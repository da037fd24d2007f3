use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::draw::Draw;
use super::reports::{ReportOptions, VictimReport, draw_reports};
use super::scenario::{Leak, Scenario, Stage};
use super::world::{Shown, World, fields};

/// 2025-01-01T00:00:00Z, the first hour of every world, in seconds since 1970.
const BEGIN_SECONDS: i64 = 1_735_689_600;
/// Accounts that may be cast as insiders.
const CAST_MAX: u32 = 400;

/// A world that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write `{}`", path.display())]
pub struct FilesError {
    path: PathBuf,
    source: std::io::Error,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Disclosures in `access.csv`.
    pub disclosures: usize,
    /// Reports in `victims.csv`.
    pub victims: usize,
    /// The guilty accounts, by name.
    pub guilty: Vec<String>,
}

/// Plays `scenario` in `world` and writes `access.csv`, `reasons.csv`, `victims.csv` and `truth.json` below
/// `out`, which must exist. Memory: 20 bytes a disclosure.
///
/// # Errors
/// A file cannot be written.
pub fn write_files(
    world: &World,
    scenario: &dyn Scenario,
    reports: &ReportOptions,
    out: &Path,
) -> Result<Written, FilesError> {
    let mut draw = Draw::new(world.options().seed, 0xfeed_0000_0000);
    let mut cast: BTreeMap<u32, Vec<Shown>> = BTreeMap::new();
    while cast.len() < usize::try_from(CAST_MAX.min(world.ordinary())).unwrap_or(0) {
        cast.insert(draw.below_u32(world.ordinary()), Vec::new());
    }
    let mut all = Vec::new();
    for id in 0..world.options().subjects {
        let before = all.len();
        world.shown(&world.customer(id), &mut all);
        for shown in all.iter().skip(before) {
            if let Some(list) = cast.get_mut(&shown.account) {
                list.push(*shown);
            }
        }
    }
    let leak = scenario.play(&Stage { world, cast: &cast }, &mut draw);
    let victims = draw_reports(world, &leak, reports, &mut draw);
    all.extend(&leak.extra);
    all.sort_unstable_by_key(|shown| (shown.hour, shown.account, shown.subject));
    write(out, "access.csv", |file| write_access(file, &all))?;
    write(out, "reasons.csv", |file| write_reasons(file, &all))?;
    write(out, "victims.csv", |file| write_victims(file, &victims, reports.versions > 0.0))?;
    write(out, "truth.json", |file| write_truth(file, world, scenario.name(), &leak, &victims))?;
    let guilty = leak.guilty.iter().map(|account| principal(*account)).collect();
    Ok(Written { disclosures: all.len(), victims: victims.len(), guilty })
}

fn write(
    out: &Path,
    name: &str,
    content: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), FilesError> {
    let path = out.join(name);
    let written = File::create(&path).and_then(|file| {
        let mut file = BufWriter::with_capacity(1 << 18, file);
        content(&mut file)?;
        file.flush()
    });
    written.map_err(|source| FilesError { path, source })
}

fn principal(account: u32) -> String {
    format!("agent-{account:04}")
}

/// A moment within the hour that depends on who and whom, so that logs look like logs.
fn moment(shown: &Shown) -> i64 {
    let seconds = Draw::new(u64::from(shown.account), u64::from(shown.subject)).below(3_600);
    hour_moment(shown.hour) + i64::try_from(seconds).unwrap_or(0)
}

fn hour_moment(hour: u32) -> i64 {
    BEGIN_SECONDS + i64::from(hour) * 3_600
}

/// RFC 3339 in UTC, from seconds since 1970; days to civil date after Howard Hinnant's algorithm.
fn rfc_3339(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn field_names(bits: u32) -> String {
    let names = fields::NAMES.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
    names.map(|(_, name)| *name).collect::<Vec<_>>().join(";")
}

fn write_access(file: &mut impl Write, all: &[Shown]) -> std::io::Result<()> {
    writeln!(file, "time,principal,subject,fields,reason")?;
    for shown in all {
        let reason = if shown.explained { ticket(shown) } else { String::new() };
        let (time, who) = (rfc_3339(moment(shown)), principal(shown.account));
        writeln!(file, "{time},{who},{},{},{reason}", shown.subject, field_names(shown.fields))?;
    }
    Ok(())
}

fn ticket(shown: &Shown) -> String {
    format!("T{}-{}", shown.subject, shown.hour / 24)
}

fn write_reasons(file: &mut impl Write, all: &[Shown]) -> std::io::Result<()> {
    writeln!(file, "subject,principal,from,until,reason")?;
    for shown in all.iter().filter(|shown| shown.explained) {
        let from = rfc_3339(hour_moment(shown.hour) - 3_600);
        let until = rfc_3339(hour_moment(shown.hour) + 2 * 86_400);
        writeln!(file, "{},{},{from},{until},{}", shown.subject, principal(shown.account), ticket(shown))?;
    }
    Ok(())
}

fn write_victims(file: &mut impl Write, victims: &[VictimReport], versions: bool) -> std::io::Result<()> {
    writeln!(
        file,
        "subject,reported_at,fields{}",
        if versions { ",current_from,current_until" } else { "" }
    )?;
    for victim in victims {
        let reported = rfc_3339(hour_moment(victim.reported));
        write!(file, "{},{reported},{}", victim.subject, field_names(victim.known))?;
        match victim.current.filter(|_| versions) {
            Some((from, until)) => {
                writeln!(file, ",{},{}", rfc_3339(hour_moment(from)), rfc_3339(hour_moment(until)))?;
            }
            None if versions => writeln!(file, ",,")?,
            None => writeln!(file)?,
        }
    }
    Ok(())
}

fn write_truth(
    file: &mut impl Write,
    world: &World,
    scenario: &str,
    leak: &Leak,
    victims: &[VictimReport],
) -> std::io::Result<()> {
    let list = |items: Vec<String>| items.join(",");
    let guilty = list(leak.guilty.iter().map(|account| format!("\"{}\"", principal(*account))).collect());
    let stray = list(victims.iter().filter(|v| v.stray).map(|v| format!("\"{}\"", v.subject)).collect());
    let from = leak.leaked.iter().map(|leaked| leaked.hour).min();
    let until = leak.leaked.iter().map(|leaked| leaked.hour).max();
    let when =
        |hour: Option<u32>| hour.map_or("null".to_owned(), |h| format!("\"{}\"", rfc_3339(hour_moment(h))));
    let leaked: BTreeSet<u32> = leak.leaked.iter().map(|leaked| leaked.subject).collect();
    let options = world.options();
    writeln!(
        file,
        "{{\"scenario\":\"{scenario}\",\"guilty\":[{guilty}],\"copied_from\":{},\"copied_until\":{},\
         \"leaked\":{},\"stray_reports\":[{stray}],\"population\":{},\"principals\":{},\"days\":{},\"seed\":{}}}",
        when(from),
        when(until),
        leaked.len(),
        options.subjects,
        options.principals,
        options.days,
        options.seed
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worlds::{Insider, WorldOptions};

    #[test]
    fn moments_print_as_rfc_3339() {
        assert_eq!(rfc_3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc_3339(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(rfc_3339(BEGIN_SECONDS + 59 * 86_400 - 1), "2025-02-28T23:59:59Z");
    }

    #[test]
    fn same_seed_writes_same_files_and_the_insider_saw_what_leaked() {
        let world = World::new(WorldOptions { subjects: 20_000, principals: 120, days: 90, seed: 3 });
        let reports = ReportOptions { count: 12, stray: 0.2, versions: 0.0 };
        let mut contents = Vec::new();
        for _ in 0..2 {
            let out = tempfile::tempdir().unwrap();
            let written = write_files(&world, &Insider::SmallAddition, &reports, out.path()).unwrap();
            assert_eq!((written.victims, written.guilty.len()), (12, 1));
            let read = |name: &str| std::fs::read_to_string(out.path().join(name)).unwrap();
            let all = ["access.csv", "reasons.csv", "victims.csv", "truth.json"].map(read);
            assert_eq!(all[0].lines().count(), written.disclosures + 1);
            let seen: BTreeSet<&str> = all[0]
                .lines()
                .filter(|line| line.contains(&written.guilty[0]))
                .filter_map(|line| line.split(',').nth(2))
                .collect();
            let hits = all[2].lines().skip(1).filter(|line| seen.contains(line.split(',').next().unwrap()));
            assert!(hits.count() >= 6);
            contents.push(all);
        }
        assert_eq!(contents[0], contents[1]);
    }
}
