//! P1: whatever SELECT is made up, what is recorded holds everyone who was shown. `RASTRO_STATEMENTS` takes the
//! number of statements.

mod brute;
mod library;
mod statement;

use std::collections::{BTreeMap, BTreeSet};

use rastro_sim::{ScratchCluster, ScratchOptions};
use serde_json::Value;
use tokio_postgres::{Client, NoTls};

use crate::support::Dice;
use crate::support::gateway::Gateway;
use crate::support::transcript::root;
use library::LIBRARY;
use statement::Statement;

const STATEMENTS: usize = 300;

#[test]
#[ignore = "needs lineage: without it nothing but the origin of columns is recorded"]
fn random_select_records_everyone_it_shows() {
    let count = std::env::var("RASTRO_STATEMENTS").map_or(STATEMENTS, |text| text.parse().unwrap());
    let mut dice = Dice::new("random statements");
    let cluster = ScratchCluster::start(&ScratchOptions::default()).unwrap();
    library::build(&cluster, &mut dice, count);
    let statements: Vec<Statement> = (0..count).map(|_| statement::make_up(&mut dice)).collect();
    let gateway = Gateway::start(&cluster, &library::gateway_options());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let truth = runtime.block_on(async {
        let direct = connect(cluster.port(), "postgres").await;
        let mut truth = Vec::new();
        for (number, statement) in (1..).zip(&statements) {
            truth.push(brute::shown(&direct, &statement.sql).await);
            run(gateway.port, number, &statement.sql).await;
        }
        truth
    });
    assert!(gateway.is_running(), "the gateway did not survive: {}", gateway.log());
    let mut sums = Sums::default();
    let recorded = Recorded::by_login(&gateway.disclosures(&[]));
    let nothing = Recorded::default();
    for ((number, statement), shown) in (1..).zip(&statements).zip(&truth) {
        sums.add(statement, shown, recorded.get(&login(number)).unwrap_or(&nothing));
    }
    sums.check(count);
}

fn login(number: usize) -> String {
    format!("virkailija_{number}")
}

async fn connect(port: u16, login: &str) -> Client {
    let url = format!("postgres://{login}:{login}@127.0.0.1:{port}/{LIBRARY}");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Runs every second statement as a simple query, the others prepared and in binary.
async fn run(port: u16, number: usize, sql: &str) {
    let client = connect(port, &login(number)).await;
    let error = match number % 2 {
        0 => client.simple_query(sql).await.err(),
        _ => client.query(sql, &[]).await.err(),
    };
    assert!(error.is_none(), "{error:?} of {sql}");
}

/// What the ledger holds of one login.
#[derive(Default)]
struct Recorded {
    certainties: BTreeMap<String, BTreeSet<String>>,
    unattributed_rows: u64,
}

impl Recorded {
    fn by_login(lines: &[Value]) -> BTreeMap<String, Recorded> {
        let mut all: BTreeMap<String, Recorded> = BTreeMap::new();
        for line in lines {
            let of_login = all.entry(line["principal"].as_str().unwrap().to_owned()).or_default();
            match line["subject"].as_str() {
                Some(subject) => {
                    let certainty = line["certainty"].as_str().unwrap().to_owned();
                    of_login.certainties.entry(subject.to_owned()).or_default().insert(certainty);
                }
                None => of_login.unattributed_rows += line["rows"].as_u64().unwrap(),
            }
        }
        all
    }
}

#[derive(Default)]
struct Sums {
    showing: usize,
    shown: usize,
    shown_recorded: usize,
    /// Statements of which somebody is missing though rows are counted.
    counted: usize,
    /// Subjects recorded beyond those shown, by certainty.
    beyond: BTreeMap<String, usize>,
    silent: Vec<String>,
    false_exact: Vec<String>,
    loud: Vec<String>,
}

impl Sums {
    fn add(&mut self, statement: &Statement, shown: &BTreeSet<String>, recorded: &Recorded) {
        let sql = &statement.sql;
        let missing = shown.iter().filter(|key| !recorded.certainties.contains_key(*key)).count();
        self.showing += usize::from(!shown.is_empty());
        self.shown += shown.len();
        self.shown_recorded += shown.len() - missing;
        match (missing, recorded.unattributed_rows) {
            (0, _) => {}
            (_, 0) => self.silent.push(format!("{missing} of {} missing: {sql}", shown.len())),
            _ => self.counted += 1,
        }
        let beyond = recorded.certainties.iter().filter(|(key, _)| !shown.contains(*key));
        for certainty in beyond.flat_map(|(_, certainties)| certainties) {
            *self.beyond.entry(certainty.clone()).or_default() += 1;
            if certainty == "exact" {
                self.false_exact.push(sql.clone());
            }
        }
        let is_silent = recorded.certainties.is_empty() && recorded.unattributed_rows == 0;
        if !statement.touches_protected && !is_silent {
            self.loud.push(sql.clone());
        }
    }

    fn check(mut self, count: usize) {
        self.false_exact.dedup();
        println!(
            "{count} statements, {} show somebody: {} of {} subjects recorded; {} statements counted only, {} silent; \
             beyond: {:?}; {} with a false exact; {} innocent ones recorded",
            self.showing,
            self.shown_recorded,
            self.shown,
            self.counted,
            self.silent.len(),
            self.beyond,
            self.false_exact.len(),
            self.loud.len()
        );
        assert!(self.showing * 3 > count, "too few statements show anybody: the test tests nothing");
        let kinds =
            [("silent", &self.silent), ("exact though not shown", &self.false_exact), ("loud", &self.loud)];
        for (kind, statements) in kinds {
            for sql in statements.iter().take(15) {
                println!("{kind}: {sql}");
            }
            let limit = limit_per_thousand(kind);
            let share = statements.len() * 1000 / count;
            assert!(share <= limit, "{kind}: {share} of 1000 statements, at most {limit} may be");
        }
    }
}

/// `tests/redteam/random_limits.txt` says how many of 1000 statements may fail, by kind; it may only shrink.
fn limit_per_thousand(kind: &str) -> usize {
    let text = std::fs::read_to_string(root().join("tests/redteam/random_limits.txt")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(": "));
    line.unwrap().parse().unwrap()
}
