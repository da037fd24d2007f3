use super::Report;

/// What a path of this repository begins with; anything else in backticks may mean something else.
const PLACES: &[&str] = &[
    "crates/", "docs/", "fuzz/", "xtask/", "tests/", "src/", "benches/", ".ci/", ".config/", "./", "scripts/",
];

/// Checks that the repository's paths named in backticks are there; `exists` answers for one path.
pub(super) fn check(name: &str, text: &str, exists: impl Fn(&str) -> bool, report: &mut Report) {
    let mut in_block = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
            continue;
        }
        if in_block {
            continue;
        }
        for quoted in line.split('`').skip(1).step_by(2) {
            for path in expand(quoted) {
                if !exists(path.trim_start_matches("./")) {
                    report.faults.push(format!("{name}:{number}: `{path}` does not exist"));
                }
            }
        }
    }
}

/// Returns the paths a quoted text stands for: none for what is not a path of ours; `a/{b,c}.rs` is two.
fn expand(quoted: &str) -> Vec<String> {
    let word = quoted.split([' ', ':']).next().unwrap_or_default();
    let looks_like_ours = PLACES.iter().any(|place| word.starts_with(place)) && word.len() > 2;
    // Patterns and placeholders name no one file.
    if !looks_like_ours || word.contains(['*', '<', '…', '$', '|']) {
        return Vec::new();
    }
    match word.split_once('{').and_then(|(head, rest)| Some((head, rest.split_once('}')?))) {
        Some((head, (choices, tail))) => choices.split(',').map(|c| format!("{head}{c}{tail}")).collect(),
        None => vec![word.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(text: &str) -> Vec<String> {
        let mut report = Report::default();
        check(
            "README.md",
            text,
            |path| matches!(path, "docs/real.md" | "demo" | "crates/a/src"),
            &mut report,
        );
        report.faults
    }

    #[test]
    fn path_that_is_gone_is_a_fault() {
        assert_eq!(
            missing("see `docs/real.md` and `docs/gone.md`"),
            ["README.md:1: `docs/gone.md` does not exist"]
        );
        assert_eq!(missing("`./demo --json` but not `./gone --json`").len(), 1);
        assert_eq!(missing("`crates/{a,b}/src`"), ["README.md:1: `crates/b/src` does not exist"]);
    }

    #[test]
    fn what_is_no_path_of_ours_is_left_alone() {
        assert!(missing("`/etc/hosts` `cargo test` `docs/*.md` `SELECT 1` `./`").is_empty());
        assert!(missing("```\n`docs/gone.md`\n```").is_empty());
    }
}
