//! The chain that a predictor infers from a sequence of states, beside simple rules.

use std::sync::Arc;

use ndarray::{Array1, Array2};
use serde::Serialize;

use super::MarkovStudyError;
use crate::analysis::{
    AnalysisError, Chain, Class, Counts, Distance, PowerLaw, ProbabilityInterval, Sequence,
    StateDistributions, counted, frequencies, infer, infer_permuted, mean_distributions, power_law,
    staying, total_variation,
};
use crate::forecast::{Predictor, Settings, Temperature};

/// What a predictor's distributions are averaged over and compared with.
#[derive(Debug, Clone)]
pub struct ChainSettings {
    /// The true transition matrix `[from, to]`, if it is known; else the reference is the counted
    /// one.
    pub truth: Option<Array2<f64>>,
    /// Number of final rows for averages and scores.
    pub last: usize,
    /// Number of label permutations.
    pub label_permutations: usize,
    /// Seed of the permutations.
    pub seed: u64,
}

/// Summary of a chain.
#[derive(Debug, Clone, Serialize)]
pub struct ChainSummary {
    /// Name: `inferred`, `counted` or `true`.
    pub name: String,
    /// `[from][to]`.
    pub matrix: Vec<Vec<f64>>,
    /// Stationary distribution; `None` if there are several.
    pub stationary: Option<Vec<f64>>,
    /// 1 minus the second largest modulus of its eigenvalues.
    pub spectral_gap: f64,
    /// Relaxation time in steps, `-1 / ln(1 - gap)`; `None` for a gap of zero.
    pub relaxation: Option<f64>,
}

/// Scores of a rule.
#[derive(Debug, Clone, Serialize)]
pub struct RuleScore {
    /// Name of the rule.
    pub name: String,
    /// Mean log probability of the observed states over the last rows, in nats.
    pub log_score: f64,
    /// Distance to the reference matrix over the last rows.
    pub distance: Distance,
    /// Distances over context lengths in doubling intervals.
    pub curve: Vec<Distance>,
    /// Power law fit of the curve's total variations.
    pub power_law: Option<PowerLaw>,
}

/// Results at a temperature.
#[derive(Debug, Clone, Serialize)]
pub struct AtTemperature {
    /// Temperature.
    pub temperature: f64,
    /// Mean log probability over the last rows, in nats.
    pub log_score: f64,
    /// Mean total variation from the reference matrix.
    pub total_variation: f64,
    /// Stationary distribution of the inferred chain; `None` if there are several.
    pub stationary: Option<Vec<f64>>,
    /// Spectral gap of the inferred chain.
    pub spectral_gap: f64,
}

/// Results under label permutations.
#[derive(Debug, Clone, Serialize)]
pub struct LabelPermutations {
    /// Number of permutations.
    pub permutations: usize,
    /// Log score of each permutation over the last rows, in nats.
    pub log_scores: Vec<f64>,
    /// Mean total variation of each permutation from the original labels over the last rows.
    pub total_variation: Vec<f64>,
    /// Log score of the average over permutations.
    pub mean_log_score: f64,
    /// Mean total variation of the average over permutations from the reference matrix.
    pub mean_total_variation: f64,
}

/// The chain that a predictor infers from a sequence of states, its scores, and those of simple
/// rules.
///
/// ```
/// use statecast::analysis::Sequence;
/// use statecast::baselines::named;
/// use statecast::forecast::Settings;
/// use statecast::study::markov::{ChainSettings, ChainStudy};
/// let states: Vec<usize> = (0..90).map(|t| t * t % 3).collect();
/// let sequence = Sequence::new(&states, 3)?;
/// let settings = ChainSettings { truth: None, last: 30, label_permutations: 0, seed: 0 };
/// let predictor = named("ar").unwrap();
/// let study = ChainStudy::run(&predictor, Settings::default(), sequence, &settings, &|_| ())?;
/// let names: Vec<&str> = study.rules.iter().map(|rule| rule.name.as_str()).collect();
/// assert_eq!(names, ["ar", "counts", "frequencies", "staying"]);
/// assert_eq!(study.never_seen(), [2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct ChainStudy {
    /// Length of the sequence.
    pub rows: usize,
    /// Number of final rows for averages and scores.
    pub last: usize,
    /// Number of transitions from each state in these rows.
    pub visits: Vec<usize>,
    /// Transition counts of the whole sequence, `[from][to]`.
    pub counts: Vec<Vec<u64>>,
    /// Communicating classes of observed transitions.
    pub classes: Vec<Class>,
    /// Number of occurrences of each state.
    pub seen: Vec<usize>,
    /// Transition probabilities with intervals, `[from][to]`.
    pub intervals: Vec<Vec<ProbabilityInterval>>,
    /// The inferred chain, the counted one, and the true one if known.
    pub chains: Vec<ChainSummary>,
    /// Whether the reference is the true matrix instead of the counted one.
    pub truth_is_known: bool,
    /// Mean total variation between the rows of the inferred and the reference matrix, over the
    /// states with transitions in the last rows.
    pub matrix_distance: f64,
    /// The same for the matrix counted over the whole sequence; `None` if that is the reference.
    pub counted_distance: Option<f64>,
    /// The predictor and the baselines.
    pub rules: Vec<RuleScore>,
    /// Results under label permutations, if any.
    pub label_permutations: Option<LabelPermutations>,
}

impl ChainStudy {
    /// Reads a predictor's distribution of every next state of a sequence. Rows that do not follow
    /// the row before are neither counted nor scored. `progress` is told the share of the readings
    /// that are done.
    ///
    /// # Errors
    /// As [`infer`]; [`MarkovStudyError::NothingFollows`] if none of the final rows follows the row
    /// before, [`MarkovStudyError::TruthStates`] for a true matrix with other states,
    /// [`AnalysisError::Shape`] and [`AnalysisError::Row`] for an invalid one.
    pub fn run(
        predictor: &Arc<dyn Predictor>,
        settings: Settings,
        sequence: Sequence,
        chain: &ChainSettings,
        progress: &dyn Fn(f64),
    ) -> Result<Self, MarkovStudyError> {
        let (observed, states) = (sequence.states(), sequence.count());
        let truth = chain.truth.clone().map(Chain::new).transpose()?;
        if let Some(chain) = truth.as_ref().filter(|chain| chain.states() != states) {
            return Err(MarkovStudyError::TruthStates {
                rows: chain.states(),
                states,
            });
        }
        let first = observed.len().saturating_sub(chain.last).max(1);
        if !(first..observed.len()).any(|row| sequence.follows(row)) {
            return Err(MarkovStudyError::NothingFollows(
                observed.len().saturating_sub(first),
            ));
        }
        let counts = Counts::of(sequence);
        let readings = 1.0 + chain.label_permutations as f64;
        let distributions = infer(predictor.clone(), settings, sequence)?;
        progress(1.0 / readings);
        let (matrix, visits) = distributions.matrix(first);
        let empirical = counts.matrix();
        let reference = truth.as_ref().map_or(&empirical, Chain::matrix);
        let score = |name: &str, distributions: &StateDistributions| {
            RuleScore::of(name, distributions, reference, first)
        };
        let mut rules = vec![
            score(&predictor.name(), &distributions),
            score("counts", &counted(sequence)),
            score("frequencies", &frequencies(sequence)),
            score("staying", &staying(sequence)),
        ];
        if let Some(chain) = &truth {
            let before = |row: usize| observed[row.saturating_sub(1)];
            let shape = (observed.len(), states);
            let exact = |(row, to)| chain.matrix()[[before(row), to]];
            let exact = StateDistributions::new(sequence, Array2::from_shape_fn(shape, exact));
            rules.push(score("truth", &exact));
        }
        let label_permutations = match chain.label_permutations {
            0 => None,
            permutations => {
                let done = |share| progress((1.0 + share * permutations as f64) / readings);
                let seed = chain.seed;
                let permuted =
                    infer_permuted(predictor, settings, sequence, permutations, seed, &done)?;
                LabelPermutations::of(&distributions, permuted, reference, first)
            }
        };
        let visited = |matrix: &Array2<f64>| {
            let visited: Vec<usize> = (0..states).filter(|&from| visits[from] > 0).collect();
            let distances = visited.iter().map(|&from| {
                total_variation(&matrix.row(from).to_vec(), &reference.row(from).to_vec())
            });
            distances.sum::<f64>() / visited.len().max(1) as f64
        };
        let inferred = Chain::new(matrix)?;
        let counted = Chain::new(empirical.clone())?;
        let mut chains = vec![
            ChainSummary::of("inferred", &inferred),
            ChainSummary::of("counted", &counted),
        ];
        chains.extend(truth.as_ref().map(|chain| ChainSummary::of("true", chain)));
        let occurrences = |state| observed.iter().filter(|&&s| s == state).count();
        Ok(Self {
            rows: observed.len(),
            last: observed.len() - first,
            matrix_distance: visited(inferred.matrix()),
            counted_distance: truth.is_some().then(|| visited(&empirical)),
            visits,
            counts: rows_of(counts.table()),
            classes: counts.classes(),
            seen: (0..states).map(occurrences).collect(),
            intervals: (0..states).map(|from| counts.intervals(from)).collect(),
            truth_is_known: truth.is_some(),
            chains,
            rules,
            label_permutations,
        })
    }

    /// Reads the same sequence by predictors of other temperatures, and compares them with the same
    /// matrix.
    ///
    /// # Errors
    /// As [`infer`].
    pub fn at_temperatures(
        &self,
        predictors: &[(Temperature, Arc<dyn Predictor>)],
        settings: Settings,
        sequence: Sequence,
    ) -> Result<Vec<AtTemperature>, AnalysisError> {
        let reference = self.reference();
        let first = self.rows - self.last;
        let read = |(temperature, predictor): &(Temperature, Arc<dyn Predictor>)| {
            let distributions = infer(predictor.clone(), settings, sequence)?;
            let chain = Chain::new(distributions.matrix(first).0)?;
            Ok(AtTemperature {
                temperature: temperature.get(),
                log_score: distributions.log_score(first),
                total_variation: distributions
                    .distance(&reference, first, self.rows)
                    .total_variation,
                stationary: chain.stationary().map(|distribution| distribution.to_vec()),
                spectral_gap: chain.spectral_gap(),
            })
        };
        predictors.iter().map(read).collect()
    }

    /// Returns the states that occur in a single row.
    pub fn seen_once(&self) -> Vec<usize> {
        self.states_where(|state| self.seen[state] == 1)
    }

    /// Returns the states that do not occur.
    pub fn never_seen(&self) -> Vec<usize> {
        self.states_where(|state| self.seen[state] == 0)
    }

    /// Returns the states with several transitions, all of which stay.
    pub fn absorbing(&self) -> Vec<usize> {
        let stays = |state: usize| {
            let left = self.transitions_from(state);
            left > 1 && self.counts[state][state] == left
        };
        self.states_where(stays)
    }

    /// Returns the number of transitions from a state in the whole sequence.
    ///
    /// # Panics
    /// If there is no such state.
    pub fn transitions_from(&self, state: usize) -> u64 {
        self.counts[state].iter().sum()
    }

    /// Returns the communicating classes whose states occur; several make the chain reducible.
    pub fn seen_classes(&self) -> Vec<&Class> {
        let classes = self.classes.iter();
        classes
            .filter(|class| self.seen[class.states[0]] > 0)
            .collect()
    }

    fn states_where(&self, chosen: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.seen.len())
            .filter(|&state| chosen(state))
            .collect()
    }

    /// Returns the reference matrix.
    fn reference(&self) -> Array2<f64> {
        let chain = match self.truth_is_known {
            true => &self.chains[2],
            false => &self.chains[1],
        };
        let states = chain.matrix.len();
        Array2::from_shape_fn((states, states), |(from, to)| chain.matrix[from][to])
    }
}

impl RuleScore {
    fn of(
        name: &str,
        distributions: &StateDistributions,
        reference: &Array2<f64>,
        first: usize,
    ) -> Self {
        let rows = distributions.sequence().states().len();
        let curve = distributions.distances(reference);
        let points: Vec<_> = curve
            .iter()
            .map(|d| (d.context, d.total_variation))
            .collect();
        Self {
            name: name.to_owned(),
            log_score: distributions.log_score(first),
            distance: distributions.distance(reference, first, rows),
            power_law: power_law(&points),
            curve,
        }
    }
}

impl LabelPermutations {
    /// Compares readings under permuted labels with that under the original ones; nothing without
    /// any.
    fn of(
        original: &StateDistributions,
        permuted: Vec<StateDistributions>,
        reference: &Array2<f64>,
        first: usize,
    ) -> Option<Self> {
        let sequence = original.sequence();
        let length = sequence.states().len();
        let rows: Vec<usize> = (first..length).filter(|&t| sequence.follows(t)).collect();
        let from_original = |other: &StateDistributions| {
            let distance = |&t: &usize| {
                total_variation(
                    &other.distribution(t).to_vec(),
                    &original.distribution(t).to_vec(),
                )
            };
            rows.iter().map(distance).sum::<f64>() / rows.len() as f64
        };
        let (log_scores, distances) = permuted
            .iter()
            .map(|other| (other.log_score(first), from_original(other)))
            .unzip();
        let mut all = vec![original.clone()];
        all.extend(permuted);
        let mean = mean_distributions(&all)?;
        Some(Self {
            permutations: all.len() - 1,
            log_scores,
            total_variation: distances,
            mean_log_score: mean.log_score(first),
            mean_total_variation: mean.distance(reference, first, length).total_variation,
        })
    }
}

impl ChainSummary {
    fn of(name: &str, chain: &Chain) -> Self {
        let gap = chain.spectral_gap();
        Self {
            name: name.to_owned(),
            matrix: rows_of(chain.matrix()),
            stationary: chain
                .stationary()
                .map(|distribution: Array1<f64>| distribution.to_vec()),
            spectral_gap: gap,
            relaxation: (gap > 1e-12).then(|| -1.0 / (1.0 - gap).ln()),
        }
    }
}

fn rows_of<T: Clone>(matrix: &Array2<T>) -> Vec<Vec<T>> {
    matrix.outer_iter().map(|row| row.to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::baselines;

    /// A ring that now and then stays.
    fn sequence() -> Vec<usize> {
        let mut at = 0;
        let step = |t: usize| {
            at = (at + usize::from(!t.is_multiple_of(5))) % 3;
            at
        };
        (0..300).map(step).collect()
    }

    fn chain(truth: Option<Array2<f64>>, last: usize, label_permutations: usize) -> ChainSettings {
        ChainSettings {
            truth,
            last,
            label_permutations,
            seed: 0,
        }
    }

    #[test]
    fn parts_of_a_study_agree() {
        let mean: Arc<dyn Predictor> = baselines::named("mean").unwrap();
        let truth = array![[0.2, 0.8, 0.0], [0.0, 0.2, 0.8], [0.8, 0.0, 0.2]];
        let states = sequence();
        let sequence = Sequence::new(&states, 3).unwrap();
        let settings = Settings::default();
        let of = |truth: Option<Array2<f64>>| {
            ChainStudy::run(&mean, settings, sequence, &chain(truth, 100, 2), &|_| ()).unwrap()
        };
        let known = of(Some(truth.clone()));
        let names: Vec<&str> = known.rules.iter().map(|rule| rule.name.as_str()).collect();
        assert_eq!(names, ["mean", "counts", "frequencies", "staying", "truth"]);
        let truth_row = &known.rules[4];
        assert_eq!(truth_row.distance.total_variation, 0.0);
        // Frequencies equal the mean rule and score below counts.
        assert!((known.rules[0].log_score - known.rules[2].log_score).abs() < 0.02);
        assert!(known.rules[1].log_score > known.rules[2].log_score + 0.2);
        assert!(known.counted_distance.unwrap() < 0.05 && known.matrix_distance > 0.3);
        assert_eq!(known.visits.iter().sum::<usize>(), 100);
        assert_eq!(known.classes.len(), 1);
        let permuted = known.label_permutations.as_ref().unwrap();
        assert_eq!((permuted.permutations, permuted.log_scores.len()), (2, 2));
        // The rule smooths over neighbours on the axis, which labels are.
        assert!(permuted.total_variation.iter().all(|d| *d < 0.1));
        // Without a true matrix, the counted one is the reference.
        let unknown = of(None);
        assert_eq!((unknown.chains.len(), unknown.counted_distance), (2, None));
        let plain = [(Temperature::default(), mean.clone())];
        let at = unknown.at_temperatures(&plain, settings, sequence).unwrap();
        assert_eq!(at[0].log_score, unknown.rules[0].log_score);
        assert_eq!(
            at[0].total_variation,
            unknown.rules[0].distance.total_variation
        );
    }

    /// Fault: the row after a gap was scored as if it followed the row before.
    #[test]
    fn rows_behind_gaps_are_not_scored() {
        let mean: Arc<dyn Predictor> = baselines::named("mean").unwrap();
        let settings = Settings::default();
        // A ring in which each gap leaps over a state.
        let breaks: Vec<usize> = (1..30).map(|i| 10 * i).collect();
        let states: Vec<usize> = (0..300).map(|t| (t + t / 10) % 3).collect();
        let sequence = Sequence::new(&states, 3).unwrap();
        let of = |sequence: Sequence, last: usize| {
            ChainStudy::run(&mean, settings, sequence, &chain(None, last, 1), &|_| ())
        };
        let broken = sequence.with_breaks(&breaks);
        let found = of(broken, 100).unwrap();
        assert!(found.rules[1].log_score > -0.1);
        assert_eq!(found.visits.iter().sum::<usize>(), 90);
        assert!(
            found
                .counts
                .iter()
                .all(|row| row.iter().filter(|&&n| n > 0).count() == 1)
        );
        assert!(of(sequence, 100).unwrap().rules[1].log_score < -0.3);
        let refusal = of(sequence.with_breaks(&[299]), 1).unwrap_err().to_string();
        assert!(refusal.contains("after a gap"), "{refusal}");
    }

    #[test]
    fn a_true_matrix_of_other_states_is_an_error() {
        let mean: Arc<dyn Predictor> = baselines::named("mean").unwrap();
        let settings = Settings::default();
        let states = sequence();
        let sequence = Sequence::new(&states, 3).unwrap();
        let refused = |truth| {
            let chain = chain(Some(truth), 100, 0);
            let found = ChainStudy::run(&mean, settings, sequence, &chain, &|_| ());
            found.unwrap_err().to_string()
        };
        assert!(refused(array![[1.0]]).contains("1 states for a sequence of 3"));
        assert!(refused(array![[0.5, 0.4], [0.5, 0.5]]).contains("row 0"));
    }
}
