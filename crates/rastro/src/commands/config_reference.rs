use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::{CommandResult, output};
use crate::config::{markdown_reference, schema_json};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  rastro config-reference --out docs")]
pub(super) struct ReferenceArguments {
    /// Directory for config.md and config.schema.json; without it, the page goes to standard output
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(arguments: &ReferenceArguments) -> CommandResult {
    let Some(folder) = &arguments.out else {
        output::print(&markdown_reference())?;
        return Ok(());
    };
    for (name, text) in [("config.md", markdown_reference()), ("config.schema.json", schema_json())] {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(())
}
