use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use rastro_sim::worlds::{Insider, Outsider, ReportOptions, Scenario, World, WorldOptions, write_files};

use super::{CommandResult, Failure};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  rastro simulate --out world --insider own-tickets --seed 7\n  \
    rastro trace --access-log world/access.csv --victims world/victims.csv\n\n\
    Writes access.csv, reasons.csv, victims.csv and truth.json; the same options write the same files.\n\
    Kinds of insider: harvest, one-language, small-addition, own-tickets, popular-report, colluders,\n\
    fake-reasons, pod-mate, one-day. With nobody inside guilty: outside-ticketed, outside-english-ticketed,\n\
    outside-team-cohort, outside-random-list, outside-product-language, outside-age-band, outside-regions,\n\
    outside-heavy-ticketers, outside-recent, outside-team-cohort-recent, strays; `none` is one of these at\n\
    random.")]
pub(super) struct SimulateArguments {
    /// Directory to write to; created if it does not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Accounts
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..=50_000))]
    principals: u32,
    /// Customers
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(100..=100_000_000))]
    subjects: u32,
    /// Days of history
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(8..=3_650))]
    days: u32,
    /// Who takes the data
    #[arg(long, value_name = "KIND", default_value = "small-addition")]
    insider: String,
    /// Reports of victims
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    victims: u16,
    /// Share of reports that have nothing to do with the leak
    #[arg(long, default_value_t = 0.2)]
    stray: f64,
    /// Share of reports for which it is known when the leaked values were current (adds two columns)
    #[arg(long, default_value_t = 0.0)]
    versions: f64,
    /// Seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(super) fn run(arguments: &SimulateArguments) -> CommandResult {
    for (name, share) in [("stray", arguments.stray), ("versions", arguments.versions)] {
        if !(0.0..=1.0).contains(&share) {
            return Err(Failure::Unusable(anyhow::anyhow!("`--{name} {share}` is not a share from 0 to 1")));
        }
    }
    let scenario = scenario(&arguments.insider, arguments.seed)?;
    std::fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot create `{}`", arguments.out.display()))?;
    let world = World::new(options(arguments));
    let reports = ReportOptions {
        count: usize::from(arguments.victims),
        stray: arguments.stray,
        versions: arguments.versions,
    };
    let written = write_files(&world, scenario.as_ref(), &reports, &arguments.out)?;
    println!(
        "{} disclosures, {} reports, scenario `{}`; the truth is in `{}`",
        written.disclosures,
        written.victims,
        scenario.name(),
        arguments.out.join("truth.json").display()
    );
    Ok(())
}

fn options(arguments: &SimulateArguments) -> WorldOptions {
    WorldOptions {
        subjects: arguments.subjects,
        principals: arguments.principals,
        days: arguments.days,
        seed: arguments.seed,
    }
}

fn scenario(name: &str, seed: u64) -> Result<Box<dyn Scenario>, Failure> {
    if name == "none" {
        let count = u64::try_from(Outsider::ALL.len())?;
        let at = usize::try_from(rastro_sim::worlds::Draw::new(seed, 0xa11).below(count))?;
        return Ok(Box::new(Outsider::ALL.get(at).copied().unwrap_or(Outsider::Strays)));
    }
    if let Some(insider) = Insider::ALL.into_iter().find(|insider| insider.name() == name) {
        return Ok(Box::new(insider));
    }
    match Outsider::ALL.into_iter().find(|outsider| outsider.name() == name) {
        Some(outsider) => Ok(Box::new(outsider)),
        None => {
            let insiders = Insider::ALL.iter().map(|insider| insider.name());
            let known: Vec<&str> =
                insiders.chain(Outsider::ALL.iter().map(|outsider| outsider.name())).collect();
            Err(Failure::Unusable(anyhow::anyhow!(
                "no scenario `{name}`; there are {}, none",
                known.join(", ")
            )))
        }
    }
}
