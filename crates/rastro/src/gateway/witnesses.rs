//! Asks the witnesses to cosign each checkpoint, on a thread of its own: a slow witness delays nothing.

use std::io;
use std::time::Duration;

use rastro_ledger::seal::{SealPaths, WITNESSED};
use rastro_ledger::store::{DirectoryStore, Store};
use rastro_ledger::witness::{Submission, Verdict};

use crate::config::WitnessAddress;

/// Between two looks at the last checkpoint.
const INTERVAL: Duration = Duration::from_secs(1);
/// Longest time that one witness may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Greatest answer read.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// Longest pause after a witness failed; pauses double up to here.
const PAUSE_MAX: Duration = Duration::from_secs(60);

struct Asked {
    address: WitnessAddress,
    /// Size it cosigned last, as far as is known.
    seen: u64,
    /// Looks to pass over after failures, and how many that was the last time.
    pause: u64,
    last_pause: u64,
}

/// Starts the thread, if there is anybody to ask. It ends with the process.
///
/// # Errors
/// The witnesses' keys cannot be written down for `rastro verify`, or no thread can be started.
pub(super) fn start(paths: &SealPaths, witnesses: Vec<WitnessAddress>) -> io::Result<()> {
    let public: String = witnesses.iter().map(|w| format!("{}\n", w.key.encode())).collect();
    if witnesses.is_empty() {
        return Ok(());
    }
    DirectoryStore::secret(&paths.keys).write_durable("witnesses.pub", public.as_bytes())?;
    let tree = DirectoryStore::new(&paths.tree);
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .proxy(None)
        .build();
    let asked = |address| Asked { address, seen: 0, pause: 0, last_pause: 0 };
    let mut work = Work { tree, agent: agent.into(), witnesses: witnesses.into_iter().map(asked).collect() };
    std::thread::Builder::new().name("witnesses".to_owned()).spawn(move || {
        loop {
            std::thread::sleep(INTERVAL);
            if let Err(error) = work.ask_all() {
                tracing::warn!(error = &error as &dyn std::error::Error, "checkpoint could not be offered");
            }
        }
    })?;
    Ok(())
}

struct Work {
    tree: DirectoryStore,
    agent: ureq::Agent,
    witnesses: Vec<Asked>,
}

impl Work {
    /// Offers the last checkpoint to every witness that has not cosigned it; keeps it once one has.
    fn ask_all(&mut self) -> Result<(), rastro_ledger::seal::SealError> {
        let Some(submission) = Submission::latest(&self.tree)? else { return Ok(()) };
        let size = submission.checkpoint.size;
        let mut signatures = Vec::new();
        for witness in &mut self.witnesses {
            if witness.seen >= size {
                continue;
            }
            if witness.pause > 0 {
                witness.pause -= 1;
                continue;
            }
            match ask(&self.agent, &self.tree, &submission, witness)? {
                Ok(signature) => {
                    (witness.seen, witness.last_pause) = (size, 0);
                    signatures.push(signature);
                }
                Err(why) => {
                    tracing::warn!(
                        witness = witness.address.key.name(),
                        size,
                        why,
                        "checkpoint is not cosigned"
                    );
                    witness.last_pause = (witness.last_pause * 2).clamp(1, PAUSE_MAX.as_secs());
                    witness.pause = witness.last_pause;
                }
            }
        }
        if !signatures.is_empty() {
            // Others may have cosigned the same checkpoint before.
            signatures.extend(submission.known_signatures(&self.tree)?);
            let note = submission.cosigned(signatures).encode();
            self.tree.write_durable(WITNESSED, note.as_bytes()).map_err(|source| {
                rastro_ledger::seal::SealError::Store { name: WITNESSED.to_owned(), source }
            })?;
        }
        Ok(())
    }
}

/// Asks one witness, a second time if it had seen another size; inside, why it did not cosign.
fn ask(
    agent: &ureq::Agent,
    tree: &DirectoryStore,
    submission: &Submission,
    witness: &mut Asked,
) -> Result<Result<rastro_ledger::note::Signature, String>, rastro_ledger::seal::SealError> {
    for _ in 0..2 {
        let body = submission.request(tree, witness.seen)?;
        let url = format!("{}/add-checkpoint", witness.address.url);
        let mut answer = match agent.post(&url).content_type("text/plain; charset=utf-8").send(body) {
            Ok(answer) => answer,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.unwrap_or_default();
        match submission.read_answer(status, &text, &witness.address.key) {
            Verdict::Cosigned(signature) => return Ok(Ok(signature)),
            Verdict::Refused(why) => return Ok(Err(why)),
            Verdict::Behind(seen) if seen == witness.seen => break,
            Verdict::Behind(seen) if seen > submission.checkpoint.size => {
                return Ok(Err(format!("it has seen {seen} entries, which this ledger does not hold")));
            }
            Verdict::Behind(seen) => witness.seen = seen,
        }
    }
    Ok(Err("it has seen another history".to_owned()))
}
