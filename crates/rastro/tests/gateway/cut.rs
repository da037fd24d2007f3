//! P3: with a budget of B distinct subjects a client gets at most B, and exactly B when more were asked, in
//! whatever way it reads; the statement after the cut works. 1,000 random cases.

mod ways;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::support::Dice;
use crate::support::desk::{DATABASE, DESK, trusting_cluster};
use crate::support::gateway::{Gateway, GatewayOptions};
use crate::support::raw::{RawClient, Reply};
use ways::{ALL_WAYS, Case};

const CASES: usize = 1_000;
/// Subjects in each table; a case never asks for more.
const SUBJECTS: u64 = 600;
/// Distinct budgets, so that the configuration stays readable: one group of logins for each.
const BUDGETS: &[u64] = &[0, 1, 2, 3, 7, 10, 16, 31, 50, 64, 100, 128, 255, 256, 300];
const KEYS: &[&str] = &["bigint", "int", "uuid", "text"];

/// Tables whose key is of each type; `n` counts from 1, so that ranges can be asked for whatever the key.
fn tables() -> String {
    let mut script = String::new();
    for key in KEYS {
        let value = match *key {
            "uuid" => "md5(n::text)::uuid",
            "text" => "'subject/' || n",
            _ => "n * 3 - 1000",
        };
        writeln!(
            script,
            "CREATE TABLE by_{key} (n int, key {key} PRIMARY KEY, name text, email text);
             INSERT INTO by_{key} SELECT n, {value}, 'name ' || n, n || '@{key}.example.com'
                 FROM generate_series(1, {SUBJECTS}) n;
             CREATE INDEX ON by_{key} (n); GRANT SELECT ON by_{key} TO PUBLIC;"
        )
        .unwrap();
    }
    script
}

/// Reasons are asked for and there are none, so that `unexplained` counts everyone, as `total` does.
const NO_REASONS: &str = "[reason]\nquery = \"SELECT key::text AS subject, 'none' AS reason FROM by_int \
                          WHERE $1::text = 'nobody' AND key::text = ANY($2)\"\n";

fn configuration() -> String {
    let mut text = NO_REASONS.to_owned();
    for key in KEYS {
        let subject = "[[subject]]\nname = \"KEY\"\ntable = \"public.by_KEY\"\nkey = \"key\"\n\
                       fields = { name = \"name\", email = \"email\" }\n";
        text += &subject.replace("KEY", key);
    }
    for budget in BUDGETS {
        for kind in ["total", "unexplained"] {
            let head = format!("[[budget]]\nprincipals = [\"{kind}_{budget}_*\"]\nwindow = \"24h\"\n");
            writeln!(text, "{head}{kind} = {budget}").unwrap();
        }
    }
    text
}

/// What a client was shown, over all its sessions.
#[derive(Debug, Default)]
pub struct Shown {
    pub subjects: BTreeSet<Vec<u8>>,
    pub cuts: usize,
}

impl Shown {
    /// Takes the first column of each row; checks that an error, if any, is the cut and nothing else.
    pub fn take(&mut self, reply: &Reply) {
        self.subjects.extend(reply.rows.iter().filter_map(|row| row[0].clone()));
        for error in &reply.errors {
            assert_eq!(error.get(&'C').map(String::as_str), Some("53400"), "{error:?}");
            assert!(error.get(&'H').is_some_and(|hint| !hint.is_empty()), "no hint in {error:?}");
            self.cuts += 1;
        }
    }
}

#[test]
fn client_gets_exactly_the_budget_in_every_way_of_reading() {
    let cluster = trusting_cluster();
    cluster.run_sql(DATABASE, &tables()).unwrap();
    let mut dice = Dice::new("cut");
    let cases: Vec<Case> = (0..CASES).map(|number| random_case(number, &mut dice)).collect();
    let logins: String = cases.iter().map(|case| format!("CREATE ROLE {} LOGIN;\n", case.login)).collect();
    cluster.run_sql(DATABASE, &logins).unwrap();
    let options =
        GatewayOptions { tables: configuration(), durability: "group", ..GatewayOptions::default() };
    let gateway = Gateway::start(cluster, &options);
    for case in &cases {
        let shown = (case.way.read)(gateway.port, case);
        check(case, &shown);
        check_next_statement(gateway.port, case);
    }
    // The ledger says the same as the clients.
    let disclosed = gateway.disclosures(&[]);
    for case in cases.iter().filter(|case| case.budget > 0 && case.asked > 0) {
        let of_case = disclosed.iter().filter(|line| line["login"] == case.login.as_str());
        let subjects: BTreeSet<&str> = of_case.filter_map(|line| line["subject"].as_str()).collect();
        assert_eq!(subjects.len() as u64, case.budget.min(case.asked), "ledger of {case:?}");
    }
}

fn random_case(number: usize, dice: &mut Dice) -> Case {
    let budget = dice.pick(BUDGETS);
    // Around the budget, where mistakes live, or anywhere.
    let asked = match dice.between(0, 4) {
        0 => budget,
        1 => budget + 1,
        2 => budget.saturating_sub(1),
        _ => dice.between(0, SUBJECTS),
    };
    let kind = dice.pick(&["total", "unexplained"]);
    Case {
        login: format!("{kind}_{budget}_{number:04}"),
        way: ALL_WAYS[number % ALL_WAYS.len()],
        key: dice.pick(KEYS),
        budget,
        asked,
        repeats: dice.pick(&[1, 1, 1, 2, 5]),
        step: dice.between(1, 90),
        first: dice.between(0, SUBJECTS - asked),
        binary: dice.between(0, 1) == 1,
    }
}

#[track_caller]
fn check(case: &Case, shown: &Shown) {
    let got = shown.subjects.len() as u64;
    assert_eq!(got, case.budget.min(case.asked), "{case:?}: {} cuts", shown.cuts);
    assert_eq!(shown.cuts > 0, case.asked > case.budget, "{case:?}: {} cuts", shown.cuts);
}

/// A fresh session of the same principal still works, for what shows no new subject.
fn check_next_statement(port: u16, case: &Case) {
    let mut client = RawClient::connect(port, &case.login, DATABASE).unwrap();
    assert_works(&mut client, case);
}

/// The statement after a cut works, and its answer is its own.
pub fn assert_works(client: &mut RawClient, case: &Case) {
    let reply = client.query("SELECT 'still ' || 42").unwrap();
    assert_eq!(reply.rows, [[Some(b"still 42".to_vec())]], "{case:?}");
    assert_eq!((reply.tags.len(), reply.errors.len(), reply.status), (1, 0, 'I'), "{case:?}");
}

#[test]
fn budget_survives_a_restart_of_the_gateway() {
    let cluster = trusting_cluster();
    let login = "CREATE ROLE restarts LOGIN; GRANT support TO restarts;";
    cluster.run_sql(DATABASE, login).unwrap();
    let mut options = GatewayOptions::default();
    options.tables += "[[budget]]\nprincipals = [\"restarts\"]\nwindow = \"24h\"\ntotal = 30\n";
    let mut gateway = Gateway::start(cluster, &options);
    let mut shown = Shown::default();
    for range in ["1 AND 20", "21 AND 60"] {
        let mut client = RawClient::connect(gateway.port, "restarts", DATABASE).unwrap();
        let sql = format!("SELECT id, name FROM customers WHERE id BETWEEN {range} ORDER BY id");
        shown.take(&client.query(&sql).unwrap());
        gateway.kill();
        gateway.restart();
    }
    assert_eq!((shown.subjects.len(), shown.cuts), (30, 1));
}

#[test]
fn explained_subjects_pass_and_the_cut_comes_at_the_first_unexplained_one_too_many() {
    const UNEXPLAINED: usize = 40;
    let cluster = trusting_cluster();
    let mut options = GatewayOptions::default();
    options.tables += "[reason]\nquery = \"SELECT customer_id::text AS subject, ticket_number AS reason FROM tickets \
                       WHERE assignee = $1 AND customer_id::text = ANY($2)\"\n";
    writeln!(
        options.tables,
        "[[budget]]\nprincipals = [\"agent_*\"]\nwindow = \"24h\"\nunexplained = {UNEXPLAINED}"
    )
    .unwrap();
    let gateway = Gateway::start(cluster, &options);
    for login in ["agent_003", "agent_004"] {
        let explained = |id: u64| DESK.tickets(id).any(|ticket| ticket.assignee == login);
        let first_too_many = (1..).filter(|id| !explained(*id)).nth(UNEXPLAINED).unwrap();
        let expected: BTreeSet<Vec<u8>> = (1..first_too_many).map(|id| id.to_string().into_bytes()).collect();
        assert!(expected.len() > UNEXPLAINED, "no customer of these has a ticket with `{login}`");

        let mut client = RawClient::connect(gateway.port, login, DATABASE).unwrap();
        let mut shown = Shown::default();
        shown.take(&client.query("SELECT id, email FROM customers ORDER BY id").unwrap());
        assert_eq!((shown.subjects, shown.cuts), (expected, 1));
        // A customer with a ticket is still served.
        let id = (first_too_many..).find(|id| explained(*id)).unwrap();
        let reply = client.query(&format!("SELECT id, email FROM customers WHERE id = {id}")).unwrap();
        assert_eq!(reply.rows[0][1], Some(DESK.customer(id).email.into_bytes()), "{:?}", reply.errors);
    }
}
