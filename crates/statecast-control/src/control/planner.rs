//! The search for a sequence of actions.

use std::cmp::Ordering;
use std::num::NonZeroUsize;

use ndarray::{Array1, Array2, Array3, Axis, s};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

use crate::density::normal_quantile;
use crate::environment::ActionSpace;

/// Share of the candidates that the next ones are drawn around, and how much of the former mean is kept.
const ELITES: f64 = 0.1;
const KEPT: f64 = 0.1;

/// Correlation of the noise of neighbouring steps: white noise cancels itself in most systems.
const SMOOTHNESS: f64 = 0.7;

/// Least probability of any choice of a discrete action, where there are few.
const LEAST: f64 = 0.02;

/// What an imagined plan is worth: one that breaks limits is worse than any that does not, whatever they earn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// How far the plan goes beyond limits, 0 where it keeps them.
    pub violation: f64,
    /// What it earns.
    pub value: f64,
    /// How far it leads from what was recorded: of plans that earn the same, the nearest is the best known.
    pub distance: f64,
}

impl Score {
    /// That of a plan that keeps all limits and leads nowhere far.
    pub fn of(value: f64) -> Self {
        Self {
            violation: 0.0,
            value,
            distance: 0.0,
        }
    }

    /// Better first; what is no number is the worst.
    fn order(&self, other: &Self) -> Ordering {
        let number = |x: f64, worst: f64| if x.is_nan() { worst } else { x };
        let violation = |of: &Self| number(of.violation, f64::INFINITY);
        let value = |of: &Self| number(of.value, f64::NEG_INFINITY);
        let by_violation = violation(self).total_cmp(&violation(other));
        by_violation
            .then(value(other).total_cmp(&value(self)))
            .then(self.distance.total_cmp(&other.distance))
    }
}

/// How long plans are, and how hard they are searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannerSettings {
    /// Steps of a plan.
    pub horizon: NonZeroUsize,
    /// Plans that are imagined at once.
    pub candidates: NonZeroUsize,
    /// Times that plans are drawn, each time closer to the best ones.
    pub iterations: NonZeroUsize,
}

impl Default for PlannerSettings {
    fn default() -> Self {
        Self {
            horizon: const { NonZeroUsize::new(25).unwrap() },
            candidates: const { NonZeroUsize::new(64).unwrap() },
            iterations: const { NonZeroUsize::new(4).unwrap() },
        }
    }
}

/// The actions that can be taken.
#[derive(Debug, Clone, PartialEq)]
pub enum ActionRange {
    /// Any numbers between bounds, one pair a component.
    Box {
        /// Lower bounds.
        low: Vec<f64>,
        /// Upper bounds, at least the lower ones.
        high: Vec<f64>,
    },
    /// One of some numbers, at least one.
    Choices(Vec<f64>),
}

impl ActionRange {
    /// That of a task.
    pub fn of(space: ActionSpace) -> Self {
        match space {
            ActionSpace::Box { low, high } => Self::Box {
                low: low.to_vec(),
                high: high.to_vec(),
            },
            ActionSpace::Discrete(count) => Self::Choices((0..count).map(|c| c as f64).collect()),
        }
    }

    /// Components of an action.
    pub fn width(&self) -> usize {
        match self {
            Self::Box { low, .. } => low.len(),
            Self::Choices(_) => 1,
        }
    }
}

/// Plans around the best ones so far, from one step of an episode to the next.
///
/// ```
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
/// use statecast::control::{ActionRange, Planner, PlannerSettings, Score};
/// let range = ActionRange::Box { low: vec![-2.0], high: vec![2.0] };
/// let mut planner = Planner::new(range, PlannerSettings::default());
/// let mut random = ChaCha8Rng::seed_from_u64(0);
/// // The best plan ends at 1.5.
/// for _ in 0..8 {
///     let plans = planner.candidates(&mut random);
///     let scores = plans.outer_iter().map(|plan| Score::of(-(plan[[24, 0]] - 1.5).abs()));
///     let scores: Vec<Score> = scores.collect();
///     planner.narrow(&plans, &scores);
/// }
/// assert!((planner.best().unwrap()[[24, 0]] - 1.5).abs() < 0.05);
/// ```
#[derive(Debug, Clone)]
pub struct Planner {
    range: ActionRange,
    settings: PlannerSettings,
    proposal: Proposal,
    /// The best plan of this step.
    best: Option<Best>,
    /// Which of the candidates it is.
    kept: Option<usize>,
    /// That of the step before, one step on.
    former: Option<Array2<f64>>,
}

/// A plan that was imagined so many times, with its mean score: a single one may be luck.
#[derive(Debug, Clone)]
struct Best {
    /// `[horizon, actions]`.
    plan: Array2<f64>,
    score: Score,
    times: f64,
}

/// What plans are drawn from.
#[derive(Debug, Clone)]
enum Proposal {
    /// Means and standard deviations `[horizon, actions]`.
    Normal(Array2<f64>, Array2<f64>),
    /// Probabilities `[horizon, choices]`.
    Categorical(Array2<f64>),
}

impl Proposal {
    fn widest(range: &ActionRange, horizon: usize) -> Self {
        match range {
            ActionRange::Box { low, high } => {
                let shape = (horizon, low.len());
                Self::Normal(
                    Array2::from_shape_fn(shape, |(_, a)| 0.5 * (low[a] + high[a])),
                    Array2::from_shape_fn(shape, |(_, a)| 0.5 * (high[a] - low[a])),
                )
            }
            ActionRange::Choices(choices) => {
                let even = 1.0 / choices.len() as f64;
                Self::Categorical(Array2::from_elem((horizon, choices.len()), even))
            }
        }
    }
}

/// Rows one step on; the last is repeated.
fn shifted(plan: &Array2<f64>) -> Array2<f64> {
    let last = plan.nrows() - 1;
    let rows: Vec<usize> = (0..=last).map(|t| (t + 1).min(last)).collect();
    plan.select(Axis(0), &rows)
}

impl Planner {
    /// Nothing known yet: plans are drawn from the whole range.
    pub fn new(range: ActionRange, settings: PlannerSettings) -> Self {
        Self {
            proposal: Proposal::widest(&range, settings.horizon.get()),
            range,
            settings,
            best: None,
            kept: None,
            former: None,
        }
    }

    /// How it searches.
    pub fn settings(&self) -> PlannerSettings {
        self.settings
    }

    /// Forgets all plans.
    pub fn begin(&mut self) {
        *self = Self::new(self.range.clone(), self.settings);
    }

    /// Goes on by one step: plans begin with the action after the first, and numbers are as uncertain as in the beginning,
    /// choices half as certain as before.
    pub fn go_on(&mut self) {
        let widest = Proposal::widest(&self.range, self.settings.horizon.get());
        self.proposal = match (&self.proposal, widest) {
            (Proposal::Normal(mean, _), Proposal::Normal(_, std)) => {
                Proposal::Normal(shifted(mean), std)
            }
            (Proposal::Categorical(shares), Proposal::Categorical(even)) => {
                Proposal::Categorical(0.5 * (shifted(shares) + even))
            }
            (_, widest) => widest,
        };
        self.former = self.best.take().map(|best| shifted(&best.plan));
    }

    /// Draws plans `[candidates, horizon, actions]`, the best one so far among them, to be imagined again.
    pub fn candidates(&mut self, random: &mut ChaCha8Rng) -> Array3<f64> {
        let (count, horizon) = (self.settings.candidates.get(), self.settings.horizon.get());
        let mut plans = Array3::zeros((count, horizon, self.range.width()));
        for mut plan in plans.outer_iter_mut() {
            plan.assign(&self.drawn(random));
        }
        // At another place each time: paths of a pool are shared out among models by their number.
        let place = random.random_range(0..count);
        self.kept = self.best.is_some().then_some(place);
        let best = self.best.as_ref().map(|best| &best.plan);
        if let Some(plan) = best.or(self.former.as_ref()) {
            plans.index_axis_mut(Axis(0), place).assign(plan);
        }
        plans
    }

    fn drawn(&self, random: &mut ChaCha8Rng) -> Array2<f64> {
        match (&self.proposal, &self.range) {
            (Proposal::Normal(mean, std), ActionRange::Box { low, high }) => {
                let mut noise: Array1<f64> = Array1::zeros(mean.ncols());
                let fresh = (1.0 - SMOOTHNESS * SMOOTHNESS).sqrt();
                Array2::from_shape_fn(mean.dim(), |(t, a)| {
                    let drawn = normal_quantile(random.random_range(1e-12..1.0));
                    noise[a] = match t {
                        0 => drawn,
                        _ => SMOOTHNESS * noise[a] + fresh * drawn,
                    };
                    (mean[[t, a]] + std[[t, a]] * noise[a]).clamp(low[a], high[a])
                })
            }
            (Proposal::Categorical(shares), ActionRange::Choices(choices)) => {
                Array2::from_shape_fn((shares.nrows(), 1), |(t, _)| {
                    let mut left: f64 = random.random();
                    let reached = |share: &f64| {
                        left -= share;
                        left < 0.0
                    };
                    let found = shares.row(t).iter().position(reached);
                    choices[found.unwrap_or(choices.len() - 1)]
                })
            }
            _ => unreachable!("proposals are made of the range"),
        }
    }

    /// Draws the next plans around the best of these, `[candidates, horizon, actions]` with a score each.
    pub fn narrow(&mut self, plans: &Array3<f64>, scores: &[Score]) {
        let mut scores = scores.to_vec();
        if let (Some(best), Some(place)) = (&mut self.best, self.kept.take()) {
            let mean = |old: f64, new: f64| (best.times * old + new) / (best.times + 1.0);
            best.score = Score {
                violation: mean(best.score.violation, scores[place].violation),
                value: mean(best.score.value, scores[place].value),
                distance: mean(best.score.distance, scores[place].distance),
            };
            best.times += 1.0;
            scores[place] = best.score;
        }
        let mut order: Vec<usize> = (0..plans.len_of(Axis(0))).collect();
        order.sort_by(|&a, &b| scores[a].order(&scores[b]));
        let Some(&first) = order.first() else { return };
        let is_better = |best: &Best| scores[first].order(&best.score) == Ordering::Less;
        if self.best.as_ref().is_none_or(is_better) {
            self.best = Some(Best {
                plan: plans.index_axis(Axis(0), first).to_owned(),
                score: scores[first],
                times: 1.0,
            });
        }
        let count = ((ELITES * order.len() as f64) as usize).clamp(2.min(order.len()), order.len());
        let elites = plans.select(Axis(0), &order[..count]);
        match (&mut self.proposal, &self.range) {
            (Proposal::Normal(mean, std), _) => {
                let of_elites = elites.sum_axis(Axis(0)) / count as f64;
                let spread = elites.std_axis(Axis(0), 0.0);
                *mean = KEPT * &*mean + (1.0 - KEPT) * of_elites;
                *std = KEPT * &*std + (1.0 - KEPT) * spread;
            }
            (Proposal::Categorical(shares), ActionRange::Choices(choices)) => {
                let least = LEAST.min(0.5 / choices.len() as f64);
                for ((t, c), share) in shares.indexed_iter_mut() {
                    let taken = elites.slice(s![.., t, 0]);
                    let taken = taken.iter().filter(|&&a| a == choices[c]).count();
                    let found = KEPT * *share + (1.0 - KEPT) * taken as f64 / count as f64;
                    *share = least + (1.0 - least * choices.len() as f64) * found;
                }
            }
            _ => unreachable!("proposals are made of the range"),
        }
    }

    /// The best plan of this step, `[horizon, actions]`.
    pub fn best(&self) -> Option<&Array2<f64>> {
        self.best.as_ref().map(|best| &best.plan)
    }

    /// Its mean score.
    pub fn score(&self) -> Option<Score> {
        self.best.as_ref().map(|best| best.score)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn random() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(3)
    }

    #[test]
    fn plans_stay_in_the_range() {
        let range = ActionRange::Box {
            low: vec![-1.0, 0.0],
            high: vec![1.0, 0.5],
        };
        let mut planner = Planner::new(range, PlannerSettings::default());
        let plans = planner.candidates(&mut random());
        assert_eq!(plans.dim(), (64, 25, 2));
        for plan in plans.outer_iter() {
            assert!(plan.column(0).iter().all(|a| (-1.0..=1.0).contains(a)));
            assert!(plan.column(1).iter().all(|a| (0.0..=0.5).contains(a)));
        }
    }

    /// Of two actions the one that is worth more is found at every step.
    #[test]
    fn choices_are_found() {
        let mut planner = Planner::new(
            ActionRange::Choices(vec![0.0, 1.0]),
            PlannerSettings::default(),
        );
        let wanted = |t: usize| f64::from(u8::from(t.is_multiple_of(3)));
        let mut random = random();
        for _ in 0..12 {
            let plans = planner.candidates(&mut random);
            let hits = plans.outer_iter().map(|plan| {
                let hits = plan.column(0).into_iter().enumerate();
                Score::of(hits.filter(|(t, a)| **a == wanted(*t)).count() as f64)
            });
            let scores: Vec<Score> = hits.collect();
            planner.narrow(&plans, &scores);
        }
        assert!(planner.score().unwrap().value >= 24.0);
    }

    #[test]
    fn the_best_plan_goes_on_into_the_next_step() {
        let range = ActionRange::Box {
            low: vec![0.0],
            high: vec![1.0],
        };
        let mut planner = Planner::new(range, PlannerSettings::default());
        let plans = planner.candidates(&mut random());
        let scores: Vec<Score> = (0..64).map(|i| Score::of(f64::from(i == 9))).collect();
        planner.narrow(&plans, &scores);
        planner.go_on();
        let next = planner.candidates(&mut random());
        let goes_on =
            |plan: ndarray::ArrayView2<f64>| (0..24).all(|t| plan[[t, 0]] == plans[[9, t + 1, 0]]);
        assert_eq!(next.outer_iter().filter(|plan| goes_on(*plan)).count(), 1);
    }

    /// A score that is no number never wins, and no return outweighs a limit.
    #[test]
    fn scores_are_ordered_by_limits_first() {
        let range = ActionRange::Choices(vec![0.0, 1.0]);
        let mut planner = Planner::new(range, PlannerSettings::default());
        let plans = planner.candidates(&mut random());
        let mut scores = vec![Score::of(f64::NAN); 64];
        scores[4] = Score {
            violation: 1e-9,
            ..Score::of(1e30)
        };
        scores[5] = Score::of(-7.0);
        planner.narrow(&plans, &scores);
        assert_eq!(planner.score(), Some(Score::of(-7.0)));
    }

    /// Fault: of plans that earned the same any was taken, and a cart whose pole stood drifted off its track.
    #[test]
    fn of_equal_plans_the_nearest_is_taken() {
        let range = ActionRange::Choices(vec![0.0, 1.0]);
        let mut planner = Planner::new(range, PlannerSettings::default());
        let plans = planner.candidates(&mut random());
        let far = |i: usize| Score {
            distance: (i as f64 - 20.0).abs(),
            ..Score::of(25.0)
        };
        let scores: Vec<Score> = (0..64).map(far).collect();
        planner.narrow(&plans, &scores);
        assert_eq!(planner.best().unwrap(), &plans.index_axis(Axis(0), 20));
    }

    /// Fault: the luckiest of all scores was kept for ever, however bad the same plan was when it was imagined again.
    #[test]
    fn luck_does_not_last() {
        let range = ActionRange::Choices(vec![0.0, 1.0]);
        let mut planner = Planner::new(range, PlannerSettings::default());
        let mut random = random();
        let plans = planner.candidates(&mut random);
        let mut scores = vec![Score::of(0.0); 64];
        scores[3] = Score::of(10.0);
        planner.narrow(&plans, &scores);
        let lucky = planner.best().unwrap().clone();
        let plans = planner.candidates(&mut random);
        let again = plans.outer_iter().position(|plan| plan == lucky).unwrap();
        let mut scores = vec![Score::of(1.0); 64];
        scores[again] = Score::of(-30.0);
        planner.narrow(&plans, &scores);
        assert_eq!(planner.score(), Some(Score::of(1.0)));
    }
}
