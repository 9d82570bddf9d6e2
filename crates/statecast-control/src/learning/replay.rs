//! Replay buffers of real and imagined transitions.

use std::collections::VecDeque;
use std::ops::Range;

use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// One step of an environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// Observation before the step.
    pub observation: Vec<f32>,
    /// Action taken.
    pub action: Vec<f32>,
    /// Reward.
    pub reward: f32,
    /// Observation after the step, including an episode's last step.
    pub next: Vec<f32>,
    /// Whether the step reached a terminal state. Truncation is not termination.
    pub terminated: bool,
    /// Weight in the losses: 1 for real transitions.
    pub weight: f32,
    /// The simulator's exact state before the step; empty where it is not needed.
    pub state: Vec<f64>,
}

impl Transition {
    /// False where a terminal state was not recorded: the observation stands in its place.
    pub(super) fn knows_next(&self) -> bool {
        !(self.terminated && self.next == self.observation)
    }
}

/// Transitions of an update, in columns.
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
    /// 0 where the step terminated, 1 elsewhere, `[rows]`.
    pub continues: Vec<f32>,
    /// Weights in the losses, `[rows]`.
    pub weights: Vec<f32>,
}

impl Batch {
    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.rewards.len()
    }

    /// Appends a transition.
    pub fn push(&mut self, transition: &Transition) {
        self.observations.extend(&transition.observation);
        self.actions.extend(&transition.action);
        self.rewards.push(transition.reward);
        self.next.extend(&transition.next);
        self.continues
            .push(f32::from(u8::from(!transition.terminated)));
        self.weights.push(transition.weight);
    }
}

/// A ring buffer of a run's latest transitions, with episode boundaries.
///
/// Rows are numbered over the whole run. When the buffer is full, the oldest row is overwritten and
/// its episode starts at the next row.
///
/// ```
/// use statecast::learning::{ReplayBuffer, Transition};
///
/// let mut replay = ReplayBuffer::new(5);
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
/// // Rows 1 and 2 of the first episode are left.
/// assert_eq!(replay.episodes().collect::<Vec<_>>(), [1..3, 3..6]);
/// assert_eq!(replay.row(0), None);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ReplayBuffer {
    capacity: usize,
    /// Row `n` of the run is at index `n` modulo the capacity.
    rows: Vec<Transition>,
    /// Rows so far.
    count: usize,
    /// Remaining rows of each episode, oldest first; the last episode may be open.
    episodes: VecDeque<Range<usize>>,
    /// Whether the last episode is unfinished.
    open: bool,
}

impl ReplayBuffer {
    /// Creates an empty buffer of at least one row.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            rows: Vec::new(),
            count: 0,
            episodes: VecDeque::new(),
            open: false,
        }
    }

    /// Restores a buffer from its rows, oldest first, the numbers of its episodes' first rows and
    /// the number after the last row. Returns `None` if these are inconsistent.
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
        // The oldest row belongs at its number modulo the capacity.
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

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Appends a row; `last` ends its episode.
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

    /// Ends the episode of the last row.
    pub(super) fn end_episode(&mut self) {
        self.open = false;
    }

    /// Iterates over the row numbers of each episode, oldest first.
    pub fn episodes(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.episodes.iter().cloned()
    }

    /// True if the last episode is unfinished.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Returns a row by its number in the run; `None` if it is overwritten or not yet written.
    pub fn row(&self, number: usize) -> Option<&Transition> {
        let there = number < self.count && self.count - number <= self.rows.len();
        there.then(|| &self.rows[number % self.capacity])
    }

    /// Draws rows with replacement.
    ///
    /// # Panics
    /// If the buffer is empty.
    pub fn sample(&self, rows: usize, random: &mut ChaCha8Rng) -> Batch {
        let mut batch = Batch::default();
        self.sample_into(&mut batch, rows, random);
        batch
    }

    /// Draws rows with replacement and appends them to a batch.
    ///
    /// # Panics
    /// If the buffer is empty.
    pub fn sample_into(&self, batch: &mut Batch, rows: usize, random: &mut ChaCha8Rng) {
        for _ in 0..rows {
            batch.push(&self.rows[random.random_range(0..self.rows.len())]);
        }
    }

    /// Draws a segment of an episode with at least `shortest` rows: `longest` of its rows, or all
    /// if it has fewer. Episodes are drawn with probability proportional to their length, the start
    /// of the segment uniformly. Returns `None` if no episode is long enough.
    pub fn sample_segment(
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
        let mut offset = random.random_range(0..rows);
        let mut episodes = fitting();
        let mut episode = episodes.next()?;
        while offset >= episode.len() {
            offset -= episode.len();
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
        /// The buffer holds the latest rows, its episodes are those pushed, cut at the oldest row,
        /// and every segment lies within one of them.
        #[test]
        fn rows_and_episodes_are_the_latest(
            capacity in 1usize..40, lasts in prop::collection::vec(any::<bool>(), 1..120), length in 1usize..6,
        ) {
            let mut replay = ReplayBuffer::new(capacity);
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
                match replay.sample_segment(length, longest, &mut random) {
                    None => prop_assert!(episodes.iter().all(|e| e.len() < length)),
                    Some(segment) => {
                        let of = |e: &&Range<usize>| e.start <= segment.start && segment.end <= e.end;
                        let episode = episodes.iter().find(of);
                        let rows = episode.map(|e| e.len()).unwrap_or(0);
                        prop_assert!(rows >= length);
                        prop_assert_eq!(segment.len(), rows.min(longest));
                    }
                }
            }
            let batch = replay.sample(50, &mut random);
            for i in 0..50 {
                let row = batch.rewards[i] as usize;
                prop_assert!((oldest..lasts.len()).contains(&row));
                prop_assert_eq!(batch.actions[i], -(row as f32));
                prop_assert_eq!(batch.continues[i] == 0.0, row % 7 == 6);
            }
        }
    }

    /// Fault of the published code: an episode of exactly the context's length, as every Pendulum
    /// episode is, never qualified.
    #[test]
    fn an_episode_of_exactly_the_context_is_a_segment() {
        let mut replay = ReplayBuffer::new(100);
        (0..10).for_each(|row| replay.push(transition(row), row == 9));
        let mut random = ChaCha8Rng::seed_from_u64(0);
        assert_eq!(replay.sample_segment(10, 10, &mut random), Some(0..10));
        assert_eq!(replay.sample_segment(11, 11, &mut random), None);
    }

    /// Fault: where no episode had the context's length, the longest one was read over and over.
    #[test]
    fn segments_come_from_all_sufficiently_long_episodes() {
        let mut replay = ReplayBuffer::new(1000);
        let ends = [59, 119, 189, 194];
        (0..195).for_each(|row| replay.push(transition(row), ends.contains(&row)));
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut seen = [0; 3];
        for _ in 0..300 {
            let segment = replay.sample_segment(50, 500, &mut random).unwrap();
            seen[[0..60, 60..120, 120..190]
                .iter()
                .position(|e| *e == segment)
                .unwrap()] += 1;
        }
        assert!(seen.iter().all(|&times| times > 60), "{seen:?}");
    }
}
