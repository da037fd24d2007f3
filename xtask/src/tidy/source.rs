use super::Report;

const LINES_WARN: usize = 300;
const LINES_MAX: usize = 500;
const VAGUE: &[&str] = &["utils", "util", "common", "helpers", "manager", "data", "misc"];

/// Checks one Rust file: its length, its name, and the one banned word for a person.
pub(super) fn check(name: &str, text: &str, report: &mut Report) {
    let lines = text.lines().count();
    if lines > LINES_MAX {
        report.faults.push(format!("{name}: {lines} lines, at most {LINES_MAX}"));
    } else if lines > LINES_WARN {
        report.warnings.push(format!("{name}: {lines} lines, better at most {LINES_WARN}"));
    }
    if name.ends_with("/mod.rs") {
        report.faults.push(format!("{name}: write `foo.rs` beside `foo/`, not `mod.rs`"));
    }
    for part in name.trim_end_matches(".rs").split('/') {
        if VAGUE.contains(&part) {
            report.faults.push(format!("{name}: `{part}` does not say what is in it"));
        }
    }
    for (number, line) in (1..).zip(text.lines()) {
        let mut words =
            line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            if !matches!(word, "struct" | "enum" | "trait" | "type" | "mod") {
                continue;
            }
            let declares = words.clone().next();
            let starts_line = line.trim_start().starts_with(word) || line.trim_start().starts_with("pub");
            if starts_line && matches!(declares, Some("User" | "user")) {
                report.faults.push(format!("{name}:{number}: `User` is nobody: a login or a principal?"));
            }
            if starts_line && word == "mod" && declares.is_some_and(|module| VAGUE.contains(&module)) {
                report
                    .faults
                    .push(format!("{name}:{number}: module `{}` is vague", declares.unwrap_or_default()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_faults(name: &str, text: &str, expected: &[&str]) {
        let mut report = Report::default();
        check(name, text, &mut report);
        assert_eq!(report.faults.len(), expected.len(), "{:?}", report.faults);
        for (fault, part) in report.faults.iter().zip(expected) {
            assert!(fault.contains(part), "`{fault}` does not hold `{part}`");
        }
    }

    #[test]
    fn long_file_is_a_warning_then_a_fault() {
        let mut report = Report::default();
        check("crates/a/src/b.rs", &"x\n".repeat(LINES_WARN), &mut report);
        assert!(report.warnings.is_empty());
        check("crates/a/src/b.rs", &"x\n".repeat(LINES_WARN + 1), &mut report);
        assert_eq!(report.warnings.len(), 1);
        check_faults("crates/a/src/b.rs", &"x\n".repeat(LINES_MAX + 1), &["501 lines"]);
    }

    #[test]
    fn vague_names_and_mod_rs_are_faults() {
        check_faults("crates/a/src/utils.rs", "", &["`utils`"]);
        check_faults("crates/a/src/b/mod.rs", "", &["mod.rs"]);
        check_faults("crates/a/src/b.rs", "pub(crate) mod helpers;\n", &["`helpers`"]);
        check_faults("crates/a/src/data_row.rs", "mod data_row;\n", &[]);
    }

    #[test]
    fn bare_user_is_a_fault_only_as_a_name_of_ours() {
        check_faults("a.rs", "pub struct User {\n", &["login or a principal"]);
        check_faults("a.rs", "    // a type user of the library\n    struct UserAgent;\n", &[]);
    }
}
