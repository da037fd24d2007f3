//! Steps 3 and 4 in a session: what a text gives away, whether its subjects were asked for before it ran, and
//! what is done about texts that cannot be seen through.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rastro_attribution::lineage::{Lineage, analyse, computes_at_once, prepared_names};
use rastro_attribution::provenance::KEYS_MAX;
use rastro_model::{Certainty, KindId, ShownKey};
use rastro_wire::{Before, ClientError, Inquiry};

use super::{Execution, SessionInspector, StatementText};
use crate::gateway::catalogues::Snapshot;
use crate::gateway::metric;

// Normal forms of a session whose rows tell by themselves whom they show.
const PLAIN_TEXTS_MAX: usize = 512;
// Statements prepared by name whose texts are kept; what more are prepared cannot be seen through.
const PREPARED_MAX: usize = 512;
const SOURCE_BYTES_MAX: usize = 128 * 1024;

/// A statement's own text, literals and all, as long as lineage may need it; it never leaves memory.
#[derive(Default)]
pub(in crate::gateway) struct Source {
    sql: Sql,
    known: Mutex<Option<(u64, Arc<Lineage>)>>,
}

#[derive(Default)]
enum Sql {
    /// Cut off, too long, or not to be read for sure.
    #[default]
    Unreadable,
    Whole(Box<str>),
    /// It concerned nothing protected when it came.
    Left,
}

/// How far the gateway sees what a statement shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Sight {
    /// Its rows tell.
    #[default]
    Plain,
    /// Its rows tell, and nothing else does: it was read, and shows nothing protected in another way.
    Clear,
    /// Rows without an origin may show anybody.
    Unseen,
    /// Its subjects were asked for.
    Asked,
    /// Its subjects are more than the budget allows; it may run up to the first row whose subject is beyond, or
    /// not told by the row.
    Guarded,
}

/// What is known of a statement when it begins.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct View {
    pub(super) sight: Sight,
    /// Its rows mix keys and fields of different subjects.
    pub(super) mixed: bool,
    /// It may show something even if it fails.
    pub(super) failure_tells: bool,
}

/// What a session knows of its texts.
#[derive(Default)]
pub(super) struct Texts {
    // Of one generation of the catalogue.
    plain: (u64, HashSet<u64>),
    // None: one of several texts.
    prepared: HashMap<String, Option<Arc<str>>>,
    // DDL of the open transaction had to do with protected relations.
    pub(super) ddl_concerned: bool,
    // Something ran unseen, and may have opened a cursor.
    ran_unseen: bool,
}

impl Source {
    /// Returns what the text gave away when it was last looked at, and by which generation of the catalogue.
    pub(super) fn lineage(&self) -> Option<(u64, Arc<Lineage>)> {
        self.known.lock().clone()
    }
}

impl Texts {
    /// Returns whether something ran that could not be seen through.
    pub(super) fn has_run_unseen(&self) -> bool {
        self.ran_unseen
    }

    // A name given twice stands for whichever text the server took.
    fn prepare(&mut self, sql: &str) {
        for name in prepared_names(sql) {
            if let Some(known) = self.prepared.get_mut(&name) {
                if known.as_deref() != Some(sql) {
                    *known = None;
                }
            } else if self.prepared.len() < PREPARED_MAX {
                self.prepared.insert(name, Some(sql.into()));
            }
        }
    }

    fn prepared(&self, name: &str) -> Option<String> {
        self.prepared.get(name)?.as_deref().map(str::to_owned)
    }
}

fn plain() -> Arc<Lineage> {
    static PLAIN: OnceLock<Arc<Lineage>> = OnceLock::new();
    Arc::clone(PLAIN.get_or_init(Arc::default))
}

// Returns whether a text of definitions may run something at once; so may one that is not whole.
fn may_compute(text: &StatementText) -> bool {
    match &text.source.sql {
        Sql::Whole(sql) => computes_at_once(sql),
        Sql::Left => computes_at_once(text.normalised()),
        Sql::Unreadable => true,
    }
}

impl SessionInspector {
    /// Keeps of a text what lineage needs.
    pub(super) fn source(&mut self, sql: &[u8], readable: bool, prepares: bool) -> Source {
        let sql = match std::str::from_utf8(sql) {
            Ok(sql) if readable && sql.len() <= SOURCE_BYTES_MAX => sql,
            _ => return Source::default(),
        };
        let snapshot = self.last_snapshot();
        let concerned = snapshot.as_ref().is_none_or(|snapshot| snapshot.schema.concerns(sql));
        if concerned || prepares {
            return Source { sql: Sql::Whole(sql.into()), known: Mutex::default() };
        }
        let known = snapshot.map(|snapshot| (snapshot.generation, plain()));
        Source { sql: Sql::Left, known: Mutex::new(known) }
    }

    // Nothing is asked of the catalogue before the server has let the session in.
    pub(super) fn last_snapshot(&mut self) -> Option<Arc<Snapshot>> {
        self.cancel_key.as_ref()?;
        self.catalogue().ok()?.last_snapshot()
    }

    /// Returns what a text gives away; the hot path is one comparison.
    fn lineage(&mut self, text: &StatementText, snapshot: &Snapshot) -> Arc<Lineage> {
        let mut known = text.source.known.lock();
        if let Some((generation, lineage)) = &*known
            && *generation == snapshot.generation
        {
            return Arc::clone(lineage);
        }
        let lineage = self.read_lineage(text, snapshot);
        *known = Some((snapshot.generation, Arc::clone(&lineage)));
        lineage
    }

    fn read_lineage(&mut self, text: &StatementText, snapshot: &Snapshot) -> Arc<Lineage> {
        if !snapshot.catalogue.protects_any() {
            return plain();
        }
        let sql = match &text.source.sql {
            Sql::Whole(sql) => sql,
            Sql::Left if !snapshot.schema.concerns(text.normalised()) => return plain(),
            Sql::Left | Sql::Unreadable => return Arc::new(Lineage::opaque()),
        };
        if self.texts.plain.0 != snapshot.generation {
            self.texts.plain = (snapshot.generation, HashSet::new());
        }
        if self.texts.plain.1.contains(&text.fingerprint()) {
            return plain();
        }
        let texts = &self.texts;
        let lineage = analyse(sql, &snapshot.schema, &|name| texts.prepared(name));
        if lineage.is_plain() && !lineage.by_literals {
            if self.texts.plain.1.len() >= PLAIN_TEXTS_MAX {
                self.texts.plain.1.clear();
            }
            self.texts.plain.1.insert(text.fingerprint());
        }
        Arc::new(lineage)
    }

    /// Decides what has to be asked before a text runs.
    pub(super) fn asks_before(&mut self, text: &StatementText) -> Before {
        if self.cancel_key.is_none() {
            return Before::Nothing;
        }
        let Ok(cell) = self.catalogue() else { return Before::Nothing };
        let snapshot = match cell.snapshot() {
            Some(snapshot) => snapshot,
            // A script of DDL does not wait for each step to be read back, as long as it runs nothing.
            None if text.is_ddl() && cell.last_snapshot().is_some() && !may_compute(text) => {
                let Some(snapshot) = cell.last_snapshot() else { return Before::Nothing };
                snapshot
            }
            None if cell.failure().is_some() => return Before::Nothing,
            None => {
                self.wait.for_catalogue(&cell);
                return Before::Wait;
            }
        };
        match &self.lineage(text, &snapshot).query {
            None => Before::Nothing,
            Some(query) => {
                Before::Ask(Inquiry { sql: Arc::clone(&query.sql), parameters: query.parameters.clone() })
            }
        }
    }

    /// Returns how far a statement is seen that begins now.
    pub(super) fn view(&mut self, text: &StatementText) -> View {
        if text.prepares()
            && let Sql::Whole(sql) = &text.source.sql
        {
            self.texts.prepare(sql);
        }
        let known = text.source.known.lock();
        let lineage = known.as_ref().map(|(_, lineage)| lineage);
        let unseen = View { sight: Sight::Unseen, ..View::default() };
        if text.is_ddl() {
            self.texts.ddl_concerned |= !matches!(text.source.sql, Sql::Left);
        } else if self.texts.ddl_concerned && self.ddl_open && !text.is_rollback() {
            return unseen;
        }
        if self.texts.ran_unseen && text.is_dynamic() {
            return unseen;
        }
        let Some(lineage) = lineage else { return View::default() };
        let mixed = lineage.mixed;
        if !lineage.opaque && lineage.query.is_none() {
            return View { sight: Sight::Clear, mixed, failure_tells: false };
        }
        self.texts.ran_unseen |= lineage.opaque;
        let failure_tells = lineage.runs_unseen || lineage.query.is_some();
        View { sight: Sight::Unseen, mixed, failure_tells }
    }

    /// Reads a row of the answer to the query for a statement's subjects.
    pub(super) fn subject_row(
        &mut self,
        execution: &mut Execution,
        payload: &[u8],
    ) -> Result<(), ClientError> {
        execution.asking = true;
        if execution.sight == Sight::Guarded {
            return Ok(());
        }
        let lineage = execution.lineage();
        let unreadable =
            || ClientError::error("08P01", "whom the statement shows could not be read, so it is refused");
        let query = lineage.as_ref().and_then(|lineage| lineage.query.as_ref()).ok_or_else(unreadable)?;
        execution.asked_for += 1;
        if execution.asked_for > KEYS_MAX {
            self.count_unseen();
            return Ok(());
        }
        // The answer is one row: allowed or refused as a whole.
        if self.batch.is_empty() {
            self.batch.begin_row();
        }
        query.read_row(payload, &mut self.batch).map_err(|_| unreadable())
    }

    /// Counts one row of unknown content.
    pub(super) fn count_unseen(&mut self) {
        self.batch.begin_row();
        let fields = self.gateway.settings.all_fields;
        self.batch.push(KindId(0), ShownKey::Unknown, fields, Certainty::Possible);
    }

    /// Takes note of whether a statement's subjects are known now.
    pub(super) fn subjects_known(&mut self, execution: &mut Execution, failed: bool) {
        let lineage = execution.lineage();
        let partly = lineage.as_ref().is_none_or(|lineage| lineage.opaque);
        if failed {
            metric::inquiry_failed();
        }
        let ddl = self.texts.ddl_concerned && self.ddl_open;
        self.texts.ran_unseen |= failed;
        execution.sight = match execution.sight {
            Sight::Guarded => Sight::Guarded,
            _ if failed || partly || ddl => Sight::Unseen,
            _ => Sight::Asked,
        };
        execution.asking = false;
        execution.failure_tells = failed || lineage.is_some_and(|lineage| lineage.runs_unseen);
        execution.told = false;
    }
}
