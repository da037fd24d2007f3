//! P1 as a property: whoever's protected values a random SELECT depends on is recorded. The truth is brute
//! force: the same statement over copies of the tables in each of which one subject is missing, or has other
//! values; who changes the result both ways was shown.
//!
//! `RASTRO_RANDOM_SELECTS` says how many statements; 10,000 take minutes.

mod grammar;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use rastro_sim::{ScratchCluster, ScratchOptions};

use crate::support::Dice;
use crate::support::gateway::{Gateway, GatewayOptions};
use crate::support::raw::{Cell, RawClient};
use grammar::random_select;

const STATEMENTS: usize = 200;
const SUBJECTS: u64 = 10;
const DATABASE: &str = "acaso";

const CONFIGURATION: &str = r#"
[identity]
logins  = ["jogador"]
sources = ["sqlcommenter:jogada"]

[[subject]]
name    = "pessoa"
table   = "real.pessoas"
key     = "chave"
fields  = { name = "nome", email = "correio", phone = "telefone" }
  [[subject.related]]
  table  = "real.pedidos"
  key    = "dono"
  fields = { ticket = "numero" }
"#;

/// The tables in a schema of their own; subject `other`, if any, has other values, or is `absent`.
fn tables(schema: &str, other: u64, absent: u64) -> String {
    format!(
        "CREATE SCHEMA {schema}; SET search_path = {schema};
         CREATE TABLE pessoas (chave bigint PRIMARY KEY, n int, nome text, correio text, telefone text, grupo text);
         INSERT INTO pessoas SELECT 70000 + n * 13, n, (array['Ana', 'Rui', 'Eva'])[n % 3 + 1] || ' ' || n || q,
             (array['Ana', 'rui', 'eva'])[n % 3 + 1] || q || n || '@Casa.example',
             '+351 93' || n % 7 || ' ' || (100 + n * 37 + length(q)) || ' ' || (900 - n * 41),
             (array['norte', 'sul'])[n % 2 + 1]
             FROM generate_series(1, {SUBJECTS}) n, LATERAL (SELECT CASE WHEN n = {other} THEN 'q' ELSE '' END) x (q)
             WHERE n <> {absent};
         CREATE TABLE pedidos (n int, numero text, dono bigint, estado text);
         INSERT INTO pedidos SELECT n, (5000000 + n * 7919 + CASE WHEN (n - 1) % {SUBJECTS} + 1 = {other} THEN 3 ELSE 0 END)::text,
             70000 + ((n - 1) % {SUBJECTS} + 1) * 13, (array['aberto', 'fechado', 'novo'])[n % 3 + 1]
             FROM generate_series(1, 2 * {SUBJECTS} + 5) n WHERE (n - 1) % {SUBJECTS} + 1 <> {absent};
         CREATE VIEW vista AS SELECT chave AS k, n, upper(nome) AS quem, correio AS c, grupo FROM pessoas;
         ANALYZE;
         GRANT USAGE ON SCHEMA {schema} TO PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO PUBLIC;\n"
    )
}

fn start() -> (ScratchCluster, Gateway) {
    let cluster = ScratchCluster::start(&ScratchOptions::default()).unwrap();
    cluster
        .run_sql("postgres", "CREATE DATABASE acaso; CREATE ROLE jogador LOGIN; CREATE ROLE rastro LOGIN")
        .unwrap();
    let mut script = tables("real", 0, 0);
    for subject in 1..=SUBJECTS {
        script += &tables(&format!("outro_{subject}"), subject, 0);
        script += &tables(&format!("sem_{subject}"), 0, subject);
    }
    writeln!(script, "ALTER DATABASE acaso SET search_path = real;").unwrap();
    cluster.run_sql(DATABASE, &script).unwrap();
    let tables = CONFIGURATION.to_owned();
    let options = GatewayOptions { tables, database: DATABASE.to_owned(), ..GatewayOptions::default() };
    let gateway = Gateway::start(&cluster, &options);
    (cluster, gateway)
}

fn sorted_rows(client: &mut RawClient, sql: &str) -> Vec<Vec<Cell>> {
    let reply = client.query(sql).unwrap();
    assert!(reply.errors.is_empty(), "{sql}\n{:?}", reply.errors);
    let mut rows = reply.rows;
    rows.sort();
    rows
}

/// Connections straight to the server, each with one subject changed.
struct Worlds(Vec<(String, RawClient)>);

impl Worlds {
    fn connect(cluster: &ScratchCluster, prefix: &str) -> Worlds {
        let connect = |subject: u64| {
            let mut client = RawClient::connect(cluster.port(), "jogador", DATABASE).unwrap();
            client.query(&format!("SET search_path = {prefix}_{subject}")).unwrap();
            ((70_000 + subject * 13).to_string(), client)
        };
        Worlds((1..=SUBJECTS).map(connect).collect())
    }

    /// Returns the subjects without whom, or with others in whose place, `sql` gives something else.
    fn find_shown(&mut self, sql: &str, real: &[Vec<Cell>]) -> BTreeSet<String> {
        let changed = self
            .0
            .iter_mut()
            .filter_map(|(key, client)| (sorted_rows(client, sql) != real).then(|| key.clone()));
        changed.collect()
    }
}

#[test]
fn random_select_leaves_nobody_unrecorded_whose_values_it_depends_on() {
    let (cluster, gateway) = start();
    let count = std::env::var("RASTRO_RANDOM_SELECTS").map_or(STATEMENTS, |text| text.parse().unwrap());
    let mut dice = Dice::new("random_selects");
    let mut through = RawClient::connect(gateway.port, "jogador", DATABASE).unwrap();
    let (mut others, mut absences) = (Worlds::connect(&cluster, "outro"), Worlds::connect(&cluster, "sem"));
    let mut cases = Vec::new();
    for number in 0..count {
        let sql = random_select(&mut dice);
        let real = sorted_rows(&mut through, &format!("{sql} /*jogada='j{number:06}'*/"));
        let changed = others.find_shown(&sql, &real);
        let excused = absences.find_shown(&sql, &real);
        // Who is merely counted matters by not being there alone; who is filtered out, by other values alone.
        let needed: BTreeSet<String> = changed.intersection(&excused).cloned().collect();
        cases.push((format!("j{number:06}"), sql, needed, excused));
    }
    let disclosed = gateway.disclosures(&[]);
    let mut recorded: BTreeMap<&str, (BTreeSet<String>, u64)> = BTreeMap::new();
    for line in &disclosed {
        let (subjects, rows) = recorded.entry(line["principal"].as_str().unwrap()).or_default();
        match line["subject"].as_str() {
            Some(subject) => drop(subjects.insert(subject.to_owned())),
            None => *rows += line["rows"].as_u64().unwrap(),
        }
    }
    let (mut missed, mut unattributed, mut beyond, mut total) = (Vec::new(), 0, 0, 0);
    for (principal, sql, needed, excused) in &cases {
        let (subjects, rows) = recorded.get(principal.as_str()).cloned().unwrap_or_default();
        total += subjects.len();
        beyond += subjects.iter().filter(|subject| !excused.contains(*subject)).count();
        if needed.is_subset(&subjects) {
            continue;
        }
        if rows > 0 {
            unattributed += 1;
        } else {
            missed.push(format!("{sql}\n    needed {needed:?}\n    recorded {subjects:?}"));
        }
    }
    println!(
        "{count} statements: {} under-recorded, {unattributed} unattributed, {total} subjects recorded, \
         {beyond} of them beyond those shown",
        missed.len()
    );
    let few = missed.iter().take(8).cloned().collect::<Vec<_>>().join("\n");
    assert!(missed.is_empty(), "{} of {count} statements under-recorded:\n{few}", missed.len());
}
