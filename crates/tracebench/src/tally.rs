use serde::{Deserialize, Serialize};

/// What the trials of one cell (scenario, victims, share of strays) came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) scenario: String,
    pub(crate) victims: usize,
    pub(crate) stray: f64,
    pub(crate) is_guilty_world: bool,
    pub(crate) trials: Vec<Trial>,
}

/// One trial.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Trial {
    /// The first account is guilty.
    pub(crate) is_first_right: bool,
    /// As many first accounts as are guilty are all guilty.
    pub(crate) are_all_named: bool,
    /// The first account's probability of having taken part.
    pub(crate) confidence: f64,
    /// An innocent account reached .95.
    pub(crate) is_false_accusation: bool,
    /// Whether the leak window holds the time of copying, and its width in days.
    pub(crate) window: Option<(bool, f64)>,
    pub(crate) seconds: f64,
}

pub(crate) fn share(hits: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { hits as f64 / of as f64 }
}

pub(crate) fn quantile(mut values: Vec<f64>, q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len().saturating_sub(1) as f64 * q).round();
    values.get(at as usize).copied().unwrap_or(0.0)
}

impl Cell {
    pub(crate) fn count(&self, holds: impl Fn(&Trial) -> bool) -> usize {
        self.trials.iter().filter(|trial| holds(trial)).count()
    }

    pub(crate) fn rate(&self, holds: impl Fn(&Trial) -> bool) -> f64 {
        share(self.count(holds), self.trials.len())
    }
}

/// One bin of a calibration curve.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bin {
    pub(crate) count: f64,
    pub(crate) confidence: f64,
    pub(crate) accuracy: f64,
}

/// Calibration of the first account's probability: guilty worlds weigh 70%, guilt-free ones 30%.
pub(crate) fn calibration(cells: &[Cell]) -> (Vec<Bin>, f64) {
    let total = |guilty: bool| {
        let of = cells.iter().filter(|cell| cell.is_guilty_world == guilty);
        of.map(|cell| cell.trials.len()).sum::<usize>().max(1) as f64
    };
    let weights = [0.3 / total(false), 0.7 / total(true)];
    let mut bins = vec![Bin::default(); 20];
    for cell in cells {
        let weight = if cell.is_guilty_world { weights[1] } else { weights[0] };
        for trial in &cell.trials {
            let at = ((trial.confidence * 20.0) as usize).min(19);
            if let Some(bin) = bins.get_mut(at) {
                bin.count += weight;
                bin.confidence += weight * trial.confidence;
                bin.accuracy += if trial.is_first_right { weight } else { 0.0 };
            }
        }
    }
    let all: f64 = bins.iter().map(|bin| bin.count).sum();
    let error = bins.iter().map(|bin| (bin.confidence - bin.accuracy).abs()).sum::<f64>() / all.max(1e-12);
    for bin in &mut bins {
        if bin.count > 0.0 {
            bin.confidence /= bin.count;
            bin.accuracy /= bin.count;
        }
        bin.count /= all.max(1e-12);
    }
    (bins, error)
}
