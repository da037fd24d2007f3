//! Weighs routes against victims.

mod accounts;
mod belief;
mod campaigns;
mod case;
mod caveats;
mod coincidence;
mod colleagues;
mod collusion;
mod deciding;
mod leak_time;
mod populations;
mod posterior;
mod sessions;

use crate::history::History;
use crate::outcome::Trace;
use crate::victim::{TraceOptions, Victim};

use self::case::Case;
use self::posterior::Posterior;

/// An account takes the victims' time from its own views when its part is at least this probable.
const NAMED_FOR_TIME: f64 = 0.5;
const RANKED_DEFAULT: usize = 50;

impl History {
    /// Weighs every account, population and the unknown route against the reports of `victims`.
    ///
    /// Never fails: what is odd in the input is a caveat in the result. Cost: some milliseconds for 50
    /// victims, growing with their disclosures.
    pub fn trace(&self, victims: &[Victim], options: &TraceOptions) -> Trace {
        let case = Case::new(self, victims, options);
        let (prior, replaced) = posterior::usable(options.prior);
        let posterior = Posterior::weigh(&case, prior);
        let most = if options.ranked_max == 0 { RANKED_DEFAULT } else { options.ranked_max };
        let mut trace = posterior.list(&case, most);
        let leading = posterior.leading();
        let named =
            leading.filter(|_| trace.accounts.first().is_some_and(|first| first.involved >= NAMED_FOR_TIME));
        trace.window = leak_time::bound(&case, named);
        trace.evidence = deciding::evidence(&case, &posterior);
        trace.next_report = deciding::next_report(&case, &posterior);
        trace.caveats = caveats::collect(&case, options, &trace, replaced);
        trace
    }
}
