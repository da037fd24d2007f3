use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use clap::Args;
use parking_lot::Mutex;
use rastro_ledger::note::{NoteKey, NoteVerifier, SignatureKind};
use rastro_ledger::store::{DirectoryStore, Store};
use rastro_ledger::witness::{REQUEST_BYTES_MAX, Witness};
use rastro_model::{Clock, SystemClock};
use tokio::net::TcpListener;

use super::verify::read_keys;
use super::{CommandResult, Failure, block_on};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    rastro witness --name council.example/rastro --log ledger.pub --dir witness-data\n\n\
    To be run where those who run the ledger have no access: it remembers the last checkpoint of each\n\
    ledger and cosigns the next only if it continues it. It sees sizes and hashes, nothing else. Its public\n\
    key is in DIR/witness.pub; TLS is the task of a web server in front. Protocol: c2sp.org/tlog-witness.")]
pub(super) struct WitnessArguments {
    /// Where ledgers reach it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8433")]
    listen: String,
    /// What it remembers, and its key; created if missing
    #[arg(long, value_name = "DIR", default_value = "witness-data")]
    dir: PathBuf,
    /// Name of the witness, such as a URL without its scheme; counts when the key is made
    #[arg(long, value_name = "NAME", default_value = "rastro-witness")]
    name: String,
    /// Public keys of the ledgers it witnesses, or files that hold them
    #[arg(long, value_name = "KEY", required = true)]
    log: Vec<String>,
}

type Shared = Arc<Mutex<Witness>>;

pub(super) fn run(arguments: &WitnessArguments) -> CommandResult {
    let mut logs: Vec<NoteVerifier> = Vec::new();
    for given in &arguments.log {
        logs.extend(read_keys(given)?);
    }
    let key = load_or_create_key(arguments)?;
    let public = key.verifier().encode();
    let store = DirectoryStore::new(&arguments.dir);
    let witness: Shared = Arc::new(Mutex::new(Witness::new(key, logs, Box::new(store))));
    block_on(async {
        let listen = &arguments.listen;
        let socket =
            TcpListener::bind(listen).await.with_context(|| format!("cannot listen on `{listen}`"))?;
        println!("{}\n{public}", socket.local_addr()?);
        let routes = Router::new()
            .route("/add-checkpoint", post(add_checkpoint))
            .route("/healthz", get(|| async { "alive\n" }))
            .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
            .with_state(witness);
        let serve = axum::serve(socket, routes).with_graceful_shutdown(crate::gateway::stop_signal());
        serve.await.context("witness ended").map_err(Failure::from)
    })
}

async fn add_checkpoint(State(witness): State<Shared>, body: Bytes) -> impl IntoResponse {
    let time = u64::try_from(SystemClock.now().0 / 1_000_000).unwrap_or_default();
    // Waits for the disk.
    let answer = tokio::task::spawn_blocking(move || witness.lock().add_checkpoint(&body, time)).await;
    match answer {
        Ok(answer) => {
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, [(header::CONTENT_TYPE, answer.content_type)], answer.body)
        }
        Err(_) => {
            let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            (StatusCode::INTERNAL_SERVER_ERROR, plain, "request failed\n".to_owned())
        }
    }
}

fn load_or_create_key(arguments: &WitnessArguments) -> anyhow::Result<NoteKey> {
    let dir = &arguments.dir;
    let mut store = DirectoryStore::secret(dir);
    let context = || format!("cannot use the witness's key in `{}`", dir.display());
    if let Some(bytes) = store.read("witness.key").with_context(context)? {
        return NoteKey::decode(&String::from_utf8_lossy(&bytes)).with_context(context);
    }
    let key = NoteKey::generate(&arguments.name, SignatureKind::Cosignature).with_context(context)?;
    let private = format!("{}\n", key.encode_private());
    store.write_durable("witness.key", private.as_bytes()).with_context(context)?;
    let public = format!("{}\n", key.verifier().encode());
    DirectoryStore::new(dir).write_durable("witness.pub", public.as_bytes()).with_context(context)?;
    Ok(key)
}
