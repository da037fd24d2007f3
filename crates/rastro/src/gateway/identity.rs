//! The person behind a session: its login, or, for shared logins, who the application says it acts for.

use std::collections::VecDeque;
use std::sync::Arc;

use rastro_attribution::statement::{Normalised, SettingValue, StatementKind};
use rastro_model::Login;
use rastro_wire::Startup;

use crate::config::IdentitySource;

/// What of a statement's text decides who it is for.
#[derive(Clone, Debug, Default)]
pub(super) struct IdentityFacts {
    tags: Vec<(usize, Box<str>)>,
    changes: Vec<Change>,
    // Several statements: which of them ran is known at their end only.
    several: bool,
    // What it sets cannot be told, or not for which of its statements.
    unclear: bool,
}

#[derive(Clone, Debug)]
enum Change {
    Set { source: usize, value: Option<Box<str>>, local: bool },
    Rollback,
}

/// An execution under way that changes settings.
#[derive(Debug)]
struct Pending {
    ordinal: u64,
    facts: IdentityFacts,
    // Some statement of its text completed.
    heard: bool,
}

/// The values that name the person, as the session stands.
#[derive(Debug)]
pub(super) struct Identity {
    sources: Arc<[IdentitySource]>,
    login: Login,
    settings: Vec<SettingState>,
    // In order; while there is one, nobody knows what the settings are.
    pending: VecDeque<Pending>,
    status: u8,
    // Since the last ReadyForQuery.
    changed: bool,
    failed: bool,
}

#[derive(Clone, Debug, Default)]
struct SettingState {
    start: Option<Box<str>>,
    // At the start of the transaction, in the session, and until the transaction's end.
    committed: Option<Box<str>>,
    session: Option<Box<str>>,
    local: Option<Option<Box<str>>>,
}

impl Identity {
    /// `sources` is empty for a login that speaks only for itself.
    pub(super) fn new(sources: Arc<[IdentitySource]>, startup: &Startup) -> Identity {
        let settings = sources
            .iter()
            .map(|source| {
                let start = match source {
                    IdentitySource::Setting(name) => startup.setting(name).map(Box::from),
                    IdentitySource::ApplicationName => startup.parameter("application_name").map(Box::from),
                    IdentitySource::Sqlcommenter(_) => None,
                };
                SettingState { committed: start.clone(), session: start.clone(), start, local: None }
            })
            .collect();
        let login = Login::new(startup.login());
        Identity {
            sources,
            login,
            settings,
            pending: VecDeque::new(),
            status: b'I',
            changed: false,
            failed: false,
        }
    }

    /// Takes from a statement's text what names a person. With `truncated` the text goes on.
    pub(super) fn read(&self, text: &Normalised, truncated: bool) -> IdentityFacts {
        let mut facts = IdentityFacts::default();
        if self.sources.is_empty() {
            return facts;
        }
        let names = |name| {
            let name = text.text_of(name);
            self.sources.iter().position(|source| {
                matches!(source, IdentitySource::Setting(known) if known.as_bytes().eq_ignore_ascii_case(name))
            })
        };
        for (index, source) in self.sources.iter().enumerate() {
            if let IdentitySource::Sqlcommenter(key) = source
                && let Some(value) = text.tag(key)
                && !value.is_empty()
            {
                facts.tags.push((index, String::from_utf8_lossy(value).into()));
            }
        }
        let only_sets = |keyword: &[u8]| {
            matches!(keyword, b"SET" | b"RESET" | b"DISCARD" | b"BEGIN" | b"START" | b"COMMIT" | b"END")
        };
        facts.several = text.statements().len() > 1;
        facts.unclear = truncated || !text.is_complete();
        for statement in text.statements() {
            let keyword = text.text_of(statement.first_keyword);
            let rolls_back = matches!(keyword, b"ROLLBACK" | b"ABORT");
            facts.unclear |= statement.sets_unseen
                || keyword == b"DO"
                || (rolls_back && statement.kind != StatementKind::Rollback);
            match statement.kind {
                StatementKind::Set { name, value, local } => {
                    let Some(source) = names(name) else { continue };
                    let value = match value {
                        SettingValue::Text(span) => Some(String::from_utf8_lossy(text.text_of(span)).into()),
                        // What cannot be read names nobody: the login answers for it.
                        SettingValue::Default | SettingValue::Parameter(_) | SettingValue::Unreadable => None,
                    };
                    facts.changes.push(Change::Set { source, value, local });
                }
                StatementKind::Reset { name } => {
                    if let Some(source) = names(name) {
                        let value = self.settings.get(source).and_then(|setting| setting.start.clone());
                        facts.changes.push(Change::Set { source, value, local: false });
                    }
                }
                StatementKind::ResetAll | StatementKind::DiscardAll => {
                    for (source, setting) in self.settings.iter().enumerate() {
                        let value = setting.start.clone();
                        facts.changes.push(Change::Set { source, value, local: false });
                    }
                }
                StatementKind::Rollback => facts.changes.push(Change::Rollback),
                StatementKind::Other => {}
            }
        }
        let reads =
            text.statements().iter().any(|statement| !only_sets(text.text_of(statement.first_keyword)));
        facts.unclear |= facts.several && reads && !facts.changes.is_empty();
        facts
    }

    /// Takes note of an execution that begins; `ordinal` rises. What it changes takes effect with its success.
    pub(super) fn begin(&mut self, ordinal: u64, facts: &IdentityFacts) {
        if !self.sources.is_empty() && (facts.unclear || !facts.changes.is_empty()) {
            self.pending.push_back(Pending { ordinal, facts: facts.clone(), heard: false });
        }
    }

    /// Takes note that an execution, or one statement of its text, completed or failed.
    pub(super) fn settle(&mut self, ordinal: u64, completed: bool) {
        self.failed |= !completed;
        while let Some(pending) = self.pending.pop_front() {
            if pending.ordinal > ordinal {
                return self.pending.push_front(pending);
            }
            self.changed = true;
            if pending.ordinal < ordinal || pending.facts.unclear {
                // It was not heard of again: nobody knows whether it ran.
                self.forget();
            }
            if pending.ordinal == ordinal {
                match (completed, pending.facts.several) {
                    (true, true) => return self.pending.push_front(Pending { heard: true, ..pending }),
                    (true, false) => self.apply(&pending.facts),
                    // Some of its statements may stand.
                    (false, true) => self.forget(),
                    (false, false) => {}
                }
            }
        }
    }

    fn apply(&mut self, facts: &IdentityFacts) {
        if facts.unclear {
            return self.forget();
        }
        for change in &facts.changes {
            match change {
                Change::Rollback => self.restore(),
                Change::Set { source, value, local } => {
                    let Some(setting) = self.settings.get_mut(*source) else { continue };
                    if *local {
                        setting.local = Some(value.clone());
                    } else {
                        setting.session.clone_from(value);
                        setting.local = None;
                    }
                }
            }
        }
    }

    // From here on no setting names anybody until one is set anew.
    fn forget(&mut self) {
        for (source, setting) in self.sources.iter().zip(&mut self.settings) {
            if matches!(source, IdentitySource::Setting(_)) {
                *setting = SettingState { start: setting.start.take(), ..SettingState::default() };
            }
        }
    }

    fn restore(&mut self) {
        for setting in &mut self.settings {
            setting.session.clone_from(&setting.committed);
            setting.local = None;
        }
    }

    /// Takes note of the transaction's state.
    pub(super) fn ready_for_query(&mut self, status: u8) {
        if let Some(pending) = self.pending.pop_front_if(|pending| pending.heard) {
            self.apply(&pending.facts);
        }
        let aborted = self.status == b'E';
        match status {
            // COMMIT of a failed transaction rolls back.
            b'I' if aborted => self.restore(),
            b'T' if aborted => self.forget(),
            // What failed took along what was set before it in the same transaction.
            b'I' if self.failed && self.changed => self.forget(),
            _ => {}
        }
        if status == b'I' {
            for setting in &mut self.settings {
                setting.local = None;
                setting.committed.clone_from(&setting.session);
            }
        }
        self.status = status;
        (self.changed, self.failed) = (false, false);
    }

    /// Takes note of a parameter that the server reports.
    pub(super) fn parameter_status(&mut self, name: &[u8], value: &[u8]) {
        if name != b"application_name" {
            return;
        }
        let value: Box<str> = String::from_utf8_lossy(value).into();
        for (source, setting) in self.sources.iter().zip(&mut self.settings) {
            if *source == IdentitySource::ApplicationName {
                setting.session = Some(value.clone());
            }
        }
    }

    /// Returns the name the statement is for: the first source that gives one, else the login.
    pub(super) fn name<'a>(&'a self, facts: Option<&'a IdentityFacts>) -> &'a str {
        let tag = |index| {
            let tags = facts.map(|facts| facts.tags.as_slice()).unwrap_or_default();
            tags.iter().find(|(source, _)| *source == index).map(|(_, value)| &**value)
        };
        let unknown = !self.pending.is_empty() || facts.is_some_and(|facts| facts.unclear);
        let setting = |source: &IdentitySource, setting: &'a SettingState| match &setting.local {
            _ if unknown && matches!(source, IdentitySource::Setting(_)) => None,
            Some(local) => local.as_deref(),
            None => setting.session.as_deref(),
        };
        self.sources
            .iter()
            .zip(&self.settings)
            .enumerate()
            .find_map(|(index, (source, state))| {
                tag(index).or_else(|| setting(source, state)).filter(|name| !name.is_empty())
            })
            .unwrap_or(self.login.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rastro_attribution::statement::normalise;
    use rastro_wire::{FirstPacket, decode_first_packet};

    fn startup(body: &str) -> Startup {
        let mut packet = u32::try_from(8 + body.len()).unwrap().to_be_bytes().to_vec();
        packet.extend_from_slice(&0x30000u32.to_be_bytes());
        packet.extend_from_slice(body.as_bytes());
        match decode_first_packet(&packet).unwrap() {
            FirstPacket::Startup(startup) => startup,
            _ => panic!(),
        }
    }

    fn session() -> Identity {
        let sources = [
            IdentitySource::Sqlcommenter("user".into()),
            IdentitySource::Setting("rastro.principal".into()),
            IdentitySource::ApplicationName,
        ];
        Identity::new(sources.into(), &startup("user\0desk\0application_name\0app\0\0"))
    }

    fn begin(identity: &mut Identity, sql: &str) -> String {
        let mut normalised = Normalised::default();
        normalise(sql.as_bytes(), &mut normalised);
        let facts = identity.read(&normalised, false);
        let name = identity.name(Some(&facts)).to_owned();
        let ordinal = identity.pending.back().map_or(1, |pending| pending.ordinal + 1);
        identity.begin(ordinal, &facts);
        name
    }

    fn run(identity: &mut Identity, sql: &str) -> String {
        let name = begin(identity, sql);
        identity.settle(1, true);
        name
    }

    #[test]
    fn comment_wins_over_setting_and_application_name() {
        let mut identity = session();
        assert_eq!(run(&mut identity, "select 1"), "app");
        run(&mut identity, "set rastro.principal = 'bo'");
        assert_eq!(run(&mut identity, "select 1"), "bo");
        assert_eq!(run(&mut identity, "select 1 /*user='cy'*/"), "cy");
        run(&mut identity, "reset all");
        assert_eq!(run(&mut identity, "select 1"), "app");
    }

    #[test]
    fn rolled_back_setting_names_nobody() {
        let mut identity = session();
        run(&mut identity, "begin");
        identity.ready_for_query(b'T');
        run(&mut identity, "set rastro.principal = 'bo'");
        identity.ready_for_query(b'T');
        assert_eq!(run(&mut identity, "select 1"), "bo");
        run(&mut identity, "rollback");
        identity.ready_for_query(b'I');
        assert_eq!(run(&mut identity, "select 1"), "app");
    }

    #[test]
    fn local_setting_ends_with_its_transaction() {
        let mut identity = session();
        run(&mut identity, "begin");
        identity.ready_for_query(b'T');
        run(&mut identity, "set local rastro.principal = 'bo'");
        identity.ready_for_query(b'T');
        assert_eq!(run(&mut identity, "select 1"), "bo");
        run(&mut identity, "commit");
        identity.ready_for_query(b'I');
        assert_eq!(run(&mut identity, "select 1"), "app");
    }

    #[test]
    fn setting_that_failed_is_not_believed() {
        let mut identity = session();
        run(&mut identity, "set rastro.principal = 'bo'");
        identity.ready_for_query(b'I');
        begin(&mut identity, "set rastro.principal = 'cy'");
        identity.settle(1, false);
        identity.ready_for_query(b'I');
        assert_ne!(run(&mut identity, "select 1"), "cy");
    }

    #[test]
    fn setting_under_way_names_nobody() {
        let mut identity = session();
        run(&mut identity, "set rastro.principal = 'bo'");
        identity.ready_for_query(b'I');
        begin(&mut identity, "set rastro.principal = 'cy'");
        assert_eq!(begin(&mut identity, "select 1"), "app");
        identity.settle(1, true);
        identity.ready_for_query(b'I');
        assert_eq!(begin(&mut identity, "select 1"), "cy");
    }

    #[test]
    fn setting_not_heard_of_again_names_nobody() {
        let mut identity = session();
        run(&mut identity, "set rastro.principal = 'bo'");
        identity.ready_for_query(b'I');
        begin(&mut identity, "set rastro.principal = 'cy'");
        identity.settle(2, true);
        assert_eq!(begin(&mut identity, "select 1"), "app");
    }

    #[test]
    fn text_that_cannot_be_followed_names_nobody_until_the_next_setting() {
        for sql in [
            "set rastro.principal = 'cy'; select 1",
            "select 1; set rastro.principal = 'cy'",
            "select 1, set_config('rastro.principal', 'cy', false)",
            "do $$ begin end $$",
            "rollback to savepoint a",
        ] {
            let mut identity = session();
            run(&mut identity, "set rastro.principal = 'bo'");
            identity.ready_for_query(b'I');
            assert_eq!(run(&mut identity, sql), "app", "{sql}");
            identity.ready_for_query(b'I');
            assert_eq!(run(&mut identity, "select 1"), "app", "{sql}");
            run(&mut identity, "set rastro.principal = 'di'");
            assert_eq!(run(&mut identity, "select 1"), "di", "{sql}");
        }
    }

    #[test]
    fn text_of_settings_takes_effect_at_its_end() {
        let mut identity = session();
        run(&mut identity, "begin; set local rastro.principal = 'bo'");
        identity.ready_for_query(b'T');
        assert_eq!(run(&mut identity, "select 1"), "bo");
    }

    #[test]
    fn commit_of_a_failed_transaction_restores_what_was_set_before() {
        let mut identity = session();
        run(&mut identity, "set rastro.principal = 'bo'");
        identity.ready_for_query(b'I');
        run(&mut identity, "begin");
        identity.ready_for_query(b'T');
        run(&mut identity, "set rastro.principal = 'cy'");
        identity.ready_for_query(b'T');
        begin(&mut identity, "select 1/0");
        identity.settle(1, false);
        identity.ready_for_query(b'E');
        run(&mut identity, "commit");
        identity.ready_for_query(b'I');
        assert_eq!(run(&mut identity, "select 1"), "bo");
    }

    #[test]
    fn setting_of_an_implicit_transaction_that_failed_names_nobody() {
        let mut identity = session();
        run(&mut identity, "set rastro.principal = 'bo'");
        begin(&mut identity, "select 1/0");
        identity.settle(2, false);
        identity.ready_for_query(b'I');
        assert_eq!(run(&mut identity, "select 1"), "app");
    }

    #[test]
    fn login_that_speaks_for_itself_ignores_all_of_it() {
        let mut identity = Identity::new(Arc::new([]), &startup("user\0desk\0application_name\0app\0\0"));
        assert_eq!(run(&mut identity, "select 1 /*user='cy'*/"), "desk");
    }
}
