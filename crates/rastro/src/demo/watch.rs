use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use rastro_sim::{Leashed, free_port};

use super::stage::{Stage, configuration_text, wait_until_ready};

/// A gateway that only watches: its own ledger, the same database, `mode = "observe"`.
pub(super) struct Watch {
    gateway: Option<Leashed>,
    /// Where it listens.
    pub(super) port: u16,
    configuration: PathBuf,
    directory: PathBuf,
}

impl Watch {
    /// Starts it in a directory of its own below the stage's.
    pub(super) fn start(stage: &Stage, name: &str) -> anyhow::Result<Watch> {
        let directory = stage.cluster.directory().join(name);
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("cannot create `{}`", directory.display()))?;
        let (port, console) = (free_port()?, free_port()?);
        let configuration = directory.join("rastro.toml");
        let text = configuration_text(port, console, &directory.join("ledger"), stage.cluster.port());
        std::fs::write(&configuration, format!("mode = \"observe\"\n{text}"))?;
        let program = std::env::current_exe().context("cannot find the program itself")?;
        let log = directory.join("gateway.log");
        let arguments = ["serve".into(), "-c".into(), configuration.clone()];
        let gateway = Leashed::start(program, arguments, "TERM", &log, None)?;
        wait_until_ready(&gateway, console, &log)?;
        Ok(Watch { gateway: Some(gateway), port, configuration, directory })
    }

    /// Ends the gateway in good order; its ledger stays.
    pub(super) fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(gateway) = self.gateway.take() {
            gateway.stop("TERM").context("cannot stop the gateway")?;
        }
        Ok(())
    }

    /// Writes a file beside the configuration and returns where.
    pub(super) fn write(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let path = self.directory.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// Runs a command of this program on the watch's configuration and returns the object it prints.
    pub(super) fn ask(&self, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
        let program = std::env::current_exe().context("cannot find the program itself")?;
        let output = Command::new(program)
            .args(arguments)
            .arg("-c")
            .arg(&self.configuration)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot run `rastro {}`", arguments.join(" ")))?;
        let what = arguments.first().copied().unwrap_or_default();
        ensure!(output.status.success(), "`rastro {what}` ended with {}", output.status);
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("cannot read what `rastro {what}` said"))
    }
}
