use std::fmt;

use rastro_model::{Principal, SubjectKey, Timestamp};

/// What the victims say about each route. Probabilities of `accounts`, `populations` and `unknown_route` sum
/// to 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// Distinct victims weighed.
    pub victims: usize,
    /// Accounts, most probable first.
    pub accounts: Vec<AccountScore>,
    /// Populations (what a broad account, a team or a cohort sees as a whole), most probable first.
    pub populations: Vec<PopulationScore>,
    /// Probability that the data took none of the routes listed.
    pub unknown_route: f64,
    /// The part of `unknown_route` that belongs to accounts and populations below the listed ones.
    pub unlisted: f64,
    /// Sets of accounts that together explain the victims better than one of them, most probable first.
    /// Their probability is contained in that of their members, divided by their shares.
    pub collusions: Vec<Collusion>,
    /// When the copy was taken.
    pub window: Option<LeakWindow>,
    /// Per victim, in input order without duplicates: who saw it, and which way it decides.
    pub evidence: Vec<Evidence>,
    /// What one more report would do to the first account's probability.
    pub next_report: Option<NextReport>,
    /// What a reader must know before believing the numbers.
    pub caveats: Vec<Caveat>,
}

/// A part of the victims that points elsewhere than all of them do.
#[derive(Clone, Debug, PartialEq)]
pub struct Campaign {
    /// What its victims have in common.
    pub mark: Mark,
    /// Its own trace, with the doubt that comes of looking at many parts.
    pub trace: Trace,
}

/// What tells a part of the victims from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Callers knew this field (its number in the history's field sets).
    Known(usize),
    /// Callers did not know it.
    NotKnown(usize),
    /// Reported before this.
    Before(Timestamp),
    /// Reported then or later.
    After(Timestamp),
}

/// One account as the route.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountScore {
    /// Which.
    pub principal: Principal,
    /// Posterior probability that the data left through this account. Where several accounts are the route
    /// together, each holds its share of that probability.
    pub probability: f64,
    /// Posterior probability that the account took part, alone or with others; at least `probability`. The
    /// sum over accounts may exceed 1.
    pub involved: f64,
    /// log10 of the likelihood of the reports if this account alone is the route, over their likelihood if
    /// none is.
    pub log10_bayes_factor: f64,
    /// Victims it was shown in time, with what their callers knew.
    pub victims_seen: usize,
    /// Distinct subjects it was ever shown.
    pub exposed: u64,
    /// Its first disclosure of a victim that counts (to the hour); `None` if it saw none.
    pub first: Option<Timestamp>,
    /// Its last such disclosure.
    pub last: Option<Timestamp>,
}

/// A population as the source: its data left, but not by one ordinary account.
#[derive(Clone, Debug, PartialEq)]
pub struct PopulationScore {
    /// A name for people, such as "subjects shown to `export-job`" or "language=en".
    pub name: String,
    /// The accounts that hold it, where there are any.
    pub holders: Vec<Principal>,
    /// Posterior probability.
    pub probability: f64,
    /// Victims in it.
    pub victims_seen: usize,
    /// Distinct subjects in it, estimated where it is a union.
    pub subjects: u64,
}

/// Several accounts as the route.
#[derive(Clone, Debug, PartialEq)]
pub struct Collusion {
    /// Which, with the share of the victims each explains.
    pub members: Vec<(Principal, f64)>,
    /// Posterior probability.
    pub probability: f64,
}

/// When the copy was taken, to the hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakWindow {
    /// Not earlier.
    pub from: Timestamp,
    /// Not later.
    pub until: Timestamp,
    /// Probability that the copy lies within, if the rest holds.
    pub confidence: f64,
}

/// One victim's part in the verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Who.
    pub subject: SubjectKey,
    /// How many accounts were ever shown this subject; 0 if the history does not know it.
    pub seen_by: usize,
    /// Natural logarithm of the factor by which this victim favours the first account over the second route
    /// (account, population or unknown). Positive: for the first.
    pub favours_first: f64,
    /// Which of the first five accounts were shown it, so that it counts.
    pub views: Vec<VictimView>,
}

/// When an account was shown a victim.
#[derive(Clone, Debug, PartialEq)]
pub struct VictimView {
    /// Which account.
    pub principal: Principal,
    /// First time, to the hour.
    pub first: Timestamp,
    /// Last time, to the hour.
    pub last: Timestamp,
    /// Whether a reason explained it; `None` if nothing is known of reasons.
    pub explained: Option<bool>,
}

/// What one more report would do.
#[derive(Clone, Debug, PartialEq)]
pub struct NextReport {
    /// About which account: the first.
    pub principal: Principal,
    /// Its probability if the next victim was shown to it (and to few others).
    pub if_seen: f64,
    /// Its probability if the next victim was not.
    pub if_not_seen: f64,
}

/// What a reader must know before believing the numbers. `Display` is a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Caveat {
    /// No victims were given.
    NoVictims,
    /// The history holds no disclosures.
    EmptyHistory,
    /// The same subject was reported again; it counts once.
    Duplicates(usize),
    /// These victims appear nowhere in the history.
    UnknownVictims(usize),
    /// These victims were reported before any disclosure of them, or with fields never shown.
    Unexplained(usize),
    /// Accounts without a disclosure cannot be the route.
    SilentAccounts(usize),
    /// The population given is smaller than what the history shows.
    PopulationTooSmall {
        /// As given.
        given: u64,
        /// Distinct subjects in the history.
        seen: u64,
    },
    /// The population given is a hundred times what the history shows, or more.
    PopulationLarge {
        /// As given.
        given: u64,
        /// Distinct subjects in the history.
        seen: u64,
    },
    /// No population was given; subjects never shown are not counted.
    PopulationUnknown,
    /// Fewer than five victims.
    FewVictims(usize),
    /// More victims than probabilities were calibrated with.
    ManyVictims(usize),
    /// Fewer accounts with disclosures, or more, than probabilities were calibrated with.
    UnusualAccounts(usize),
    /// Disclosures carry no reasons.
    NoReasons,
    /// An option was not a probability and was replaced by its default.
    BadPrior,
    /// Accounts share most of these subjects with the first; more reports are needed to tell them apart.
    Lookalikes {
        /// The first account.
        first: Principal,
        /// Those that saw about the same victims.
        others: Vec<Principal>,
    },
    /// What the model cannot see in any case.
    AccountNotPerson,
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Caveat::NoVictims => f.write_str("no victims were given: the probabilities are those believed beforehand"),
            Caveat::EmptyHistory => f.write_str("the history holds no disclosures: no account can be named"),
            Caveat::Duplicates(n) => write!(f, "{n} repeated reports of the same subjects count once"),
            Caveat::UnknownVictims(n) => {
                write!(f, "{n} victims appear nowhere in the history: their data left where nothing is recorded, or the reports are about something else")
            }
            Caveat::Unexplained(n) => {
                write!(f, "{n} victims were shown to someone, but only after their report, with other fields, or when the known values were not current")
            }
            Caveat::SilentAccounts(n) => write!(f, "{n} accounts have no disclosures and cannot be judged"),
            Caveat::PopulationTooSmall { given, seen } => {
                write!(f, "the population was given as {given}, but the history shows {seen} subjects: {seen} is used")
            }
            Caveat::PopulationUnknown => {
                f.write_str("no population was given: subjects that nobody was shown are not counted")
            }
            Caveat::PopulationLarge { given, seen } => {
                write!(f, "the population was given as {given}, but the history shows only {seen} subjects: if it is less, accounts are suspected too readily")
            }
            Caveat::FewVictims(n) => write!(f, "{n} victims are few: one mistaken report may change the order"),
            Caveat::ManyVictims(n) => {
                write!(f, "{n} victims are more than the 100 up to which the probabilities were calibrated; the window rests on the first 60")
            }
            Caveat::UnusualAccounts(n) => {
                write!(f, "the record has {n} accounts with disclosures: the probabilities were calibrated with 10 to 10000")
            }
            Caveat::NoReasons => f.write_str("disclosures carry no reasons: explained and unexplained ones weigh the same"),
            Caveat::BadPrior => f.write_str("a prior was not a probability: the default is used"),
            Caveat::Lookalikes { first, others } => {
                write!(f, "`{first}` is hard to tell from")?;
                for (position, other) in others.iter().enumerate() {
                    write!(f, "{} `{other}`", if position == 0 { "" } else { "," })?;
                }
                f.write_str(", shown about the same victims")
            }
            Caveat::AccountNotPerson => f.write_str(
                "an account is named, not a person: credentials may have been used by someone else; what never passed the record is not seen",
            ),
        }
    }
}
