use anyhow::Context;
use clap::Args;
use rastro_ledger::seal::{CHECKPOINT, KeyFiles, SealError, SealPaths, forget_before};
use rastro_model::{Clock, SystemClock, Timestamp};

use super::disclosures::parse_time;
use super::{CommandResult, ConfigFile};
use crate::config::Config;
use crate::store::Sealing;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  rastro seal\n  rastro seal --compact\n  rastro seal --new-key\n  \
    rastro seal --forget-before 365d\n\n\
    Prints the Parquet files that the archive consists of, then the last checkpoint and the public key. Any\n\
    engine reads the files; those not printed are not part of it. Works also while `rastro serve` runs, which\n\
    signs every second, and seals into Parquet and compacts every ten minutes.")]
pub(super) struct SealArguments {
    /// Passes to a new key: the old one vouches for it and is destroyed
    #[arg(long)]
    new_key: bool,
    /// Merges the files of days and months that are over
    #[arg(long)]
    compact: bool,
    /// Removes spool files whose entries are all older, leaving hashes that the rest still proves itself with
    #[arg(long, value_name = "T", value_parser = parse_time)]
    forget_before: Option<Timestamp>,
    #[command(flatten)]
    file: ConfigFile,
}

pub(super) fn run(arguments: &SealArguments) -> CommandResult {
    let config = Config::load(&arguments.file.config)?;
    let paths = SealPaths::below(&config.data_dir);
    if !paths.spool.is_dir() {
        return Err(anyhow::anyhow!("there is no ledger at `{}`", paths.spool.display()).into());
    }
    let keys = KeyFiles::new(&paths.keys);
    if arguments.new_key {
        keys.load_or_create().context("cannot read the ledger's keys")?;
        let next = keys.prepare_change().context("cannot make a new key")?;
        println!("{}", next.encode());
    }
    if let Some(before) = arguments.forget_before {
        // What still counts for a budget or explains a disclosure is read at start-up.
        let counts = config.budget.iter().map(|budget| budget.window.0);
        let counts =
            counts.chain(config.reason.iter().map(|reason| reason.grace.0)).max().unwrap_or_default();
        let limit = SystemClock.now().minus_micros(i64::try_from(counts.as_micros()).unwrap_or(i64::MAX));
        if before > limit {
            let why = "budgets and reasons still need what is younger than";
            return Err(anyhow::anyhow!("`--forget-before {before}` is too late: {why} {limit}").into());
        }
    }
    match paths.open() {
        Ok(mut sealer) => {
            let step = 65_536;
            while sealer.advance(None, step).context("cannot seal the ledger")? == step {}
            let time = u64::try_from(SystemClock.now().0 / 1_000_000).unwrap_or_default();
            sealer.publish(time).context("cannot sign a checkpoint")?;
        }
        Err(SealError::Locked) if arguments.new_key => {
            eprintln!("`rastro serve` passes to the new key at its next checkpoint");
        }
        Err(SealError::Locked) => {}
        Err(error) => return Err(anyhow::Error::from(error).context("cannot seal the ledger").into()),
    }
    let sealing = Sealing::open(&config.ledger.store, &config.data_dir)?;
    sealing.seal()?;
    if let Some(before) = arguments.forget_before {
        return forget(&paths, before, &sealing);
    }
    if arguments.compact {
        sealing.compact()?;
    }
    sealing.files()?.iter().for_each(|file| println!("{file}"));
    println!("{}", paths.tree.join(CHECKPOINT).display());
    println!("{}", keys.public_path().display());
    Ok(())
}

fn forget(paths: &SealPaths, before: Timestamp, sealing: &Sealing) -> CommandResult {
    match forget_before(paths, before) {
        Ok(Some(retained)) => {
            sealing.forget_before(retained.first)?;
            println!("{} entries are removed; the rest begins there", retained.first);
        }
        Ok(None) => println!("no spool file is that old"),
        Err(SealError::Locked) => {
            return Err(anyhow::anyhow!("stop `rastro serve` before old entries are removed").into());
        }
        Err(error) => return Err(anyhow::Error::from(error).context("cannot remove old entries").into()),
    }
    Ok(())
}
