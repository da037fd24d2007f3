//! A scratch PostgreSQL comes up, holds a support desk, and leaves nothing behind.

use rastro_sim::{Auth, LoadStep, ScratchCluster, ScratchOptions, SupportDesk};
use tokio_postgres::NoTls;

#[tokio::test]
async fn desk_loads_every_row_and_logins_can_read_it_with_scram() {
    let cluster = ScratchCluster::start(&ScratchOptions::default().with_auth(Auth::ScramSha256)).unwrap();
    let (client, connection) =
        tokio_postgres::connect(&cluster.url("postgres", "postgres"), NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let desk = SupportDesk { customers: 3_000, agents: 5, seed: 11 };
    let mut last = None;
    desk.load(&client, |step| last = Some(step)).await.unwrap();
    assert_eq!(last, Some(LoadStep::Indexes));

    let tickets: u64 = (1..=desk.customers).map(|id| desk.tickets(id).count() as u64).sum();
    let counts = cluster.run_sql("postgres", "SELECT count(*) FROM customers; SELECT count(*) FROM tickets;");
    assert_eq!(counts.unwrap(), format!("3000\n{tickets}"));

    let (agent, agent_connection) =
        tokio_postgres::connect(&cluster.url("agent_003", "postgres"), NoTls).await.unwrap();
    let agent_connection = tokio::spawn(agent_connection);
    let row = agent.query_one("SELECT name, email, phone FROM customers WHERE id = 1234", &[]).await.unwrap();
    let expected = desk.customer(1234);
    assert_eq!(row.get::<_, String>(0), expected.name);
    assert_eq!(row.get::<_, String>(1), expected.email);
    assert_eq!(row.get::<_, Option<String>>(2), expected.phone);

    let directory = cluster.directory().to_path_buf();
    drop((client, agent));
    connection.await.unwrap().unwrap();
    agent_connection.await.unwrap().unwrap();
    drop(cluster);
    assert!(!directory.exists(), "the server left `{}` behind", directory.display());
}

#[test]
fn wrong_setting_is_reported_with_the_servers_own_words() {
    let error = ScratchCluster::start(&ScratchOptions::default().with_setting("no_such_setting", "1"));
    let text = error.unwrap_err().to_string();
    assert!(text.contains("no_such_setting"), "{text}");
}
