//! Study of a predictor on a sequence of states.

use std::sync::Arc;

use ndarray::{Array1, Array2};
use serde::Serialize;

use super::{
    AnalysisError, Chain, Class, Counts, Distance, PowerLaw, ProbabilityInterval, Sequence,
    StateDistributions, counted, frequencies, infer, infer_permuted, mean_distributions, power_law,
    staying, total_variation,
};
use crate::forecast::{Predictor, Settings, Temperature};

/// Settings of a study.
#[derive(Debug, Clone)]
pub struct StudyConfig {
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

/// Output of a study.
#[derive(Debug, Clone, Serialize)]
pub struct Study {
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
    #[serde(rename = "relabelling")]
    pub label_permutations: Option<LabelPermutations>,
}

/// Studies a predictor on a sequence. Rows that do not follow the row before are neither counted nor scored.
///
/// # Errors
/// As [`infer`]; [`AnalysisError::NothingFollows`] if all of the final rows are such, [`AnalysisError::Truth`] for a true
/// matrix with other states, [`AnalysisError::Shape`] and [`AnalysisError::Row`] for an invalid one.
pub fn study(
    predictor: &Arc<dyn Predictor>,
    settings: Settings,
    sequence: Sequence,
    truth: Option<Array2<f64>>,
    config: &StudyConfig,
    progress: &dyn Fn(f64),
) -> Result<Study, AnalysisError> {
    let (came, states) = (sequence.states(), sequence.count());
    let truth = truth.map(Chain::new).transpose()?;
    if let Some(chain) = truth.as_ref().filter(|chain| chain.states() != states) {
        return Err(AnalysisError::Truth {
            rows: chain.states(),
            states,
        });
    }
    let first = came.len().saturating_sub(config.last).max(1);
    let rows: Vec<usize> = (first..came.len())
        .filter(|&t| sequence.follows(t))
        .collect();
    if rows.is_empty() {
        return Err(AnalysisError::NothingFollows(came.len() - first));
    }
    let counts = Counts::of(sequence);
    let whole = 1.0 + config.label_permutations as f64;
    let distributions = infer(predictor.clone(), settings, sequence)?;
    progress(1.0 / whole);
    let (matrix, visits) = distributions.matrix(first);
    let empirical = counts.matrix();
    let reference = truth.as_ref().map_or(&empirical, Chain::matrix);
    let scored = |name: String, distributions: &StateDistributions| {
        let curve = distributions.distances(reference);
        let points: Vec<_> = curve
            .iter()
            .map(|d| (d.context, d.total_variation))
            .collect();
        RuleScore {
            name,
            log_score: distributions.log_score(first),
            distance: distributions.distance(reference, first, came.len()),
            power_law: power_law(&points),
            curve,
        }
    };
    let mut rules = vec![scored(predictor.name(), &distributions)];
    for (name, distributions) in [
        ("counts", counted(sequence)),
        ("frequencies", frequencies(sequence)),
        ("staying", staying(sequence)),
    ] {
        rules.push(scored(name.to_owned(), &distributions));
    }
    if let Some(chain) = &truth {
        let of = |t: usize| came[t.saturating_sub(1)];
        let shape = (came.len(), states);
        let proportional = Array2::from_shape_fn(shape, |(t, to)| chain.matrix()[[of(t), to]]);
        rules.push(scored(
            "truth".to_owned(),
            &StateDistributions::new(sequence, proportional),
        ));
    }
    let label_permutations = match config.label_permutations {
        0 => None,
        permutations => {
            let others = infer_permuted(
                predictor,
                settings,
                sequence,
                permutations,
                config.seed,
                &|share| progress((1.0 + share * permutations as f64) / whole),
            )?;
            let branched = |other: &StateDistributions| {
                let of = |&t: &usize| {
                    total_variation(
                        &other.distribution(t).to_vec(),
                        &distributions.distribution(t).to_vec(),
                    )
                };
                rows.iter().map(of).sum::<f64>() / rows.len() as f64
            };
            let mut all = vec![distributions.clone()];
            let (log_scores, distances) = others
                .iter()
                .map(|other| (other.log_score(first), branched(other)))
                .unzip();
            all.extend(others);
            mean_distributions(&all).map(|mean| LabelPermutations {
                permutations: all.len() - 1,
                log_scores,
                total_variation: distances,
                mean_log_score: mean.log_score(first),
                mean_total_variation: mean.distance(reference, first, came.len()).total_variation,
            })
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
    Ok(Study {
        rows: came.len(),
        last: came.len() - first,
        matrix_distance: visited(inferred.matrix()),
        counted_distance: truth.is_some().then(|| visited(&empirical)),
        visits,
        counts: rows_of(counts.table()),
        classes: counts.classes(),
        seen: (0..states)
            .map(|state| came.iter().filter(|&&s| s == state).count())
            .collect(),
        intervals: (0..states).map(|from| counts.intervals(from)).collect(),
        truth_is_known: truth.is_some(),
        chains,
        rules,
        label_permutations,
    })
}

/// Studies a predictor at several temperatures.
///
/// # Errors
/// As [`infer`].
pub fn at_temperatures(
    predictors: &[(Temperature, Arc<dyn Predictor>)],
    settings: Settings,
    sequence: Sequence,
    study: &Study,
) -> Result<Vec<AtTemperature>, AnalysisError> {
    let reference = study.reference();
    let first = study.rows - study.last;
    let read = |(temperature, predictor): &(Temperature, Arc<dyn Predictor>)| {
        let distributions = infer(predictor.clone(), settings, sequence)?;
        let chain = Chain::new(distributions.matrix(first).0)?;
        Ok(AtTemperature {
            temperature: temperature.get(),
            log_score: distributions.log_score(first),
            total_variation: distributions
                .distance(&reference, first, study.rows)
                .total_variation,
            stationary: chain.stationary().map(|distribution| distribution.to_vec()),
            spectral_gap: chain.spectral_gap(),
        })
    };
    predictors.iter().map(read).collect()
}

impl Study {
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

    fn config(label_permutations: usize) -> StudyConfig {
        StudyConfig {
            last: 100,
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
            study(&mean, settings, sequence, truth, &config(2), &|_| ()).unwrap()
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
        let relabelling = known.label_permutations.as_ref().unwrap();
        assert_eq!(
            (relabelling.permutations, relabelling.log_scores.len()),
            (2, 2)
        );
        // The rule smooths over neighbours on the axis, which labels are.
        assert!(relabelling.total_variation.iter().all(|d| *d < 0.1));
        // Without a true matrix, the counted one is the reference.
        let unknown = of(None);
        assert_eq!((unknown.chains.len(), unknown.counted_distance), (2, None));
        let plain = [(Temperature::default(), mean.clone())];
        let at = at_temperatures(&plain, settings, sequence, &unknown).unwrap();
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
            let config = StudyConfig { last, ..config(1) };
            study(&mean, settings, sequence, None, &config, &|_| ())
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
            let truth = Some(truth);
            let found = study(&mean, settings, sequence, truth, &config(0), &|_| ());
            found.unwrap_err().to_string()
        };
        assert!(refused(array![[1.0]]).contains("1 states for a sequence of 3"));
        assert!(refused(array![[0.5, 0.4], [0.5, 0.5]]).contains("row 0"));
    }
}
