//! tokio-postgres: portals with row limits, binary results, COPY, cancel.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::support::desk::{DATABASE, cluster};
use crate::support::gateway::{Gateway, GatewayOptions};
use crate::support::transcript::assert_same;

async fn connect(port: u16) -> Client {
    let url = format!("postgres://postgres:postgres@127.0.0.1:{port}/{DATABASE}");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[derive(Default)]
struct Transcript(String);

impl Transcript {
    fn say(&mut self, what: &str, value: impl Debug) {
        self.0 += &format!("{what} {value:?}\n");
    }

    fn error<T>(&mut self, what: &str, result: Result<T, tokio_postgres::Error>) {
        let error = result.err().unwrap();
        let error = error.as_db_error().unwrap();
        self.say(what, (error.code().code(), error.severity(), error.message(), error.hint()));
    }
}

async fn portals(client: &mut Client, out: &mut Transcript) {
    let transaction = client.transaction().await.unwrap();
    let statement =
        transaction.prepare("SELECT id, name, phone FROM customers WHERE id > $1 ORDER BY id").await.unwrap();
    out.say("columns", statement.columns().iter().map(|c| (c.name(), c.type_().name())).collect::<Vec<_>>());
    let portal = transaction.bind(&statement, &[&100i64]).await.unwrap();
    let other = transaction.bind(&statement, &[&1_900i64]).await.unwrap();
    for limit in [1, 10, 33] {
        for (name, portal) in [("portal", &portal), ("other", &other)] {
            let rows = transaction.query_portal(portal, limit).await.unwrap();
            let rows = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2)));
            out.say(name, rows.collect::<Vec<(i64, String, Option<String>)>>());
        }
    }
    out.say("rest", transaction.query_portal(&portal, 0).await.unwrap().len());
    out.error("midway", transaction.query("SELECT 1 / (id - 900) FROM customers ORDER BY id", &[]).await);
    transaction.rollback().await.unwrap();
}

async fn copies(client: &Client, out: &mut Transcript) {
    client.batch_execute("CREATE TEMP TABLE copied (id bigint, label text)").await.unwrap();
    let sink = client.copy_in("COPY copied FROM STDIN").await.unwrap();
    let mut sink = Box::pin(sink);
    for block in 0..50 {
        let text: String = (0..100).map(|i| format!("{}\tlabel {i}\n", block * 100 + i)).collect();
        sink.send(Bytes::from(text)).await.unwrap();
    }
    out.say("copied in", sink.as_mut().finish().await.unwrap());
    let copy =
        client.copy_out("COPY (SELECT id, email FROM customers ORDER BY id) TO STDOUT (FORMAT binary)");
    let blocks: Vec<Bytes> = copy.await.unwrap().try_collect().await.unwrap();
    out.say("copied out", blocks.concat());
}

async fn queries(client: &Client, out: &mut Transcript) {
    for message in
        client.simple_query("SELECT * FROM customers WHERE id < 4 ORDER BY id; SELECT 1").await.unwrap()
    {
        match message {
            SimpleQueryMessage::Row(row) => {
                out.say("simple", (0..row.len()).map(|i| row.get(i)).collect::<Vec<_>>());
            }
            SimpleQueryMessage::CommandComplete(rows) => out.say("complete", rows),
            _ => {}
        }
    }
    let statement = client.prepare("SELECT email FROM customers WHERE id = $1").await.unwrap();
    let many = (1..=200i64).map(|id| {
        let (client, statement) = (&client, &statement);
        async move { client.query_one(statement, &[&id]).await.unwrap().get::<_, String>(0) }
    });
    // All sent before the first answer is read: the driver pipelines.
    out.say("pipelined", futures_util::future::join_all(many).await);
    let streamed = client.query_raw("SELECT id FROM customers ORDER BY id", Vec::<i64>::new()).await.unwrap();
    let streamed: Vec<i64> = streamed.map(|row| row.unwrap().get::<_, i64>(0)).collect().await;
    out.say("streamed", streamed);
    out.error("syntax", client.simple_query("SELEC").await);
    out.error("parameter", client.query("SELECT 1 / $1::int", &[&0i32]).await);
}

async fn cancel(client: &Client, out: &mut Transcript) {
    let token = client.cancel_token();
    let cancelling = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        token.cancel_query(NoTls).await.unwrap();
    };
    let (result, ()) = tokio::join!(client.simple_query("SELECT pg_sleep(100)"), cancelling);
    out.error("cancelled", result);
    out.say("after", client.query_one("SELECT 5", &[]).await.unwrap().get::<_, i32>(0));
}

#[tokio::test]
async fn tokio_postgres_sees_the_same_through_the_gateway() {
    let gateway = Gateway::start(cluster(), &GatewayOptions::default());
    let mut transcripts = Vec::new();
    for port in [cluster().port(), gateway.port] {
        let mut out = Transcript::default();
        let mut client = connect(port).await;
        queries(&client, &mut out).await;
        portals(&mut client, &mut out).await;
        copies(&client, &mut out).await;
        cancel(&client, &mut out).await;
        transcripts.push(out.0);
    }
    assert_same("tokio-postgres", &transcripts[0], &transcripts[1]);
}
