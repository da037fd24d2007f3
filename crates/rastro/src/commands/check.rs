mod database;
mod machine;

use anyhow::Context;
use clap::Args;

use super::{CommandResult, ConfigFile, Failure, block_on, output};
use crate::config::Config;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  rastro check -c rastro.toml\n\n\
    Ends with 0 if all is well, 1 if there are problems, 2 if there is no such file.")]
pub(super) struct CheckArguments {
    #[command(flatten)]
    file: ConfigFile,
}

/// What was found, in the order of the checks.
#[derive(Debug, Default)]
struct Findings {
    problems: Vec<String>,
    warnings: Vec<String>,
    /// How things will be done; no judgement.
    notes: Vec<String>,
}

impl Findings {
    fn problem(&mut self, what: impl Into<String>) {
        self.problems.push(what.into());
    }

    fn warning(&mut self, what: impl Into<String>) {
        self.warnings.push(what.into());
    }

    fn note(&mut self, what: impl Into<String>) {
        self.notes.push(what.into());
    }
}

pub(super) fn run(arguments: &CheckArguments) -> CommandResult {
    let path = &arguments.file.config;
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration `{}`", path.display()))?;
    let (config, problems) = Config::parse_all(&text, &|name| std::env::var(name).ok());
    let mut findings = Findings::default();
    findings.problems.extend(problems.iter().map(ToString::to_string));
    if let Some(config) = &config {
        findings.warnings.extend(config.warnings());
        machine::check(config, &mut findings);
        block_on(async {
            database::check(config, &mut findings).await;
            Ok(())
        })?;
    }
    output::print(&render(config.as_ref(), &findings))?;
    match findings.problems.len() {
        0 => Ok(()),
        1 => Err(Failure::Failed(format!("`{}` has 1 problem", path.display()))),
        count => Err(Failure::Failed(format!("`{}` has {count} problems", path.display()))),
    }
}

fn render(config: Option<&Config>, findings: &Findings) -> String {
    let mut text = String::new();
    for (word, found) in
        [("problem", &findings.problems), ("warning", &findings.warnings), ("note", &findings.notes)]
    {
        for what in found {
            text.push_str(&format!("{word}: {what}\n"));
        }
    }
    if let (true, Some(config)) = (findings.problems.is_empty(), config) {
        let (subjects, budgets) = (config.subject.len(), config.budget.len());
        text.push_str(&format!("all is well: {subjects} kinds of subjects, {budgets} budgets\n"));
    }
    text
}
