use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;

use rastro_attribution::{FieldNames, RelationName};
use rastro_detect::{BudgetBook, BudgetRule};

use super::load::{Lines, Step};
use super::{Config, Problem, WitnessAddress};
use Step::{Index, Key};

/// PostgreSQL cuts longer names.
const NAME_BYTES_MAX: usize = 63;
/// Kinds of subjects that fit a `KindId`.
const SUBJECTS_MAX: usize = 256;

/// Collects problems with the lines they are in.
struct Notes<'n, 't> {
    lines: &'n Lines<'t>,
    problems: &'n mut Vec<Problem>,
}

impl Notes<'_, '_> {
    fn add(&mut self, path: &[Step<'_>], what: impl Into<String>) {
        self.problems.push(Problem { line: self.lines.of(path), what: what.into() });
    }
}

impl Config {
    /// Adds everything that is wrong to `problems`.
    pub(super) fn validate(&self, lines: &Lines<'_>, problems: &mut Vec<Problem>) {
        let mut notes = Notes { lines, problems };
        self.validate_addresses(&mut notes);
        self.validate_database(&mut notes);
        self.validate_subjects(&mut notes);
        self.validate_budgets(&mut notes);
        self.validate_reason(&mut notes);
        self.validate_bounds(&mut notes);
    }

    /// Returns what is allowed and yet looks like a mistake.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.subject.is_empty() {
            warnings.push("there is no `[[subject]]`: nothing is protected".to_owned());
        }
        if self.reason.is_none() && self.budget.iter().any(|budget| budget.unexplained.is_some()) {
            warnings.push("`unexplained` has no effect without `[reason]`".to_owned());
        }
        if self.budget.is_empty() {
            warnings.push("there is no `[[budget]]`: nobody is cut off".to_owned());
        }
        if self.tls.is_none() && !is_loopback(&self.listen) {
            warnings.push(format!(
                "`listen` is `{}` and there is no `[tls]`: clients are not encrypted",
                self.listen
            ));
        }
        for (index, budget) in self.budget.iter().enumerate() {
            let last = index + 1 == self.budget.len();
            if !last && budget.principals.iter().any(|name| name == "*") {
                warnings.push(format!("budget {} matches everyone: those after it never apply", index + 1));
            }
        }
        warnings
    }

    fn validate_addresses(&self, notes: &mut Notes<'_, '_>) {
        for (key, address) in [("listen", &self.listen), ("console", &self.console)] {
            if !is_address(address) {
                notes.add(&[Key(key)], format!("`{key}` is `{address}`, expected `host:port`"));
            }
        }
        let fixed = !self.listen.ends_with(":0");
        if fixed && self.listen == self.console {
            notes.add(&[Key("console")], format!("`listen` and `console` are both `{}`", self.listen));
        }
        if self.data_dir.as_os_str().is_empty() {
            notes.add(&[Key("data_dir")], "`data_dir` is empty");
        }
    }

    fn validate_database(&self, notes: &mut Notes<'_, '_>) {
        let at = [Key("database"), Key("url")];
        let url = self.database.url.reveal();
        if url.is_empty() {
            if self.database.url_file.is_none() {
                notes.add(&at, "`database.url` is missing");
            }
        } else {
            match url.parse::<tokio_postgres::Config>() {
                Ok(config) if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() => {
                    notes.add(&at, "`database.url` names no host");
                }
                Ok(_) => {}
                Err(_) => notes.add(
                    &at,
                    "`database.url` is not a connection string such as `postgres://role@host:5432/database`",
                ),
            }
        }
        for (key, path) in [
            ("password_file", self.database.password_file.as_ref()),
            ("tls_ca", self.database.tls_ca.as_ref()),
        ] {
            if let Some(path) = path
                && let Err(error) = std::fs::metadata(path)
            {
                notes.add(&[Key("database"), Key(key)], format!("cannot read `{}`: {error}", path.display()));
            }
        }
    }

    fn validate_subjects(&self, notes: &mut Notes<'_, '_>) {
        if self.subject.len() > SUBJECTS_MAX {
            let count = self.subject.len();
            notes.add(&[Key("subject")], format!("{count} subjects, at most {SUBJECTS_MAX} are possible"));
        }
        for (index, name) in repeated(self.subject.iter().map(|subject| &subject.name)) {
            notes.add(
                &[Key("subject"), Index(index), Key("name")],
                format!("subject `{name}` is there twice"),
            );
        }
        for (index, subject) in self.subject.iter().enumerate() {
            let at = [Key("subject"), Index(index)];
            if subject.name.trim().is_empty() {
                notes.add(&[at[0], at[1], Key("name")], "a subject has no name");
            }
            check_source(notes, &at, &subject.table, &subject.key, &subject.fields);
            check_identifying(notes, &at, &subject.fields, subject.identifying.as_deref());
            for (other, related) in subject.related.iter().enumerate() {
                let at = [at[0], at[1], Key("related"), Index(other)];
                check_source(notes, &at, &related.table, &related.key, &related.fields);
                check_identifying(notes, &at, &related.fields, related.identifying.as_deref());
            }
            let fields = subject.related.iter().map(|related| related.fields.len()).sum::<usize>();
            if subject.fields.len() + fields == 0 {
                notes.add(&at, format!("subject `{}` has no fields", subject.name));
            }
            for (_, cohort) in repeated(subject.cohorts.iter()) {
                notes.add(&[at[0], at[1], Key("cohorts")], format!("cohort `{cohort}` is there twice"));
            }
        }
        if let Ok(specs) = self.subject_specs()
            && let Err(error) = FieldNames::assign(&specs)
        {
            notes.add(&[Key("subject")], error.to_string());
        }
    }

    fn validate_budgets(&self, notes: &mut Notes<'_, '_>) {
        let groups = self.group_map();
        for (index, name) in repeated(self.group.iter().map(|group| &group.name)) {
            notes.add(&[Key("group"), Index(index), Key("name")], format!("group `{name}` is there twice"));
        }
        for (index, group) in self.group.iter().enumerate() {
            for (member, glob) in group.members.iter().enumerate() {
                if let Err(error) = globset::Glob::new(glob) {
                    let path = [Key("group"), Index(index), Key("members"), Index(member)];
                    notes.add(&path, format!("`{glob}` is not a valid glob: {}", error.kind()));
                }
            }
        }
        for (index, rule) in self.budget_rules().iter().enumerate() {
            let at = |key| [Key("budget"), Index(index), Key(key)];
            if rule.principals.is_empty() {
                notes.add(&at("principals"), "a budget names no principals");
            }
            if rule.total.is_none() && rule.unexplained.is_none() {
                let what = "a budget has neither `total` nor `unexplained`";
                notes.add(&[Key("budget"), Index(index)], what);
            }
            if let (Some(total), Some(unexplained)) = (rule.total, rule.unexplained)
                && unexplained > total
            {
                let what = format!("`unexplained` is {unexplained}, more than `total`, {total}");
                notes.add(&at("unexplained"), what);
            }
            for (name, glob) in rule.principals.iter().enumerate() {
                if let Err(error) = globset::Glob::new(glob) {
                    let path = [Key("budget"), Index(index), Key("principals"), Index(name)];
                    notes.add(&path, format!("`{glob}` is not a valid glob: {}", error.kind()));
                }
            }
            let alone = BudgetRule { principals: Vec::new(), ..rule.clone() };
            if let Err(error) = BudgetBook::new(&[alone], &groups, None) {
                let what = format!("{error}").replacen("budget 1", &format!("budget {}", index + 1), 1);
                notes.add(&at("window"), what);
            }
        }
    }

    fn validate_reason(&self, notes: &mut Notes<'_, '_>) {
        if let Some(reason) = &self.reason {
            for parameter in ["$1", "$2"] {
                if !reason.query.contains(parameter) {
                    let what = format!("`reason.query` does not use `{parameter}`");
                    notes.add(&[Key("reason"), Key("query")], what);
                }
            }
        }
        if !self.identity.logins.is_empty() && self.identity.sources.is_empty() {
            let what = "`identity.logins` is given and `identity.sources` is not: nobody is ever named";
            notes.add(&[Key("identity"), Key("logins")], what);
        }
    }

    fn validate_bounds(&self, notes: &mut Notes<'_, '_>) {
        let gateway = &self.gateway;
        let mut bound = |key, value: u64, least: u64, most: u64| {
            if value < least || value > most {
                let what = format!("`{key}` is {value}, expected {least} to {most}");
                notes.add(&[Key("gateway"), Key(key)], what);
            }
        };
        bound("session_limit", u64::from(gateway.session_limit), 1, 1_000_000);
        bound("worker_threads", u64::from(gateway.worker_threads.unwrap_or(1)), 1, 1_024);
        bound("row_bytes_max", gateway.row_bytes_max.0, 1 << 10, 1 << 31);
        bound("held_bytes_max", gateway.held_bytes_max.0, 1 << 16, 1 << 30);
        if self.values.poll.0 < std::time::Duration::from_millis(100) {
            notes.add(&[Key("values"), Key("poll")], "`values.poll` is shorter than 100ms");
        }
        let publication = self.values.publication.len();
        if !(1..=NAME_BYTES_MAX).contains(&publication) {
            let what =
                format!("`values.publication` has {publication} bytes, expected 1 to {NAME_BYTES_MAX}");
            notes.add(&[Key("values"), Key("publication")], what);
        }
        let store = &self.ledger.store;
        let is_remote = store.starts_with("s3://");
        if store != "file" && !(is_remote && cfg!(feature = "s3")) {
            let why = if is_remote {
                "this program was built without the feature `s3`"
            } else {
                "expected `file` or `s3://bucket/prefix`"
            };
            let what = format!("`ledger.store` is `{store}`, {why}");
            notes.add(&[Key("ledger"), Key("store")], what);
        }
        for text in &self.ledger.witnesses {
            if let Err(what) = text.parse::<WitnessAddress>() {
                notes.add(&[Key("ledger"), Key("witnesses")], what);
            }
        }
    }
}

fn check_source(
    notes: &mut Notes<'_, '_>,
    at: &[Step<'_>],
    table: &str,
    key: &str,
    fields: &BTreeMap<String, String>,
) {
    let with = |key| at.iter().copied().chain([Key(key)]).collect::<Vec<_>>();
    if let Err(error) = table.parse::<RelationName>() {
        notes.add(&with("table"), error.to_string());
    }
    if key.is_empty() {
        notes.add(&with("key"), format!("the key of `{table}` is empty"));
    }
    for (field, column) in fields {
        let path: Vec<_> = with("fields").into_iter().chain([Key(field)]).collect();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if field.is_empty() || !field.chars().all(plain) {
            notes.add(&path, format!("field `{field}` is not in lower-case letters, digits and `_`"));
        }
        if column.is_empty() {
            notes.add(&path, format!("field `{field}` names no column"));
        }
    }
}

fn check_identifying(
    notes: &mut Notes<'_, '_>,
    at: &[Step<'_>],
    fields: &BTreeMap<String, String>,
    identifying: Option<&[String]>,
) {
    for name in identifying.into_iter().flatten().filter(|name| !fields.contains_key(*name)) {
        let path: Vec<_> = at.iter().copied().chain([Key("identifying")]).collect();
        notes.add(&path, format!("`identifying` names `{name}`, which is no field of the table"));
    }
}

fn repeated<T: Eq + Hash + Copy>(items: impl Iterator<Item = T>) -> Vec<(usize, T)> {
    let mut seen = HashSet::new();
    items.enumerate().filter(|(_, item)| !seen.insert(*item)).collect()
}

fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
