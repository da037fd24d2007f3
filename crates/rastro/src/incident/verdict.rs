use rastro_intake::FieldNames;
use rastro_model::Timestamp;
use rastro_trace::{Mark, Trace};

/// From this probability on an account is named.
pub(crate) const NAMED_FROM: f64 = 0.95;
/// From this probability on a route is called likely.
const LIKELY_FROM: f64 = 0.5;

/// What can be said, in one sentence and for programs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Verdict {
    /// The accounts that are named; empty if none is.
    pub(crate) named: Vec<String>,
    /// One sentence.
    pub(crate) sentence: String,
}

/// Says what a trace comes to.
pub(crate) fn verdict(trace: &Trace) -> Verdict {
    let named: Vec<String> = trace
        .accounts
        .iter()
        .filter(|account| account.involved >= NAMED_FROM)
        .map(|account| account.principal.to_string())
        .collect();
    let sentence = if named.is_empty() { unnamed(trace) } else { naming(trace, &named) };
    Verdict { named, sentence }
}

fn naming(trace: &Trace, named: &[String]) -> String {
    let lowest = trace
        .accounts
        .iter()
        .filter(|account| account.involved >= NAMED_FROM)
        .map(|account| account.involved)
        .fold(1.0, f64::min);
    match named {
        [one] => format!("The data left through the account `{one}` (probability {}).", percent(lowest)),
        several => format!(
            "The data left through the accounts `{}` together (probability {} each).",
            several.join("`, `"),
            percent(lowest)
        ),
    }
}

fn unnamed(trace: &Trace) -> String {
    let population = trace.populations.first();
    let account = trace.accounts.first();
    let nobody = trace.unknown_route;
    let crowd = population.map_or(0.0, |population| population.probability);
    let first = account.map_or(0.0, |account| account.involved);
    if trace.victims == 0 {
        return "No victims: no account can be named.".to_owned();
    }
    if crowd >= LIKELY_FROM
        && let Some(population) = population
    {
        let holders: Vec<&str> = population.holders.iter().take(5).map(|holder| holder.as_str()).collect();
        let held =
            if holders.is_empty() { String::new() } else { format!(", held by `{}`", holders.join("`, `")) };
        return format!(
            "No account is named: the data came from {} as a whole (probability {}){held}.",
            population.name,
            percent(crowd)
        );
    }
    if nobody >= LIKELY_FROM {
        return format!(
            "No account is named: no recorded account explains these reports (probability {}).",
            percent(nobody)
        );
    }
    match account {
        Some(account) if first >= LIKELY_FROM => format!(
            "No account is named yet: `{}` is the most probable ({}), below the {} it takes.",
            account.principal,
            percent(first),
            percent(NAMED_FROM)
        ),
        Some(account) => format!(
            "No account is named: several routes are possible, `{}` first with {}.",
            account.principal,
            percent(first)
        ),
        None => "No account is named: the record holds none.".to_owned(),
    }
}

/// Says of which victims a part of the reports is: "whose callers knew `phone`".
pub(crate) fn told_apart(mark: Mark, fields: &FieldNames) -> String {
    let name = |field: usize| fields.names().get(field).cloned().unwrap_or_else(|| field.to_string());
    let day = |time: Timestamp| time.to_string().get(..10).unwrap_or_default().to_owned();
    match mark {
        Mark::Known(field) => format!("whose callers knew `{}`", name(field)),
        Mark::NotKnown(field) => format!("whose callers did not know `{}`", name(field)),
        Mark::Before(time) => format!("reported before {}", day(time)),
        Mark::After(time) => format!("reported from {} on", day(time)),
    }
}

/// Prints a probability: never 0 or 100 unless it is.
pub(crate) fn percent(probability: f64) -> String {
    let percent = probability * 100.0;
    match percent {
        p if p <= 0.0 => "0%".to_owned(),
        p if p < 0.01 => "<0.01%".to_owned(),
        p if p < 1.0 => format!("{p:.2}%"),
        p if p < 99.0 => format!("{p:.1}%"),
        p if p < 99.99 => format!("{:.2}%", (p * 100.0).floor() / 100.0),
        p if p < 100.0 => ">99.99%".to_owned(),
        _ => "100%".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rastro_model::Principal;
    use rastro_trace::{AccountScore, PopulationScore};

    fn account(name: &str, probability: f64, involved: f64) -> AccountScore {
        AccountScore {
            principal: Principal::new(name),
            probability,
            involved,
            log10_bayes_factor: 1.0,
            victims_seen: 1,
            exposed: 1,
            first: None,
            last: None,
        }
    }

    fn trace(accounts: Vec<AccountScore>, population: f64, unknown_route: f64) -> Trace {
        let populations = vec![PopulationScore {
            name: "subjects shown to `batch`".into(),
            holders: vec![Principal::new("batch")],
            probability: population,
            victims_seen: 5,
            subjects: 9,
        }];
        Trace { victims: 5, accounts, populations, unknown_route, ..Trace::default() }
    }

    #[test]
    fn verdict_names_only_from_its_threshold_on() {
        for (trace, named, part) in [
            (
                trace(vec![account("ana", 0.97, 0.97)], 0.01, 0.02),
                vec!["ana"],
                "through the account `ana` (probability 97.0%)",
            ),
            (
                trace(vec![account("ana", 0.5, 0.98), account("bo", 0.48, 0.96)], 0.01, 0.01),
                vec!["ana", "bo"],
                "`ana`, `bo` together",
            ),
            (
                trace(vec![account("ana", 0.94, 0.94)], 0.01, 0.05),
                vec![],
                "`ana` is the most probable (94.0%)",
            ),
            (
                trace(vec![account("ana", 0.2, 0.2)], 0.7, 0.1),
                vec![],
                "from subjects shown to `batch` as a whole",
            ),
            (trace(vec![account("ana", 0.2, 0.2)], 0.1, 0.7), vec![], "no recorded account explains"),
            (trace(vec![account("ana", 0.4, 0.4)], 0.3, 0.3), vec![], "several routes are possible"),
            (trace(vec![], 0.3, 0.3), vec![], "the record holds none"),
            (Trace::default(), vec![], "No victims"),
        ] {
            let said = verdict(&trace);
            assert_eq!(said.named, named);
            assert!(said.sentence.contains(part), "{}", said.sentence);
        }
    }

    #[test]
    fn percent_is_never_certain_by_rounding() {
        for (probability, text) in [
            (0.0, "0%"),
            (0.00001, "<0.01%"),
            (0.5, "50.0%"),
            (0.98999, "99.0%"),
            (0.999996, ">99.99%"),
            (0.99989, "99.98%"),
            (1.0, "100%"),
        ] {
            assert_eq!(percent(probability), text);
        }
    }
}
