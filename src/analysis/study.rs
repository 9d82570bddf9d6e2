//! All that is asked about a sequence of states and a predictor that read it.

use std::sync::Arc;

use ndarray::{Array1, Array2};
use serde::Serialize;

use super::{
    AnalysisError, Chain, Class, Counts, Distance, Laws, PowerLaw, Sequence, Share, counted,
    frequencies, infer, mean_laws, power_law, relabelled, staying, total_variation,
};
use crate::forecast::{Predictor, Settings, Temperature};

/// What is asked.
#[derive(Debug, Clone)]
pub struct Questions {
    /// Rows at the end over which laws are averaged and scored.
    pub last: usize,
    /// Permutations of the labels.
    pub relabellings: usize,
    /// Seed of the permutations.
    pub seed: u64,
}

/// A chain and where it goes.
#[derive(Debug, Clone, Serialize)]
pub struct Described {
    /// What it is: `inferred`, `counted` or `true`.
    pub name: String,
    /// `[from][to]`.
    pub matrix: Vec<Vec<f64>>,
    /// The stationary law; none if there are several.
    pub stationary: Option<Vec<f64>>,
    /// 1 less the second largest modulus of its eigenvalues.
    pub spectral_gap: f64,
    /// Steps after which a difference is a e-th of what it was: `-1 / ln(1 - gap)`; none if it stays.
    pub relaxation: Option<f64>,
}

/// How well a rule tells the next state.
#[derive(Debug, Clone, Serialize)]
pub struct Judged {
    /// Name of the rule.
    pub name: String,
    /// Mean log probability of what came over the last rows, nats.
    pub log_score: f64,
    /// Distance of the laws over the last rows from the matrix that they are judged by.
    pub distance: Distance,
    /// The same in stretches of context that double.
    pub curve: Vec<Distance>,
    /// The power law through the curve's total variations.
    pub power_law: Option<PowerLaw>,
}

/// What a temperature does.
#[derive(Debug, Clone, Serialize)]
pub struct AtTemperature {
    /// The temperature.
    pub temperature: f64,
    /// Mean log probability over the last rows, nats.
    pub log_score: f64,
    /// Mean total variation from the matrix that laws are judged by.
    pub total_variation: f64,
    /// The stationary law of the inferred chain; none if there are several.
    pub stationary: Option<Vec<f64>>,
    /// Its spectral gap.
    pub spectral_gap: f64,
}

/// What permuted labels do.
#[derive(Debug, Clone, Serialize)]
pub struct Relabelling {
    /// Permutations.
    pub permutations: usize,
    /// Log score of each, over the last rows, nats.
    pub log_scores: Vec<f64>,
    /// Mean total variation of the laws over the last rows from those under the first labels, of each.
    pub total_variation: Vec<f64>,
    /// Log score of the mean of all laws.
    pub mean_log_score: f64,
    /// Mean total variation of the mean of all laws from the matrix that laws are judged by.
    pub mean_total_variation: f64,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct Study {
    /// Rows of the sequence.
    pub rows: usize,
    /// Rows at the end over which laws are averaged and scored.
    pub last: usize,
    /// How often each state was left in these rows.
    pub visits: Vec<usize>,
    /// Transitions of the whole sequence, `[from][to]`.
    pub counts: Vec<Vec<u64>>,
    /// Classes of states that were seen to lead to each other.
    pub classes: Vec<Class>,
    /// How often each state came.
    pub seen: Vec<usize>,
    /// Their probabilities, `[from][to]`, with intervals.
    pub intervals: Vec<Vec<Share>>,
    /// The inferred chain, the counted one and the true one if that is known.
    pub chains: Vec<Described>,
    /// Whether laws are judged by the true matrix, or by the counted one.
    pub truth_is_known: bool,
    /// Mean total variation between the rows of the inferred matrix and the one that laws are judged by, over the
    /// states that were left in the last rows.
    pub matrix_distance: f64,
    /// The same of the matrix counted over the whole sequence; none where that is what laws are judged by.
    pub counted_distance: Option<f64>,
    /// The predictor and simple rules.
    pub rules: Vec<Judged>,
    /// Permuted labels; none if there were none.
    pub relabelling: Option<Relabelling>,
}

/// Shows a sequence to a predictor and puts together what its laws say. Rows that do not follow the row before are
/// neither counted nor scored.
///
/// # Errors
/// As [`infer`]; [`AnalysisError::NothingFollows`] if all rows to score are such; [`AnalysisError::Truth`] for a true matrix of other states, [`AnalysisError::Shape`] and
/// [`AnalysisError::Row`] for one that is none.
pub fn study(
    predictor: &Arc<dyn Predictor>,
    settings: Settings,
    sequence: Sequence,
    truth: Option<Array2<f64>>,
    questions: &Questions,
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
    let first = came.len().saturating_sub(questions.last).max(1);
    let scored: Vec<usize> = (first..came.len())
        .filter(|&t| sequence.follows(t))
        .collect();
    if scored.is_empty() {
        return Err(AnalysisError::NothingFollows(came.len() - first));
    }
    let counts = Counts::of(sequence);
    let whole = 1.0 + questions.relabellings as f64;
    let laws = infer(predictor.clone(), settings, sequence)?;
    progress(1.0 / whole);
    let (matrix, visits) = laws.matrix(first);
    let empirical = counts.matrix();
    let judge = truth.as_ref().map_or(&empirical, Chain::matrix);
    let judged = |name: String, laws: &Laws| {
        let curve = laws.distances(judge);
        let points: Vec<_> = curve
            .iter()
            .map(|d| (d.context, d.total_variation))
            .collect();
        Judged {
            name,
            log_score: laws.log_score(first),
            distance: laws.distance(judge, first, came.len()),
            power_law: power_law(&points),
            curve,
        }
    };
    let mut rules = vec![judged(predictor.name(), &laws)];
    for (name, laws) in [
        ("counts", counted(sequence)),
        ("frequencies", frequencies(sequence)),
        ("staying", staying(sequence)),
    ] {
        rules.push(judged(name.to_owned(), &laws));
    }
    if let Some(chain) = &truth {
        let of = |t: usize| came[t.saturating_sub(1)];
        let shape = (came.len(), states);
        let told = Array2::from_shape_fn(shape, |(t, to)| chain.matrix()[[of(t), to]]);
        rules.push(judged("truth".to_owned(), &Laws::new(sequence, told)));
    }
    let relabelling = match questions.relabellings {
        0 => None,
        permutations => {
            let others = relabelled(
                predictor,
                settings,
                sequence,
                permutations,
                questions.seed,
                &|share| progress((1.0 + share * permutations as f64) / whole),
            )?;
            let apart = |other: &Laws| {
                let of =
                    |&t: &usize| total_variation(&other.law(t).to_vec(), &laws.law(t).to_vec());
                scored.iter().map(of).sum::<f64>() / scored.len() as f64
            };
            let mut all = vec![laws.clone()];
            let (log_scores, distances) = others
                .iter()
                .map(|other| (other.log_score(first), apart(other)))
                .unzip();
            all.extend(others);
            mean_laws(&all).map(|mean| Relabelling {
                permutations: all.len() - 1,
                log_scores,
                total_variation: distances,
                mean_log_score: mean.log_score(first),
                mean_total_variation: mean.distance(judge, first, came.len()).total_variation,
            })
        }
    };
    let visited = |matrix: &Array2<f64>| {
        let visited: Vec<usize> = (0..states).filter(|&from| visits[from] > 0).collect();
        let distances = visited
            .iter()
            .map(|&from| total_variation(&matrix.row(from).to_vec(), &judge.row(from).to_vec()));
        distances.sum::<f64>() / visited.len().max(1) as f64
    };
    let inferred = Chain::new(matrix)?;
    let counted = Chain::new(empirical.clone())?;
    let mut chains = vec![
        Described::of("inferred", &inferred),
        Described::of("counted", &counted),
    ];
    chains.extend(truth.as_ref().map(|chain| Described::of("true", chain)));
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
        relabelling,
    })
}

/// What a predictor infers at several temperatures.
///
/// # Errors
/// As [`infer`].
pub fn at_temperatures(
    predictors: &[(Temperature, Arc<dyn Predictor>)],
    settings: Settings,
    sequence: Sequence,
    study: &Study,
) -> Result<Vec<AtTemperature>, AnalysisError> {
    let judge = study.judge();
    let first = study.rows - study.last;
    let read = |(temperature, predictor): &(Temperature, Arc<dyn Predictor>)| {
        let laws = infer(predictor.clone(), settings, sequence)?;
        let chain = Chain::new(laws.matrix(first).0)?;
        Ok(AtTemperature {
            temperature: temperature.get(),
            log_score: laws.log_score(first),
            total_variation: laws.distance(&judge, first, study.rows).total_variation,
            stationary: chain.stationary().map(|law| law.to_vec()),
            spectral_gap: chain.spectral_gap(),
        })
    };
    predictors.iter().map(read).collect()
}

impl Study {
    /// The matrix that laws are judged by.
    fn judge(&self) -> Array2<f64> {
        let chain = match self.truth_is_known {
            true => &self.chains[2],
            false => &self.chains[1],
        };
        let states = chain.matrix.len();
        Array2::from_shape_fn((states, states), |(from, to)| chain.matrix[from][to])
    }
}

impl Described {
    fn of(name: &str, chain: &Chain) -> Self {
        let gap = chain.spectral_gap();
        Self {
            name: name.to_owned(),
            matrix: rows_of(chain.matrix()),
            stationary: chain.stationary().map(|law: Array1<f64>| law.to_vec()),
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

    fn questions(relabellings: usize) -> Questions {
        Questions {
            last: 100,
            relabellings,
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
            study(&mean, settings, sequence, truth, &questions(2), &|_| ()).unwrap()
        };
        let known = of(Some(truth.clone()));
        let names: Vec<&str> = known.rules.iter().map(|rule| rule.name.as_str()).collect();
        assert_eq!(names, ["mean", "counts", "frequencies", "staying", "truth"]);
        let truth_row = &known.rules[4];
        assert_eq!(truth_row.distance.total_variation, 0.0);
        // Frequencies say the same as the mean rule, and less than counts.
        assert!((known.rules[0].log_score - known.rules[2].log_score).abs() < 0.02);
        assert!(known.rules[1].log_score > known.rules[2].log_score + 0.2);
        assert!(known.counted_distance.unwrap() < 0.05 && known.matrix_distance > 0.3);
        assert_eq!(known.visits.iter().sum::<usize>(), 100);
        assert_eq!(known.classes.len(), 1);
        let relabelling = known.relabelling.as_ref().unwrap();
        assert_eq!(
            (relabelling.permutations, relabelling.log_scores.len()),
            (2, 2)
        );
        // The rule smooths over neighbours on the axis, which labels are.
        assert!(relabelling.total_variation.iter().all(|d| *d < 0.1));
        // Without a truth, laws are judged by what was counted.
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

    /// Fault: what came behind a gap was scored as if it followed.
    #[test]
    fn rows_behind_gaps_are_not_scored() {
        let mean: Arc<dyn Predictor> = baselines::named("mean").unwrap();
        let settings = Settings::default();
        // A ring in which each gap leaps over a state.
        let breaks: Vec<usize> = (1..30).map(|i| 10 * i).collect();
        let states: Vec<usize> = (0..300).map(|t| (t + t / 10) % 3).collect();
        let sequence = Sequence::new(&states, 3).unwrap();
        let of = |sequence: Sequence, last: usize| {
            let questions = Questions {
                last,
                ..questions(1)
            };
            study(&mean, settings, sequence, None, &questions, &|_| ())
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
        assert!(refusal.contains("behind a gap"), "{refusal}");
    }

    #[test]
    fn a_truth_of_other_states_is_refused() {
        let mean: Arc<dyn Predictor> = baselines::named("mean").unwrap();
        let settings = Settings::default();
        let states = sequence();
        let sequence = Sequence::new(&states, 3).unwrap();
        let refused = |truth| {
            let truth = Some(truth);
            let found = study(&mean, settings, sequence, truth, &questions(0), &|_| ());
            found.unwrap_err().to_string()
        };
        assert!(refused(array![[1.0]]).contains("1 states for a sequence of 3"));
        assert!(refused(array![[0.5, 0.4], [0.5, 0.5]]).contains("row 0"));
    }
}
