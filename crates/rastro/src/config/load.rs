use std::fmt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::{Config, Secret};

/// Problems reported at most; past them the file is another kind of file.
const PROBLEMS_MAX: usize = 50;

/// One thing wrong with a configuration.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Problem {
    /// Line of the file, from 1.
    pub(crate) line: Option<usize>,
    /// What is wrong, with the value in backticks.
    pub(crate) what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration `{}`", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// The file is read, and wrong.
    #[error("configuration `{}` is not valid: {}", path.display(), join(problems))]
    Invalid { path: PathBuf, problems: Vec<Problem> },
}

fn join(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; ")
}

impl Config {
    /// Reads, resolves secrets and validates. Relative paths stay relative to the current directory.
    ///
    /// # Errors
    /// The file cannot be read; or all the problems found, in the order of their lines.
    pub(crate) fn load(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Config::parse(&text, &|name| std::env::var(name).ok())
            .map_err(|problems| ConfigError::Invalid { path: path.to_owned(), problems })
    }

    /// The same for a text; `environment` gives the values of variables.
    pub(crate) fn parse(
        text: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Config, Vec<Problem>> {
        match Config::parse_all(text, environment) {
            (Some(config), problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(problems),
        }
    }

    /// Returns what could be read, and everything that is wrong, in the order of the lines.
    pub(crate) fn parse_all(
        text: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> (Option<Config>, Vec<Problem>) {
        let (mut config, mut problems) = read_leniently(text);
        if let Some(config) = &mut config {
            let lines = Lines::new(text);
            resolve_secrets(config, environment, &lines, &mut problems);
            let known: Vec<_> = problems.iter().filter_map(|problem| problem.line).collect();
            let mut found = Vec::new();
            config.validate(&lines, &mut found);
            // What stands in for a wrong value is not the file's.
            found.retain(|problem| problem.line.is_none_or(|line| !known.contains(&line)));
            problems.append(&mut found);
        }
        problems.sort();
        problems.dedup();
        (config, problems)
    }
}

/// Values put in the place of a wrong one, so that what comes after it is checked too.
const STAND_INS: [&str; 8] =
    ["\"1h\"", "1", "true", "[]", "{}", "\"1MiB\"", "[\"application_name\"]", "\"strict\""];

/// Reads a text; an unknown key is noted and blanked out, a wrong value noted and replaced, so that the
/// problems after it are found too. A missing key ends the reading.
fn read_leniently(text: &str) -> (Option<Config>, Vec<Problem>) {
    let mut text = text.to_owned();
    let mut problems: Vec<Problem> = Vec::new();
    loop {
        let error = match toml::from_str::<Config>(&text) {
            Ok(config) => return (Some(config), problems),
            Err(error) => error,
        };
        let line = error.span().map(|span| line_at(&text, span.start));
        problems.push(Problem { line, what: one_line(error.message()) });
        let unknown = error.message().starts_with("unknown field");
        let mended = line.filter(|_| DeTable::parse(&text).is_ok()).and_then(|line| {
            if unknown {
                return blank_out(&text, line);
            }
            STAND_INS.iter().find_map(|value| replace_value(&text, line, value))
        });
        match mended {
            Some(mended) if problems.len() < PROBLEMS_MAX => text = mended,
            _ => return (None, problems),
        }
    }
}

/// Replaces the value of `key = value`; `None` if the line is not one, or is still wrong.
fn replace_value(text: &str, line: usize, value: &str) -> Option<String> {
    let at = line.checked_sub(1)?;
    let (key, _) = text.lines().nth(at)?.split_once('=')?;
    let replaced = format!("{key}= {value}");
    let lines = text.lines().enumerate();
    let lines: Vec<&str> = lines.map(|(index, old)| if index == at { &replaced } else { old }).collect();
    let mended = lines.join("\n");
    let still_wrong = match toml::from_str::<Config>(&mended) {
        Ok(_) => false,
        Err(error) => error.span().is_none_or(|span| line_at(&mended, span.start) == line),
    };
    (!still_wrong && DeTable::parse(&mended).is_ok()).then_some(mended)
}

/// Empties a line, or, if it is the header of a table, all lines of the table. Keeps the line count.
/// `None` if what is left is no longer TOML.
fn blank_out(text: &str, line: usize) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let start = line.checked_sub(1)?;
    let header = lines.get(start)?.trim_start().starts_with('[');
    let length = if header {
        1 + lines.iter().skip(line).take_while(|line| !line.trim_start().starts_with('[')).count()
    } else {
        1
    };
    let without: Vec<&str> = lines
        .iter()
        .enumerate()
        .map(|(index, line)| if (start..start + length).contains(&index) { "" } else { *line })
        .collect();
    let without = without.join("\n");
    (without != text.trim_end_matches('\n') && DeTable::parse(&without).is_ok()).then_some(without)
}

/// Serde's and TOML's messages, without line breaks and without the text of the file.
fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ")
}

fn line_at(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or(text).matches('\n').count() + 1
}

/// Finds the line of a value by its path.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    root: Option<toml::Spanned<DeTable<'t>>>,
}

/// One step of a path.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'p> {
    Key(&'p str),
    Index(usize),
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Lines<'t> {
        Lines { text, root: DeTable::parse(text).ok() }
    }

    /// Returns the line of the value at `path`, or of the nearest thing around it.
    pub(super) fn of(&self, path: &[Step<'_>]) -> Option<usize> {
        let mut table = self.root.as_ref().map(|root| root.get_ref());
        let mut value: Option<&DeValue<'_>> = None;
        let mut line = None;
        for step in path {
            let next = match step {
                Step::Key(key) => table.and_then(|table| table.get(*key)),
                Step::Index(index) => value.and_then(DeValue::as_array).and_then(|array| array.get(*index)),
            };
            let Some(next) = next else { break };
            line = Some(line_at(self.text, next.span().start));
            value = Some(next.get_ref());
            table = value.and_then(DeValue::as_table);
        }
        line
    }
}

fn resolve_secrets(
    config: &mut Config,
    environment: &dyn Fn(&str) -> Option<String>,
    lines: &Lines<'_>,
    problems: &mut Vec<Problem>,
) {
    let database = &mut config.database;
    let at = |key| lines.of(&[Step::Key("database"), Step::Key(key)]);
    let mut note = |key, what: String| problems.push(Problem { line: at(key), what });
    if let Some(path) = &database.url_file {
        if !database.url.reveal().is_empty() {
            note("url_file", "`url` and `url_file` exclude each other".to_owned());
        }
        match std::fs::read_to_string(path) {
            Ok(text) => database.url = Secret::new(text.trim()),
            Err(error) => note("url_file", format!("cannot read `{}`: {error}", path.display())),
        }
    } else {
        match expand(database.url.reveal(), environment) {
            Ok(text) => database.url = Secret::new(text),
            Err(what) => note("url", what),
        }
    }
}

/// Replaces `${NAME}` by the variable's value. A missing variable is an error, not nothing.
fn expand(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or("`${` without `}`")?;
        expanded.push_str(before);
        let value = environment(name).ok_or_else(|| format!("environment variable `{name}` is not set"))?;
        expanded.push_str(&value);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}
