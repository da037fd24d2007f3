use super::load::Problem;
use super::*;

/// The example of CONTRACT.md, whole.
const CONTRACT: &str = r#"
listen   = "127.0.0.1:6432"
console  = "127.0.0.1:8432"
data_dir = "rastro-data"
mode     = "enforce"

[database]
url = "postgres://rastro:secret@127.0.0.1:5432/support"

[[subject]]
name    = "customer"
table   = "public.customers"
key     = "id"
fields  = { name = "name", email = "email", phone = "phone" }
cohorts = ["language", "country"]
  [[subject.related]]
  table  = "public.tickets"
  key    = "customer_id"
  fields = { ticket = "ticket_number" }

[reason]
query = "SELECT customer_id::text AS subject, ticket_number AS reason FROM tickets WHERE assignee = $1 AND customer_id::text = ANY($2) AND status <> 'closed'"
grace = "72h"

[[budget]]
principals  = ["*"]
window      = "24h"
unexplained = 50
total       = 1000

[identity]
logins  = ["helpdesk_app"]
sources = ["sqlcommenter:user", "setting:rastro.principal", "application_name"]

[ledger]
durability = "strict"
store      = "file"
"#;

fn environment(name: &str) -> Option<String> {
    (name == "PASSWORD").then(|| "hunter2".to_owned())
}

fn problems(text: &str) -> Vec<Problem> {
    Config::parse(text, &environment).expect_err("the text is wrong")
}

#[test]
fn contract_example_is_read_whole() {
    let config = Config::parse(CONTRACT, &environment).unwrap();
    assert_eq!(config.mode, Mode::Enforce);
    let specs = config.subject_specs().unwrap();
    assert_eq!(specs[0].related[0].table.to_string(), "public.tickets");
    assert_eq!(config.budget[0].window.0.as_secs(), 86_400);
    assert_eq!(config.identity.sources[0], IdentitySource::Sqlcommenter("user".to_owned()));
    assert_eq!(config.gateway.session_limit, 2_000);
    assert!(config.budget_book().is_ok());
    assert!(config.warnings().is_empty(), "{:?}", config.warnings());
    let database = config.database_config().unwrap();
    assert_eq!((database.get_user(), database.get_dbname()), (Some("rastro"), Some("support")));
}

#[test]
fn smallest_configuration_has_every_default() {
    let config = Config::parse("database.url = 'host=/run user=x'", &environment).unwrap();
    assert_eq!(config.listen, "127.0.0.1:6432");
    assert_eq!(config.ledger.durability, Durability::Strict);
    assert_eq!(config.gateway.row_bytes_max, ByteCount(1 << 30));
    assert_eq!(config.warnings().len(), 2);
}

#[test]
fn every_problem_is_found_and_names_its_line() {
    let text = r#"listen = "nowhere"
mood = "good"
[database]
url = "postgres://u:${MISSING}@h/d"
[[subject]]
name = "customer"
table = ".customers"
key = "id"
[[budget]]
principals = ["*"]
window = "1 fortnight"
total = 5
[[budget]]
principals = ["[a"]
window = "0s"
unexplained = 9
total = 3
[lodger]
store = "s3://x"
more = 1
[gateway]
session_limit = 0
"#;
    let found = problems(text);
    let lines: Vec<_> = found.iter().filter_map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 2, 4, 5, 7, 11, 14, 15, 16, 18, 22], "{found:#?}");
}

#[test]
fn problems_never_show_the_database_url() {
    let texts = [
        "[database]\nurl = \"postgres://u:${PASSWORD}@h:port/d\"",
        "[database]\nurl = [\"postgres://u:hunter2@h/d\"]",
        "[database]\nurl = \"postgres://u:hunter2@h/d\nmode = 1",
    ];
    for text in texts {
        for problem in problems(text) {
            assert!(!problem.to_string().contains("hunter2"), "{problem}");
        }
    }
}

#[test]
fn secrets_come_from_the_environment_and_from_files() {
    let config = Config::parse("[database]\nurl = \"postgres://u:${PASSWORD}@h/d\"", &environment).unwrap();
    assert_eq!(config.database_config().unwrap().get_password(), Some("hunter2".as_bytes()));

    let folder = tempfile::tempdir().unwrap();
    let (url, password) = (folder.path().join("url"), folder.path().join("password"));
    std::fs::write(&url, "postgres://u@h/d\n").unwrap();
    std::fs::write(&password, "from a file\n").unwrap();
    let text =
        format!("[database]\nurl_file = '{}'\npassword_file = '{}'", url.display(), password.display());
    let config = Config::parse(&text, &environment).unwrap();
    assert_eq!(config.database_config().unwrap().get_password(), Some("from a file".as_bytes()));
}

#[test]
fn generated_reference_is_up_to_date() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (name, expected) in [("config.md", markdown_reference()), ("config.schema.json", schema_json())] {
        let found = std::fs::read_to_string(docs.join(name)).unwrap_or_default();
        assert!(found == expected, "docs/{name} differs: run `rastro config-reference --out docs`");
    }
}

#[test]
fn reference_names_every_key_of_the_contract() {
    let page = markdown_reference();
    for word in [
        "`listen`",
        "`[database]`",
        "`[[subject.related]]`",
        "`grace`",
        "`[[group]]`",
        "`durability`",
        "`held_bytes_max`",
        "`require`",
    ] {
        assert!(page.contains(word), "{word}");
    }
}
