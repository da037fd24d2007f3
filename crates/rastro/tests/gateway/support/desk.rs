use std::sync::OnceLock;

use rastro_sim::{Auth, ScratchCluster, ScratchOptions, SupportDesk};
use tokio_postgres::NoTls;

/// The desk of the tests: small, and always the same.
pub const DESK: SupportDesk = SupportDesk { customers: 2_000, agents: 8, seed: 3 };
/// The database it is in.
pub const DATABASE: &str = "support";

/// Returns the PostgreSQL all tests of this process share, with [`DESK`] in [`DATABASE`]. It asks for
/// passwords (SCRAM), and the password of every role is its name.
pub fn cluster() -> &'static ScratchCluster {
    static CLUSTER: OnceLock<ScratchCluster> = OnceLock::new();
    CLUSTER.get_or_init(|| new_cluster(&ScratchOptions::default().with_auth(Auth::ScramSha256)))
}

/// Returns a PostgreSQL that asks for nothing, for the raw client.
pub fn trusting_cluster() -> &'static ScratchCluster {
    static CLUSTER: OnceLock<ScratchCluster> = OnceLock::new();
    CLUSTER.get_or_init(|| new_cluster(&ScratchOptions::default()))
}

pub fn new_cluster(options: &ScratchOptions) -> ScratchCluster {
    let cluster = ScratchCluster::start(options).unwrap();
    cluster.run_sql("postgres", "CREATE DATABASE support").unwrap();
    let url = cluster.url("postgres", DATABASE);
    // Its own thread: the callers may be inside a runtime already.
    let loading = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
            let connection = tokio::spawn(connection);
            DESK.load(&client, |_| {}).await.unwrap();
            drop(client);
            connection.await.unwrap().unwrap();
        });
    });
    loading.join().unwrap();
    // What Rastro itself may do: read what it guards, and the reasons.
    let own = "CREATE ROLE rastro LOGIN PASSWORD 'rastro'; GRANT SELECT ON customers, tickets TO rastro;";
    cluster.run_sql(DATABASE, own).unwrap();
    cluster
}
