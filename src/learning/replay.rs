//! What an agent has lived through, and what was imagined beside it.

use std::collections::VecDeque;
use std::ops::Range;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// One step of an environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// Observed before the step.
    pub observation: Vec<f32>,
    /// Action taken.
    pub action: Vec<f32>,
    /// Reward earned.
    pub reward: f32,
    /// Observed after the step, also where the step was an episode's last.
    pub next: Vec<f32>,
    /// Whether nothing is earned any more. A time limit is no such end.
    pub terminated: bool,
    /// Weight in the losses: 1 for what happened.
    pub weight: f32,
    /// The simulator's exact state before the step; empty where it will not be asked for.
    pub state: Vec<f64>,
}

/// Transitions of a training step, row by row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// `[rows, observations]`.
    pub observations: Vec<f32>,
    /// `[rows, actions]`.
    pub actions: Vec<f32>,
    /// `[rows]`.
    pub rewards: Vec<f32>,
    /// `[rows, observations]`.
    pub next: Vec<f32>,
    /// 1 where the next observation is worth something, 0 where the step ended all, `[rows]`.
    pub goes_on: Vec<f32>,
    /// Weights in the losses, `[rows]`.
    pub weights: Vec<f32>,
}

impl Batch {
    /// Rows.
    pub fn rows(&self) -> usize {
        self.rewards.len()
    }

    /// Puts a transition behind the others.
    pub fn push(&mut self, transition: &Transition) {
        self.observations.extend(&transition.observation);
        self.actions.extend(&transition.action);
        self.rewards.push(transition.reward);
        self.next.extend(&transition.next);
        self.goes_on
            .push(f32::from(u8::from(!transition.terminated)));
        self.weights.push(transition.weight);
    }
}

/// The latest transitions of a run, which know their episodes.
///
/// Rows are numbered through the whole run; the oldest are overwritten when the buffer is full, and an
/// episode then begins behind its overwritten rows.
///
/// ```
/// use statecast::learning::{Replay, Transition};
///
/// let mut replay = Replay::new(5);
/// for (t, last) in [(0, false), (1, false), (2, true), (3, false), (4, false), (5, false)] {
///     let value = t as f32;
///     replay.push(Transition {
///         observation: vec![value],
///         action: vec![0.0],
///         reward: value,
///         next: vec![value + 1.0],
///         terminated: false,
///         weight: 1.0,
///         state: vec![],
///     }, last);
/// }
/// // Of the first episode rows 1 and 2 are left.
/// assert_eq!(replay.episodes().collect::<Vec<_>>(), [1..3, 3..6]);
/// assert_eq!(replay.row(0), None);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    capacity: usize,
    /// Row `n` of the run stands at `n` modulo the capacity.
    rows: Vec<Transition>,
    /// Rows so far.
    count: usize,
    /// Rows of the episodes that have not been overwritten, oldest first; the last one may go on.
    episodes: VecDeque<Range<usize>>,
    /// Whether the last episode goes on.
    open: bool,
}

impl Replay {
    /// An empty buffer of at least one row.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            rows: Vec::new(),
            count: 0,
            episodes: VecDeque::new(),
            open: false,
        }
    }

    /// A buffer as it was: its rows, oldest first, the numbers of its episodes' first rows, and the number of the
    /// row behind the last one. `None` if these do not fit.
    pub(super) fn restored(
        capacity: usize,
        rows: Vec<Transition>,
        starts: &[usize],
        end: usize,
        open: bool,
    ) -> Option<Self> {
        let oldest = end.checked_sub(rows.len())?;
        let first = starts.first().copied().unwrap_or(end);
        let whole = rows.len() == capacity || oldest == 0;
        let ordered = starts.windows(2).all(|pair| pair[0] < pair[1]);
        let within = starts.last().is_none_or(|&start| start < end);
        if first != oldest || rows.len() > capacity || !(whole && ordered && within) {
            return None;
        }
        let mut slots = rows;
        // The oldest row stands at its number modulo the capacity.
        if slots.len() == capacity {
            slots.rotate_right(oldest % capacity);
        }
        let ends = starts.iter().skip(1).copied().chain([end]);
        Some(Self {
            capacity,
            rows: slots,
            count: end,
            episodes: starts
                .iter()
                .zip(ends)
                .map(|(&start, end)| start..end)
                .collect(),
            open,
        })
    }

    /// Rows that can be drawn.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a row, the last of its episode or not.
    pub fn push(&mut self, transition: Transition, last: bool) {
        let slot = self.count % self.capacity;
        match self.rows.get_mut(slot) {
            Some(row) => *row = transition,
            None => self.rows.push(transition),
        }
        let row = self.count;
        self.count += 1;
        match self.episodes.back_mut() {
            Some(episode) if self.open => episode.end = row + 1,
            _ => self.episodes.push_back(row..row + 1),
        }
        self.open = !last;
        let oldest = self.count.saturating_sub(self.capacity);
        while let Some(first) = self.episodes.front_mut() {
            first.start = first.start.max(oldest);
            if first.start < first.end {
                break;
            }
            self.episodes.pop_front();
        }
    }

    /// Numbers of the rows of the episodes, oldest first.
    pub fn episodes(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.episodes.iter().cloned()
    }

    /// Whether the last episode goes on.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// A row by its number in the run; `None` if it has been overwritten or has not come.
    pub fn row(&self, number: usize) -> Option<&Transition> {
        let there = number < self.count && self.count - number <= self.rows.len();
        there.then(|| &self.rows[number % self.capacity])
    }

    /// Rows drawn with replacement.
    ///
    /// # Panics
    /// If the buffer is empty.
    pub fn sample(&self, rows: usize, random: &mut ChaCha8Rng) -> Batch {
        let mut batch = Batch::default();
        self.sample_into(&mut batch, rows, random);
        batch
    }

    /// Puts rows drawn with replacement behind those of a batch.
    ///
    /// # Panics
    /// If the buffer is empty.
    pub fn sample_into(&self, batch: &mut Batch, rows: usize, random: &mut ChaCha8Rng) {
        for _ in 0..rows {
            batch.push(&self.rows[random.random_range(0..self.rows.len())]);
        }
    }

    /// A stretch of an episode that has at least `shortest` rows: `longest` of them, or all where there are
    /// fewer. Episodes are drawn by their lengths, stretches of an episode are all as likely; `None` if no
    /// episode is that long.
    pub fn sample_stretch(
        &self,
        shortest: usize,
        longest: usize,
        random: &mut ChaCha8Rng,
    ) -> Option<Range<usize>> {
        let enough = |episode: &&Range<usize>| episode.len() >= shortest.max(1);
        let fitting = || self.episodes.iter().filter(enough);
        let rows: usize = fitting().map(Range::len).sum();
        if rows == 0 {
            return None;
        }
        let mut place = random.random_range(0..rows);
        let mut episodes = fitting();
        let mut episode = episodes.next()?;
        while place >= episode.len() {
            place -= episode.len();
            episode = episodes.next()?;
        }
        let length = episode.len().min(longest.max(1));
        let start = episode.start + random.random_range(0..=episode.len() - length);
        Some(start..start + length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;

    fn transition(row: usize) -> Transition {
        Transition {
            observation: vec![row as f32],
            action: vec![-(row as f32)],
            reward: row as f32,
            next: vec![row as f32 + 1.0],
            terminated: row % 7 == 6,
            weight: 1.0,
            state: Vec::new(),
        }
    }

    proptest! {
        /// Whatever is pushed: what is left is the latest rows, episodes are those that were pushed, cut
        /// at the oldest row, and every window lies within one of them.
        #[test]
        fn rows_and_episodes_are_the_latest(
            capacity in 1usize..40, lasts in prop::collection::vec(any::<bool>(), 1..120), length in 1usize..6,
        ) {
            let mut replay = Replay::new(capacity);
            for (row, &last) in lasts.iter().enumerate() {
                replay.push(transition(row), last);
            }
            let oldest = lasts.len().saturating_sub(capacity);
            prop_assert_eq!(replay.len(), lasts.len() - oldest);
            for row in 0..lasts.len() + 3 {
                let expected = (oldest..lasts.len()).contains(&row).then(|| transition(row));
                prop_assert_eq!(replay.row(row), expected.as_ref());
            }
            let mut expected: Vec<Range<usize>> = Vec::new();
            let mut start = 0;
            for (row, &last) in lasts.iter().enumerate() {
                if last || row + 1 == lasts.len() {
                    let episode = start.max(oldest)..row + 1;
                    expected.extend((!episode.is_empty()).then_some(episode));
                    start = row + 1;
                }
            }
            let episodes: Vec<Range<usize>> = replay.episodes().collect();
            prop_assert_eq!(&episodes, &expected);
            let mut random = ChaCha8Rng::seed_from_u64(0);
            let longest = length + 2;
            for _ in 0..20 {
                match replay.sample_stretch(length, longest, &mut random) {
                    None => prop_assert!(episodes.iter().all(|e| e.len() < length)),
                    Some(stretch) => {
                        let of = |e: &&Range<usize>| e.start <= stretch.start && stretch.end <= e.end;
                        let episode = episodes.iter().find(of);
                        let rows = episode.map(|e| e.len()).unwrap_or(0);
                        prop_assert!(rows >= length);
                        prop_assert_eq!(stretch.len(), rows.min(longest));
                    }
                }
            }
            let batch = replay.sample(50, &mut random);
            for i in 0..50 {
                let row = batch.rewards[i] as usize;
                prop_assert!((oldest..lasts.len()).contains(&row));
                prop_assert_eq!(batch.actions[i], -(row as f32));
                prop_assert_eq!(batch.goes_on[i] == 0.0, row % 7 == 6);
            }
        }
    }

    /// The published code asks for more rows than a context has: an episode of exactly its length, as
    /// every Pendulum episode is, never qualifies.
    #[test]
    fn an_episode_of_exactly_the_context_is_a_stretch() {
        let mut replay = Replay::new(100);
        (0..10).for_each(|row| replay.push(transition(row), row == 9));
        let mut random = ChaCha8Rng::seed_from_u64(0);
        assert_eq!(replay.sample_stretch(10, 10, &mut random), Some(0..10));
        assert_eq!(replay.sample_stretch(11, 11, &mut random), None);
    }

    /// Fault: where no episode had the context's length, the longest one was read over and over.
    #[test]
    fn stretches_come_from_all_episodes_that_are_long_enough() {
        let mut replay = Replay::new(1000);
        let ends = [59, 119, 189, 194];
        (0..195).for_each(|row| replay.push(transition(row), ends.contains(&row)));
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut seen = [0; 3];
        for _ in 0..300 {
            let stretch = replay.sample_stretch(50, 500, &mut random).unwrap();
            seen[[0..60, 60..120, 120..190]
                .iter()
                .position(|e| *e == stretch)
                .unwrap()] += 1;
        }
        assert!(seen.iter().all(|&times| times > 60), "{seen:?}");
    }
}
