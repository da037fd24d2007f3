//! `rastro init` and `rastro check` on the desk.

use std::process::{Command, Output};

use rastro_sim::free_port;

use crate::support::desk::{DATABASE, cluster};
use crate::support::gateway::{Gateway, GatewayOptions, program};

fn check(text: &str) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rastro.toml");
    let data = format!("{:?}", directory.path().join("ledger"));
    std::fs::write(&path, text.replace("\"rastro-data\"", &data)).unwrap();
    Command::new(program()).arg("check").arg("-c").arg(path).output().unwrap()
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn proposal_of_init_is_accepted_by_check_and_names_what_is_personal() {
    let url = format!("postgres://rastro:rastro@127.0.0.1:{}/{DATABASE}", cluster().port());
    let output = Command::new(program()).args(["init", "--database", &url]).output().unwrap();
    assert!(output.status.success(), "{}", text_of(&output.stderr));
    let proposal = text_of(&output.stdout);
    for part in ["public.customers", "public.tickets", "customer_id", "email", "phone", "assignee = $1"] {
        assert!(proposal.contains(part), "no `{part}` in:\n{proposal}");
    }
    // The usual ports may be taken on this machine.
    let mut proposal = proposal;
    for usual in ["127.0.0.1:6432", "127.0.0.1:8432"] {
        assert!(proposal.contains(usual), "{proposal}");
        proposal = proposal.replace(usual, &format!("127.0.0.1:{}", free_port().unwrap()));
    }
    let output = check(&proposal);
    let found = text_of(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{found}{}", text_of(&output.stderr));
    assert!(found.contains("all is well: 1 kinds of subjects, 1 budgets"), "{found}");
}

#[test]
fn every_problem_of_a_configuration_is_reported_at_once() {
    let tables = r#"
[[subject]]
name    = "customer"
table   = "public.customers"
key     = "no_such_key"
fields  = { name = "name", email = "no_such_mail" }
  [[subject.related]]
  table  = "public.no_such_table"
  key    = "customer_id"
  fields = { ticket = "ticket_number" }

[reason]
query = "SELECT customer_id AS subject FROM tickets WHERE assignee = $1 AND customer_id::text = ANY($2)"
"#;
    let options = GatewayOptions { tables: tables.to_owned(), ..GatewayOptions::default() };
    let gateway = Gateway::prepare(cluster(), &options);
    let output = gateway.run("check", &[]);
    let found = text_of(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{found}");
    for part in [
        "there is no column `public.customers.no_such_key`",
        "there is no column `public.customers.no_such_mail`",
        "there is no table `public.no_such_table`",
        "returns no column `reason`",
        "`subject` as int8, expected text",
    ] {
        assert!(found.contains(part), "no `{part}` in:\n{found}");
    }
    let problems = found.lines().filter(|line| line.starts_with("problem: ")).count();
    assert_eq!(problems, 5, "{found}");
    assert!(text_of(&output.stderr).contains("has 5 problems"));
}

#[test]
fn unknown_keys_and_bad_values_are_reported_with_what_else_is_wrong() {
    let output = check(
        "listen = 5\nlisten_to = \"x\"\n\n[database]\nurl = \"postgres://u@h/d\"\n\n[[budget]]\nprincipals = [\"*\"]\nwindow = \"one day\"\n",
    );
    let found = text_of(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{found}");
    for part in ["line 2", "listen_to"] {
        assert!(found.contains(part), "no `{part}` in:\n{found}");
    }
}

#[test]
fn missing_configuration_is_unusable_input() {
    for command in ["check", "serve", "disclosures"] {
        let output =
            Command::new(program()).args([command, "-c", "/nonexistent/rastro.toml"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}");
        let complaint = text_of(&output.stderr);
        assert!(
            complaint.contains("/nonexistent/rastro.toml") && complaint.lines().count() == 1,
            "{complaint}"
        );
    }
}
