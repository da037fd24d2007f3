//! Starts a scratch PostgreSQL with a support desk and keeps it until standard input ends:
//! `cargo run -p rastro-sim --example scratch -- 2000`.

use std::io::Read;

use rastro_sim::{ScratchCluster, ScratchOptions, SupportDesk};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let customers = std::env::args().nth(1).map_or(Ok(2_000), |text| text.parse())?;
    let cluster = ScratchCluster::start(&ScratchOptions::default())?;
    let url = cluster.url("postgres", "postgres");
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    SupportDesk { customers, ..SupportDesk::default() }.load(&client, |_| {}).await?;
    drop(client);
    connection.await??;
    println!("{url}");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
