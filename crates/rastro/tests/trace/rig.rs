use std::path::PathBuf;
use std::process::{Command, Output};

/// A directory of files, and the program to run on them.
pub struct Rig {
    folder: tempfile::TempDir,
}

/// What a run of the program gave.
pub struct Answer {
    pub status: Option<i32>,
    pub out: String,
    pub complaint: String,
}

impl Rig {
    pub fn new() -> Rig {
        Rig { folder: tempfile::Builder::new().prefix("rastro-trace-").tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// Runs `rastro` in the directory.
    pub fn run(&self, arguments: &[&str]) -> Answer {
        let program = std::env::var_os("RASTRO_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_rastro").into());
        let Output { status, stdout, stderr } =
            Command::new(program).args(arguments).current_dir(self.folder.path()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Answer { status: status.code(), out: text(stdout), complaint: text(stderr) }
    }

    /// Runs `rastro` and returns the lines of its output, each one object.
    pub fn objects(&self, arguments: &[&str]) -> Vec<serde_json::Value> {
        let answer = self.run(arguments);
        assert_eq!(answer.status, Some(0), "{arguments:?}: {}", answer.complaint);
        assert_eq!(answer.complaint, "", "{arguments:?}");
        answer.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Traces and returns the answer for programs.
    pub fn trace(&self, arguments: &[&str]) -> serde_json::Value {
        let all = [&["trace", "--victims", "victims.csv", "--format", "json"], arguments].concat();
        let mut objects = self.objects(&all);
        assert_eq!(objects.len(), 1);
        objects.remove(0)
    }
}

/// Checks that an answer has the shape of CONTRACT.md and that its probabilities sum to 1.
#[track_caller]
pub fn check_shape(answer: &serde_json::Value) {
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    let mut sum = number(&answer["unknown_route"]);
    for account in answer["accounts"].as_array().unwrap() {
        sum += number(&account["probability"]);
        assert!(account["principal"].is_string() && account["log10_bayes_factor"].is_number(), "{account}");
        assert!(account["victims_seen"].is_u64() && account["exposed"].is_u64(), "{account}");
        assert!(account.get("first").is_some() && account.get("last").is_some(), "{account}");
    }
    for population in answer["populations"].as_array().unwrap() {
        sum += number(&population["probability"]);
        assert!(population["name"].is_string() && population["holders"].is_array(), "{population}");
    }
    assert!((sum - 1.0).abs() < 1e-6, "probabilities sum to {sum}");
    assert!(answer["victims"].is_u64() && answer["caveats"].is_array());
    let window = &answer["window"];
    assert!(window.is_null() || (window["from"].is_string() && window["until"].is_string()), "{window}");
}

/// Returns whether some caveat holds `part`.
pub fn has_caveat(answer: &serde_json::Value, part: &str) -> bool {
    answer["caveats"].as_array().unwrap().iter().any(|caveat| caveat.as_str().unwrap().contains(part))
}
