//! Techniques as text: `-- technique: NAME | shows: … | subjects: …` and the statements below it.

use std::path::{Path, PathBuf};

/// What the client is made to see of its subjects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shows {
    /// Whole values, whatever is around them.
    Plain,
    /// Parts, disguises, or answers about the values.
    Derived,
    /// Nothing of anyone.
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// psql: simple queries.
    Simple,
    /// Prepared statements, results in binary.
    Extended,
}

#[derive(Debug)]
pub struct Technique {
    pub name: String,
    pub family: String,
    pub shows: Shows,
    /// A query for the keys of those shown; empty if nobody is.
    pub truth: String,
    pub protocol: Protocol,
    pub is_superuser: bool,
    /// Whether an error is part of it.
    pub fails: bool,
    pub script: String,
}

/// Reads every family of `directory`, in the order of their names.
pub fn read_all(directory: &Path) -> Vec<Technique> {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "sql")).collect();
    files.sort();
    let mut techniques = Vec::new();
    for file in files {
        let family = file.file_stem().unwrap().to_string_lossy().replace('_', " ");
        techniques.extend(parse(&family, &std::fs::read_to_string(&file).unwrap()));
    }
    techniques
}

fn parse(family: &str, text: &str) -> Vec<Technique> {
    let mut techniques: Vec<Technique> = Vec::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("-- technique:") {
            techniques.push(parse_head(family, head));
        } else if let Some(technique) = techniques.last_mut() {
            technique.script += line;
            technique.script.push('\n');
        }
    }
    techniques
}

fn parse_head(family: &str, head: &str) -> Technique {
    let mut parts = head.split(" | ").map(str::trim);
    let mut technique = Technique {
        name: parts.next().unwrap().to_owned(),
        family: family.to_owned(),
        shows: Shows::Nothing,
        truth: String::new(),
        protocol: Protocol::Simple,
        is_superuser: false,
        fails: false,
        script: String::new(),
    };
    let plain_name = technique.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    assert!(plain_name && technique.name.len() < 50, "`{}` must do as the name of a role", technique.name);
    for part in parts {
        match part.split_once(": ").unwrap_or_else(|| panic!("`{part}` of `{head}`")) {
            ("shows", "plain") => technique.shows = Shows::Plain,
            ("shows", "derived") => technique.shows = Shows::Derived,
            ("shows", "nothing") => technique.shows = Shows::Nothing,
            ("subjects", query) => technique.truth = truth_query(query),
            ("protocol", "extended") => technique.protocol = Protocol::Extended,
            ("role", "superuser") => technique.is_superuser = true,
            ("ends", "error") => technique.fails = true,
            _ => panic!("`{part}` of `{head}` means nothing"),
        }
    }
    let nobody = technique.truth.is_empty();
    assert_eq!(nobody, technique.shows == Shows::Nothing, "subjects of `{}`", technique.name);
    technique
}

/// `p 3-9` are the patients registered 3rd to 9th, `f 1-2` employees, `m 1-2` members, `u 1-2` trainers; anything
/// else is SQL already.
fn truth_query(text: &str) -> String {
    let (key, table, number, range) = match text.split_once(' ') {
        Some(("p", range)) => ("codigo", "pacientes", "registo", range),
        Some(("f", range)) => ("matricula", "funcionarios", "registo", range),
        Some(("m", range)) => ("\"Nr\"", "\"Mitglied\"", "lfd", range),
        Some(("u", range)) => ("id", "\"user\"", "n", range),
        _ => return text.to_owned(),
    };
    let (from, to) = range.split_once('-').unwrap();
    format!("SELECT {key}::text FROM {table} WHERE {number} BETWEEN {from} AND {to}")
}

impl Technique {
    /// The login that is its own.
    pub fn login(&self) -> String {
        format!("vermelho_{}", self.name)
    }

    /// Returns its statements; one ends with a line that ends with `;` outside of `$$`.
    pub fn statements(&self) -> Vec<String> {
        let mut statements = vec![String::new()];
        for line in self.script.lines() {
            let last = statements.last_mut().unwrap();
            last.push_str(line);
            last.push('\n');
            if line.trim_end().ends_with(';') && last.matches("$$").count() % 2 == 0 {
                statements.push(String::new());
            }
        }
        statements.retain(|statement| !statement.trim().is_empty());
        statements
    }
}
