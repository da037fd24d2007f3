//! Makes a commented rastro.toml of what a survey found.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::survey::{Column, Table};
use super::words;

/// Fields that make a table one of people; a name alone does not.
const TELLING: [&str; 4] = ["email", "phone", "national_id", "birth_date"];

/// Returns the `[database]` section for a url.
pub(super) fn database_section(url: &str) -> String {
    format!("[database]\nurl = {}\n", text(url))
}

/// Returns the whole file.
pub(super) fn propose(url: &str, tables: &[Table]) -> String {
    let mut subjects: Vec<&Table> = tables.iter().filter(|table| is_of_people(table)).collect();
    let all = subjects.clone();
    subjects.retain(|table| parent(table, &all).is_none());
    subjects.sort_by_key(|table| (words::is_staff(&table.name), std::cmp::Reverse(table.rows)));
    let mut file = String::from(
        "# Proposed by `rastro init` from the names and shapes of columns: read every line before use,\n\
         # then run `rastro check`.\n\
         listen   = \"127.0.0.1:6432\"   # clients connect here instead of to the database\n\
         console  = \"127.0.0.1:8432\"\n\
         data_dir = \"rastro-data\"\n\
         mode     = \"observe\"          # record and report; \"enforce\" also cuts at the budgets\n\n",
    );
    file.push_str(
        "# Better a role of its own that may only read; `${NAME}` takes the url from the environment.\n",
    );
    file.push_str(&database_section(url));
    let (mut names, mut reason) = (Vec::new(), None);
    for subject in &subjects {
        let as_comment = words::is_staff(&subject.name);
        let section = subject_section(subject, tables, &mut names, as_comment);
        file.push_str(&section);
        if !as_comment && reason.is_none() {
            reason = tables.iter().find_map(|table| reason_query(table, subject));
        }
    }
    if subjects.is_empty() {
        file.push_str(
            "\n# No table looks personal. Name yours:\n# [[subject]]\n# name   = \"customer\"\n\
             # table  = \"public.customers\"\n# key    = \"id\"\n# fields = { email = \"email\" }\n",
        );
    }
    file.push_str(&reason_section(reason.as_deref()));
    let unexplained =
        if reason.is_some() { "unexplained = 50\n" } else { "# unexplained = 50   # needs [reason]\n" };
    let _ = write!(
        file,
        "\n# Distinct subjects per principal; find your own numbers in observe mode.\n\
         [[budget]]\nprincipals  = [\"*\"]\nwindow      = \"24h\"\n{unexplained}total       = 1000\n\n\
         # The person behind a login that many people share.\n# [identity]\n# logins  = [\"helpdesk_app\"]\n\
         # sources = [\"sqlcommenter:user\", \"setting:rastro.principal\", \"application_name\"]\n\n\
         [ledger]\ndurability = \"strict\"\n"
    );
    file
}

fn is_of_people(table: &Table) -> bool {
    let fields = || table.columns.iter().filter_map(|column| column.field);
    let names = fields().filter(|field| *field == "name").count();
    table.key.is_some() && (fields().any(|field| TELLING.contains(&field)) || names >= 2)
}

/// Returns the table of people that `table` belongs to, if it has such a foreign key.
fn parent<'t>(table: &Table, people: &[&'t Table]) -> Option<&'t Table> {
    people.iter().copied().find(|other| {
        !std::ptr::eq(*other, table) && !words::is_staff(&other.name) && key_to(table, other).is_some()
    })
}

/// Returns the column of `table` that holds the key of `subject`.
fn key_to<'t>(table: &'t Table, subject: &Table) -> Option<&'t str> {
    let to_key = table.references.iter().find(|reference| {
        reference.schema == subject.schema
            && reference.table == subject.name
            && Some(&reference.target) == subject.key.as_ref()
    });
    to_key.map(|reference| reference.column.as_str())
}

fn subject_section(subject: &Table, tables: &[Table], names: &mut Vec<String>, as_comment: bool) -> String {
    let key = subject.key.as_deref().unwrap_or("id");
    let mut name = singular(&subject.name);
    while names.contains(&name) {
        name.push_str("_2");
    }
    names.push(name.clone());
    let mut section = format!(
        "[[subject]]\nname    = {}\ntable   = {}\nkey     = {}\nfields  = {}\n",
        text(&name),
        text(&qualified(subject)),
        text(key),
        fields(subject.columns.iter().filter(|column| column.name != key)),
    );
    let cohorts =
        subject.columns.iter().filter(|column| column.field.is_none() && words::is_cohort(&column.name));
    let cohorts: Vec<String> = cohorts.map(|column| text(&column.name)).collect();
    if !cohorts.is_empty() {
        let _ = writeln!(section, "cohorts = [{}]", cohorts.join(", "));
    }
    for table in tables.iter().filter(|table| !std::ptr::eq(*table, subject)) {
        let Some(key) = key_to(table, subject) else { continue };
        let found: Vec<Column> = related_columns(table, key);
        if !found.is_empty() {
            let _ = write!(
                section,
                "  [[subject.related]]\n  table  = {}\n  key    = {}\n  fields = {}\n",
                text(&qualified(table)),
                text(key),
                fields(found.iter()),
            );
        }
    }
    if as_comment {
        let lines: String = section.lines().map(|line| format!("# {line}\n")).collect();
        return format!(
            "\n# These seem to be your own people; protect them too by removing the `#`.\n{lines}"
        );
    }
    match subject.rows {
        0 => format!("\n{section}"),
        rows => format!("\n# About {rows} rows.\n{section}"),
    }
}

/// Columns of a related table that hold fields, ticket numbers among them.
fn related_columns(table: &Table, key: &str) -> Vec<Column> {
    let of_column = |column: &Column| {
        let ticket = words::is_ticket_number(&column.name, &table.name).then_some("ticket");
        // In a table that is not of people, `name` names something else.
        let named = column.field.filter(|field| *field != "name" || is_of_people(table));
        Some(Column { field: Some(ticket.or(named)?), ..column.clone() })
    };
    table.columns.iter().filter(|column| column.name != key).filter_map(of_column).collect()
}

/// Returns `{ field = "column", … }`; a second column of a field gets a number.
fn fields<'c>(columns: impl Iterator<Item = &'c Column>) -> String {
    let mut pairs: BTreeMap<String, &str> = BTreeMap::new();
    for column in columns {
        let Some(field) = column.field else { continue };
        let free = (1..100u32).map(|n| if n == 1 { field.to_owned() } else { format!("{field}_{n}") });
        if let Some(field) = free.into_iter().find(|field| !pairs.contains_key(field)) {
            pairs.insert(field, &column.name);
        }
    }
    let pairs: Vec<String> =
        pairs.iter().map(|(field, column)| format!("{field} = {}", text(column))).collect();
    format!("{{ {} }}", pairs.join(", "))
}

/// Returns a query for open tickets, if the table has what it takes.
fn reason_query(table: &Table, subject: &Table) -> Option<String> {
    let key = key_to(table, subject)?;
    let ticket = table.columns.iter().find(|column| words::is_ticket_number(&column.name, &table.name))?;
    let assignee = table.columns.iter().find(|column| column.is_text && words::is_assignee(&column.name))?;
    let status = table.columns.iter().find(|column| column.is_text && words::is_status(&column.name));
    let quote = |name: &str| {
        let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
    };
    let (key, ticket, assignee) = (quote(key), quote(&ticket.name), quote(&assignee.name));
    let open = status.map(|status| format!(" AND {} <> 'closed'", quote(&status.name))).unwrap_or_default();
    Some(format!(
        "SELECT {key}::text AS subject, {ticket}::text AS reason FROM {}.{} WHERE {assignee} = $1 AND \
         {key}::text = ANY($2){open}",
        quote(&table.schema),
        quote(&table.name),
    ))
}

fn reason_section(query: Option<&str>) -> String {
    let head = "\n# Why a principal may see subjects: $1 is the principal, $2 a text[] of subject keys.\n";
    match query {
        Some(query) => {
            format!(
                "{head}# Check what assigns a ticket and what closes it.\n[reason]\nquery = {}\ngrace = \"72h\"\n",
                text(query)
            )
        }
        None => format!(
            "{head}# [reason]\n# query = \"SELECT customer_id::text AS subject, ticket_number AS reason FROM tickets \
             WHERE assignee = $1 AND customer_id::text = ANY($2) AND status <> 'closed'\"\n# grace = \"72h\"\n"
        ),
    }
}

fn qualified(table: &Table) -> String {
    format!("{}.{}", table.schema, table.name)
}

fn singular(table: &str) -> String {
    match table.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => table.strip_suffix('s').filter(|stem| !stem.ends_with('s')).unwrap_or(table).to_owned(),
    }
}

/// Returns a TOML string.
fn text(value: &str) -> String {
    toml::Value::String(value.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::init::survey::Reference;
    use crate::config::Config;

    fn table(name: &str, key: &str, columns: &[&str]) -> Table {
        let columns = columns.iter().map(|name| Column {
            name: (*name).to_owned(),
            is_text: !name.ends_with("id"),
            field: words::field_of(name),
        });
        Table {
            schema: "public".into(),
            name: name.into(),
            rows: 10,
            key: Some(key.into()),
            columns: columns.collect(),
            references: Vec::new(),
        }
    }

    fn refers(mut table: Table, column: &str, to: &str) -> Table {
        let (column, to) = (column.to_owned(), to.to_owned());
        table.references.push(Reference { column, schema: "public".into(), table: to, target: "id".into() });
        table
    }

    #[test]
    fn support_database_gives_a_configuration_that_is_accepted() {
        let tables = [
            table("customers", "id", &["id", "name", "email", "phone", "language", "country"]),
            refers(
                table("tickets", "id", &["id", "customer_id", "ticket_number", "assignee", "status"]),
                "customer_id",
                "customers",
            ),
            refers(table("contacts", "id", &["id", "customer_id", "email"]), "customer_id", "customers"),
            table("agents", "id", &["id", "name", "email"]),
            table("products", "id", &["id", "name"]),
        ];
        let file = propose("postgres://u:p\"w@h/d", &tables);
        let config = Config::parse(&file, &|_| None).unwrap_or_else(|found| panic!("{found:?}\n{file}"));
        assert_eq!(config.subject.len(), 1, "{file}");
        let subject = &config.subject[0];
        assert_eq!((subject.name.as_str(), subject.key.as_str()), ("customer", "id"));
        assert_eq!(subject.cohorts, ["language", "country"]);
        assert_eq!(subject.related.len(), 2);
        let tickets = subject.related.iter().find(|related| related.table == "public.tickets").unwrap();
        assert_eq!(tickets.fields.get("ticket").map(String::as_str), Some("ticket_number"));
        assert!(config.reason.unwrap().query.contains("assignee = $1"));
        assert!(file.contains("# table   = \"public.agents\""), "{file}");
        assert!(!file.contains("products"));
    }

    #[test]
    fn database_without_people_gives_a_configuration_that_is_accepted() {
        let file = propose("host=h user=u", &[table("products", "id", &["id", "name"])]);
        assert!(Config::parse(&file, &|_| None).is_ok(), "{file}");
    }

    #[test]
    fn second_column_of_a_field_gets_a_number() {
        let found = table("p", "id", &["first_name", "last_name", "email"]);
        assert_eq!(
            fields(found.columns.iter()),
            "{ email = \"email\", name = \"first_name\", name_2 = \"last_name\" }"
        );
    }
}
