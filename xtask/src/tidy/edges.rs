use super::Report;

/// Which crates of the workspace a crate may use: the layers of ARCHITECTURE.md.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("wire", &[]),
    ("sim", &[]),
    ("bench", &["sim"]),
    ("tracebench", &["sim", "model", "ledger", "trace"]),
    ("ledgerbench", &["sim", "model", "ledger", "archive"]),
    ("attribution", &["model", "wire"]),
    ("ledger", &["model"]),
    ("archive", &["model", "ledger"]),
    ("detect", &["model"]),
    ("intake", &["model"]),
    ("trace", &["model", "ledger"]),
    ("console", &["model", "ledger", "archive", "detect", "trace"]),
    (
        "rastro",
        &["model", "wire", "attribution", "ledger", "archive", "detect", "intake", "trace", "console", "sim"],
    ),
];

/// Checks one member's manifest: its edges to other members, and that it inherits the workspace's lints.
pub(super) fn check(name: &str, text: &str, report: &mut Report) {
    let mut section = "";
    let mut inherits_lints = false;
    let member = name.strip_prefix("crates/").and_then(|rest| rest.split('/').next());
    for line in text.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
        } else if section == "lints" && line.replace(' ', "") == "workspace=true" {
            inherits_lints = true;
        } else if section.ends_with("dependencies")
            && let Some(used) = line.strip_prefix("rastro-")
        {
            let used = used.split(['.', ' ', '=']).next().unwrap_or_default();
            check_edge(name, member, used, section == "dev-dependencies", report);
        }
    }
    if !inherits_lints {
        report
            .faults
            .push(format!("{name}: does not inherit the workspace's lints (`[lints] workspace = true`)"));
    }
}

fn check_edge(name: &str, member: Option<&str>, used: &str, for_tests: bool, report: &mut Report) {
    // Tests of any crate may start a scratch cluster.
    if for_tests && used == "sim" {
        return;
    }
    let Some(member) = member else { return };
    match ALLOWED.iter().find(|(allowed, _)| *allowed == member) {
        Some((_, uses)) if uses.contains(&used) => {}
        Some(_) => report.faults.push(format!("{name}: `{member}` must not use `{used}`")),
        None => report.faults.push(format!("{name}: crate `{member}` has no layer in xtask's list")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(name: &str, text: &str) -> Vec<String> {
        let mut report = Report::default();
        check(name, text, &mut report);
        report.faults
    }

    const LINTS: &str = "[lints]\nworkspace = true\n";

    #[test]
    fn edge_upward_is_a_fault_and_edge_downward_is_not() {
        let upward = format!("{LINTS}[dependencies]\nrastro-model.workspace = true\n");
        assert_eq!(
            faults("crates/wire/Cargo.toml", &upward),
            ["crates/wire/Cargo.toml: `wire` must not use `model`"]
        );
        assert_eq!(faults("crates/ledger/Cargo.toml", &upward), [""; 0]);
        let inline = format!("{LINTS}[dependencies]\nrastro-wire = {{ path = \"../wire\" }}\n");
        assert_eq!(faults("crates/detect/Cargo.toml", &inline).len(), 1);
    }

    #[test]
    fn test_dependency_on_the_simulator_is_allowed_to_all() {
        let text = format!("{LINTS}[dev-dependencies]\nrastro-sim.workspace = true\n");
        assert_eq!(faults("crates/wire/Cargo.toml", &text), [""; 0]);
    }

    #[test]
    fn unknown_crate_and_missing_lints_are_faults() {
        let text = "[dependencies]\nrastro-model.workspace = true\n";
        assert_eq!(faults("crates/extra/Cargo.toml", text).len(), 2);
    }
}
