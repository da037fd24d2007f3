use std::collections::HashMap;

use anyhow::ensure;
use rastro_intake::{FieldNames, Report, VictimName};
use rastro_model::SubjectKey;
use rastro_trace::{Interval, Victim};

use super::Guarded;

/// Reports whose subjects are known: key as text, and the report.
#[derive(Debug, Default)]
pub(crate) struct Reported {
    pub(crate) reports: Vec<(String, Report)>,
    pub(crate) caveats: Vec<String>,
}

/// Finds out whom each report is about, asking the guarded database for those that give an e-mail, a phone
/// or a ticket number.
///
/// # Errors
/// There is no database to ask, or it does not answer.
pub(crate) fn settle_reports(reports: Vec<Report>, guarded: Option<&Guarded>) -> anyhow::Result<Reported> {
    let found = find_named(&reports, guarded)?;
    let mut reported = Reported::default();
    let (mut unknown, mut shared) = (0, 0);
    for report in reports {
        let subject = match &report.name {
            VictimName::Subject(subject) => subject.clone(),
            VictimName::Field { field, value } => {
                match found.get(&(*field, value.clone())).map(Vec::as_slice).unwrap_or_default() {
                    [subject] => subject.clone(),
                    [] => {
                        unknown += 1;
                        continue;
                    }
                    _ => {
                        shared += 1;
                        continue;
                    }
                }
            }
        };
        reported.reports.push((subject, report));
    }
    if unknown > 0 {
        reported.caveats.push(format!("{unknown} victims are not in the guarded database and are left out"));
    }
    if shared > 0 {
        reported.caveats.push(format!("{shared} victims share their value with others and are left out"));
    }
    let timeless = reported.reports.iter().filter(|(_, report)| report.reported_at.is_none()).count();
    if timeless > 0 {
        reported.caveats.push(format!(
            "{timeless} reports have no time: whatever was shown up to the end of the record may explain them"
        ));
    }
    Ok(reported)
}

type Found = HashMap<(&'static str, String), Vec<String>>;

fn find_named(reports: &[Report], guarded: Option<&Guarded>) -> anyhow::Result<Found> {
    let mut asked: HashMap<&'static str, Vec<String>> = HashMap::new();
    for report in reports {
        if let VictimName::Field { field, value } = &report.name {
            asked.entry(*field).or_default().push(value.clone());
        }
    }
    let mut found = Found::new();
    for (field, values) in asked {
        ensure!(
            guarded.is_some(),
            "victims are named by `{field}`: that needs the guarded database, give its configuration with -c"
        );
        if let Some(guarded) = guarded {
            for (value, subject) in guarded.find_subjects(field, &values)? {
                found.entry((field, value)).or_default().push(subject);
            }
        }
    }
    Ok(found)
}

/// Returns the victims of reports, with the fields their callers knew as `fields` numbers them.
///
/// # Errors
/// More than 32 fields are named.
pub(crate) fn victims_of(reports: &[(String, Report)], fields: &FieldNames) -> anyhow::Result<Vec<Victim>> {
    reports
        .iter()
        .map(|(subject, report)| {
            let known = fields.set(report.fields.join(";").as_bytes()).map_err(anyhow::Error::msg)?;
            let current = report.current.map(|(from, until)| Interval { from, until });
            Ok(Victim {
                reported_at: report.reported_at,
                known,
                current,
                ..Victim::new(subject_key(subject))
            })
        })
        .collect()
}

/// Returns the key that a text stands for: the same whether it comes from a file or from the ledger.
pub(crate) fn subject_key(text: &str) -> SubjectKey {
    if let Ok(number) = text.parse::<i64>()
        && number.to_string() == text
    {
        return SubjectKey::Int(number);
    }
    if text.len() == 36
        && let Ok(number) = u128::from_str_radix(&text.replace('-', ""), 16)
    {
        let key = SubjectKey::Uuid(number);
        if key.to_string() == text {
            return key;
        }
    }
    SubjectKey::Text(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_keeps_its_text() {
        for text in
            ["17", "-3", "007", "+5", "9223372036854775808", "a", "", "00112233-4455-6677-8899-aabbccddeeff"]
        {
            assert_eq!(subject_key(text).to_string(), text);
        }
        assert!(matches!(subject_key("17"), SubjectKey::Int(17)));
        assert!(matches!(subject_key("00112233-4455-6677-8899-aabbccddeeff"), SubjectKey::Uuid(_)));
        assert!(matches!(subject_key("007"), SubjectKey::Text(_)));
    }
}
