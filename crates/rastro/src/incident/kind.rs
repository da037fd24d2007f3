//! Which kind of subject an investigation is about.

use anyhow::{Context, bail};
use rastro_intake::{Report, VictimName};

use crate::config::{Config, Subject};

/// Returns the kind that reports are about: the one `asked` for, or the first that has all the fields by which
/// victims are named.
///
/// # Errors
/// There is no such kind.
pub(crate) fn kind_of<'a>(
    config: &'a Config,
    asked: Option<&str>,
    reports: &[Report],
) -> anyhow::Result<&'a Subject> {
    let Some(asked) = asked else {
        let names = |subject: &&Subject| {
            reports.iter().all(|report| match &report.name {
                VictimName::Subject(_) => true,
                VictimName::Field { field, .. } => subject.field_names().any(|name| name == *field),
            })
        };
        let named = config.subject.iter().find(names).or_else(|| config.subject.first());
        return named.context("the configuration has no [[subject]]");
    };
    let Some(subject) = config.subject.iter().find(|subject| subject.name == asked) else {
        let all: Vec<&str> = config.subject.iter().map(|subject| subject.name.as_str()).collect();
        bail!("the configuration has no [[subject]] `{asked}`, only `{}`", all.join("`, `"));
    };
    Ok(subject)
}

/// Says what was taken for granted: that victims are of kind `taken`, of several that there are.
pub(crate) fn kind_caveat(kinds: usize, asked: Option<&str>, taken: &str) -> Option<String> {
    (kinds > 1 && asked.is_none())
        .then(|| format!("victims are taken for subjects of kind `{taken}`; --kind names another"))
}
