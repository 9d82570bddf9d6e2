//! Which axis of arrays is time, where their names do not say: steps are found by how little values change from one
//! to the next.

use std::ops::Range;

use super::npy::{Header, Layout};

/// Values by which the axes are judged.
const MAX_VALUES: usize = 1 << 20;
/// The roughness of an axis whose neighbours are no nearer than others, at least.
const ROUGH: f64 = 0.5;
/// How much rougher than time the other axis is, at least.
const CLEARLY: f64 = 4.0;
/// Most channels of an array with a row for each, and how many times as many values each has, at least.
const MAX_CHANNELS: u64 = 64;
const MIN_TIMES: u64 = 8;
/// So few rows with so many times as many columns are no recording.
const FEW_CHANNELS: u64 = 8;
const MANY_TIMES: u64 = 16;

/// Mean squared change from one index to the next along the first and the second axis, each in twice the variance
/// along it: 1 where neighbours are no nearer than others, near 0 along the time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Roughness {
    pub(super) first: f64,
    pub(super) second: f64,
}

/// The first values of an array of two axes and some columns.
#[derive(Debug)]
pub(super) struct Sample {
    values: Vec<f64>,
    shape: [usize; 3],
    fortran: bool,
}

impl Sample {
    /// How much is read of an array to judge its axes, and the shape of that; nothing if it is too large or has other
    /// axes.
    pub(super) fn layout(header: &Header) -> Option<(Layout, [usize; 3])> {
        let mut shape = [1usize; 3];
        if !(2..=3).contains(&header.shape.len()) {
            return None;
        }
        for (length, known) in shape.iter_mut().zip(&header.shape) {
            *length = usize::try_from(*known).ok()?;
        }
        let plane = shape[1].checked_mul(shape[2])?.max(1);
        // Values whose last index runs fastest can be cut off.
        if !header.fortran {
            shape[0] = shape[0].min((MAX_VALUES / plane).max(3));
        }
        let all = shape[0].checked_mul(plane)?;
        let layout = Layout {
            rows: all as u64,
            columns: 1,
            element: header.element.clone().ok()?,
            fortran: false,
        };
        (all <= 16 * MAX_VALUES).then_some((layout, shape))
    }

    pub(super) fn new(values: Vec<f64>, shape: [usize; 3], fortran: bool) -> Self {
        Self {
            values,
            shape,
            fortran,
        }
    }

    fn at(&self, first: usize, second: usize, column: usize) -> f64 {
        let [a, b, c] = self.shape;
        let place = match self.fortran {
            true => first + a * (second + b * column),
            false => (first * b + second) * c + column,
        };
        self.values.get(place).copied().unwrap_or(f64::NAN)
    }

    /// Nothing if nothing varies along one of the axes.
    pub(super) fn roughness(&self) -> Option<Roughness> {
        let [a, b, columns] = self.shape;
        let mean = |along: &dyn Fn(usize) -> Option<f64>| {
            let found: Vec<f64> = (0..columns).filter_map(along).collect();
            let count = found.len() as f64;
            (count > 0.0).then(|| found.iter().map(|rough| rough / count).sum())
        };
        Some(Roughness {
            first: mean(&|c| rough(a, b, |i, line| self.at(i, line, c)))?,
            second: mean(&|c| rough(b, a, |i, line| self.at(line, i, c)))?,
        })
    }

    /// Whether the values of all columns do not change outside of the data of each first index.
    pub(super) fn is_blank_beside(&self, data: &[Range<u64>]) -> bool {
        let [a, b, columns] = self.shape;
        data.iter().take(a).enumerate().all(|(first, data)| {
            let is_padding = |second: &usize| !data.contains(&(*second as u64));
            let padding: Vec<usize> = (0..b).filter(is_padding).collect();
            (0..columns).all(|column| {
                let mut values = padding.iter().map(|&second| self.at(first, second, column));
                let start = values.next().unwrap_or_default();
                values.all(|value| value == start || (value.is_nan() && start.is_nan()))
            })
        })
    }

    /// Whether all values of the last of so many first indices, and all of the last second index, are 1.
    pub(super) fn last_are_set(&self, length: u64) -> (bool, bool) {
        let [a, b, _] = self.shape;
        let set = |value: f64| value == 1.0;
        (
            a as u64 == length && (0..b).all(|second| set(self.at(a.max(1) - 1, second, 0))),
            (0..a).all(|first| set(self.at(first, b.max(1) - 1, 0))),
        )
    }

    /// Whether values rise along the first axis, and along the second.
    pub(super) fn rise(&self) -> (bool, bool) {
        let [a, b, _] = self.shape;
        let at = |first, second| self.at(first, second, 0);
        (
            (1..a).all(|i| (0..b).all(|j| at(i, j) > at(i - 1, j))),
            (1..b).all(|j| (0..a).all(|i| at(i, j) > at(i, j - 1))),
        )
    }

    /// Whether all values of the first index, and all of the second index 0, are 1.
    pub(super) fn first_are_set(&self) -> (bool, bool) {
        let [a, b, _] = self.shape;
        let set = |value: f64| value == 1.0;
        (
            (0..b).all(|second| set(self.at(0, second, 0))),
            (0..a).all(|first| set(self.at(first, 0, 0))),
        )
    }

    /// The share of states that are those a step led to before along the first and the second axis.
    pub(super) fn follows(&self, before: &Self) -> Option<(f64, f64)> {
        let [a, b, columns] = self.shape;
        if before.shape != self.shape || a < 2 || b < 2 {
            return None;
        }
        let same = |next: [usize; 2], led: [usize; 2]| {
            (0..columns).all(|c| self.at(next[0], next[1], c) == before.at(led[0], led[1], c))
        };
        let (mut first, mut second) = (0, 0);
        for i in 0..a {
            for j in 0..b {
                first += usize::from(i > 0 && same([i, j], [i - 1, j]));
                second += usize::from(j > 0 && same([i, j], [i, j - 1]));
            }
        }
        let share = |count: usize, all: usize| count as f64 / all as f64;
        Some((share(first, (a - 1) * b), share(second, a * (b - 1))))
    }
}

/// The roughness of lines of some length, 1 of such of one value.
fn rough(length: usize, lines: usize, at: impl Fn(usize, usize) -> f64) -> Option<f64> {
    if length == 1 {
        return Some(1.0);
    }
    let (mut steps, mut spread) = (0.0, 0.0);
    for line in 0..lines {
        let values = || (0..length).map(|i| at(i, line)).filter(|x| x.is_finite());
        let count = values().count().max(1) as f64;
        let mean = values().map(|value| value / count).sum::<f64>();
        let pairs = values().zip(values().skip(1));
        steps += pairs.map(|(x, next)| (next - x).powi(2)).sum::<f64>();
        spread += values().map(|value| (value - mean).powi(2)).sum::<f64>();
    }
    let rough = steps / (2.0 * spread);
    rough.is_finite().then_some(rough)
}

/// Which of two axes is time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeAxisOf {
    First,
    Second,
    Unclear,
}

impl TimeAxisOf {
    /// The axis along which something holds, if it does not hold along both.
    pub(super) fn where_only((first, second): (bool, bool)) -> Self {
        match (first, second) {
            (true, false) => Self::First,
            (false, true) => Self::Second,
            _ => Self::Unclear,
        }
    }
}

impl Roughness {
    /// Which axis of `[a, b]` is time where each other axis is one of episodes or environments.
    pub(super) fn time(self) -> TimeAxisOf {
        match () {
            () if self.second >= ROUGH && CLEARLY * self.first <= self.second => TimeAxisOf::First,
            () if self.first >= ROUGH && CLEARLY * self.second <= self.first => TimeAxisOf::Second,
            () => TimeAxisOf::Unclear,
        }
    }

    /// Whether an array `[channels, values]` has a row for each channel rather than for each step.
    pub(super) fn is_of_channels(self, channels: u64, values: u64) -> bool {
        let shaped = channels <= MAX_CHANNELS && values >= MIN_TIMES * channels;
        let few = channels <= FEW_CHANNELS && values >= MANY_TIMES * channels;
        let smooth = self.second * CLEARLY <= 1.0;
        shaped && smooth && (few || self.time() == TimeAxisOf::Second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(shape: [usize; 3], at: impl Fn(usize, usize, usize) -> f64) -> Sample {
        let mut values = Vec::new();
        for i in 0..shape[0] {
            for j in 0..shape[1] {
                values.extend((0..shape[2]).map(|k| at(i, j, k)));
            }
        }
        Sample::new(values, shape, false)
    }

    /// A slow wave of an environment.
    fn wave(t: usize, environment: usize) -> f64 {
        (0.05 * t as f64 + 2.4 * (environment * environment) as f64).sin()
    }

    #[test]
    fn time_is_the_smooth_axis() {
        let first = sample([128, 8, 2], |i, j, k| wave(i, j + 3 * k));
        assert_eq!(first.roughness().unwrap().time(), TimeAxisOf::First);
        let second = sample([8, 128, 2], |i, j, k| wave(j, i + 3 * k));
        assert_eq!(second.roughness().unwrap().time(), TimeAxisOf::Second);
        // A field is smooth in space, too.
        let field = sample([64, 64, 1], |i, j, _| {
            (0.1 * i as f64).sin() * (0.1 * j as f64).cos()
        });
        assert_eq!(field.roughness().unwrap().time(), TimeAxisOf::Unclear);
        // Runs that are alike but for noise.
        let noise = |i: usize, j: usize| ((i * 7919 + j * 104_729) % 1000) as f64 / 500.0 - 1.0;
        let alike = sample([40, 100, 1], |i, j, _| wave(j, 0) + 0.01 * noise(i, j));
        assert_ne!(alike.roughness().unwrap().time(), TimeAxisOf::First);
        let alone = sample([40, 1, 1], |i, j, _| wave(i, j));
        assert_eq!(alone.roughness().unwrap().time(), TimeAxisOf::First);
    }
}
