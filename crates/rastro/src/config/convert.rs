//! The configuration in the terms of the crates that use it.

use std::collections::BTreeMap;

use rastro_attribution::{FieldNames, RelatedSpec, RelationName, SubjectSpec};
use rastro_detect::{BudgetBook, BudgetRule, ReasonSettings, RuleError};
use rastro_model::{FieldSet, KindId};

use super::{Config, DatabaseTls, Mode};

/// A table, and the columns of it whose values may be looked for.
#[derive(Clone, Debug)]
pub(crate) struct ValueSource {
    pub(crate) kind: KindId,
    pub(crate) table: RelationName,
    pub(crate) key: String,
    pub(crate) columns: Vec<(FieldSet, String)>,
    /// The configuration names the columns; otherwise those that prove distinct are taken.
    pub(crate) named: bool,
}

impl ValueSource {
    /// Iterates over the names of all its columns, the key's first.
    pub(crate) fn column_names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.key.as_str()).chain(self.columns.iter().map(|(_, column)| column.as_str()))
    }
}

impl Config {
    /// Returns the protected subjects; position is kind.
    ///
    /// # Errors
    /// A relation name that is not `schema.table`; a validated configuration has none.
    pub(crate) fn subject_specs(&self) -> anyhow::Result<Vec<SubjectSpec>> {
        let pairs = |fields: &BTreeMap<String, String>| {
            fields.iter().map(|(field, column)| (field.clone(), column.clone())).collect::<Vec<_>>()
        };
        let mut specs = Vec::new();
        for subject in &self.subject {
            let mut related = Vec::new();
            for other in &subject.related {
                let table: RelationName = other.table.parse()?;
                related.push(RelatedSpec { table, key: other.key.clone(), fields: pairs(&other.fields) });
            }
            specs.push(SubjectSpec {
                name: subject.name.clone(),
                table: subject.table.parse()?,
                key: subject.key.clone(),
                fields: pairs(&subject.fields),
                related,
                cohorts: subject.cohorts.clone(),
            });
        }
        Ok(specs)
    }

    /// Returns the columns of each table whose values may be looked for.
    ///
    /// # Errors
    /// As [`Config::subject_specs`]; more fields than there can be.
    pub(crate) fn value_sources(&self) -> anyhow::Result<Vec<ValueSource>> {
        let names = FieldNames::assign(&self.subject_specs()?)?;
        let mut sources = Vec::new();
        for (kind, subject) in (0..=u8::MAX).zip(&self.subject) {
            let own = (&subject.table, &subject.key, &subject.fields, &subject.identifying);
            let related = subject.related.iter().map(|r| (&r.table, &r.key, &r.fields, &r.identifying));
            for (table, key, fields, identifying) in std::iter::once(own).chain(related) {
                let wanted = |field: &String| identifying.as_ref().is_none_or(|list| list.contains(field));
                let columns = fields.iter().filter(|(field, _)| wanted(field));
                sources.push(ValueSource {
                    kind: KindId(kind),
                    table: table.parse()?,
                    key: key.clone(),
                    columns: columns.map(|(field, column)| (names.field(field), column.clone())).collect(),
                    named: identifying.is_some(),
                });
            }
        }
        sources.retain(|source| !source.columns.is_empty());
        Ok(sources)
    }

    /// Returns the budgets of all principals, empty.
    ///
    /// # Errors
    /// An invalid glob or window; a validated configuration has none.
    pub(crate) fn budget_book(&self) -> Result<BudgetBook, RuleError> {
        let reasons = self.reason.as_ref().map(|reason| ReasonSettings { grace: reason.grace.0 });
        BudgetBook::new(&self.budget_rules(), &self.group_map(), reasons)
    }

    pub(super) fn budget_rules(&self) -> Vec<BudgetRule> {
        let rules = self.budget.iter().map(|budget| BudgetRule {
            principals: budget.principals.clone(),
            window: budget.window.0,
            unexplained: budget.unexplained,
            total: budget.total,
        });
        rules.collect()
    }

    pub(super) fn group_map(&self) -> BTreeMap<String, Vec<String>> {
        self.group.iter().map(|group| (group.name.clone(), group.members.clone())).collect()
    }

    /// Returns where Rastro's own connections go, with the password of `password_file`.
    ///
    /// # Errors
    /// An invalid url (the message does not repeat it); a password file that cannot be read.
    pub(crate) fn database_config(&self) -> anyhow::Result<tokio_postgres::Config> {
        let parsed = self.database.url.reveal().parse::<tokio_postgres::Config>();
        let mut config =
            parsed.map_err(|_| anyhow::anyhow!("`database.url` is not a valid connection string"))?;
        if let Some(path) = &self.database.password_file {
            let password = std::fs::read_to_string(path)
                .map_err(|error| anyhow::anyhow!("cannot read `{}`: {error}", path.display()))?;
            config.password(password.trim_end_matches(['\r', '\n']));
        }
        if config.get_application_name().is_none() {
            config.application_name("rastro");
        }
        Ok(config)
    }
}

impl From<DatabaseTls> for rastro_wire::TlsMode {
    fn from(tls: DatabaseTls) -> rastro_wire::TlsMode {
        match tls {
            DatabaseTls::Disable => rastro_wire::TlsMode::Disable,
            DatabaseTls::Prefer => rastro_wire::TlsMode::Prefer,
            DatabaseTls::Require => rastro_wire::TlsMode::Require,
            DatabaseTls::VerifyFull => rastro_wire::TlsMode::VerifyFull,
        }
    }
}

impl From<Mode> for rastro_detect::Mode {
    fn from(mode: Mode) -> rastro_detect::Mode {
        match mode {
            Mode::Enforce => rastro_detect::Mode::Enforce,
            Mode::Observe => rastro_detect::Mode::Observe,
        }
    }
}
