//! The order of rows by their times: where runs begin, what has to be sorted, what is missing.

/// Rows in the order of their time, cut where the time starts over.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Arranged {
    /// Positions in the order of time, a list a run.
    pub(super) runs: Vec<Vec<usize>>,
    /// What was done to the order.
    pub(super) change: Change,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Reversed,
    Sorted,
    /// Nothing, though the times go back: no order of the rows makes one clock of them.
    Unclear,
}

/// What is missing in a run whose rows are mostly one step apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gaps {
    pub(super) step: f64,
    pub(super) count: usize,
    pub(super) largest: f64,
    /// Position of the row after the largest gap.
    pub(super) after: usize,
}

/// Share of steps that go back from which on the order is the wrong way round.
const REVERSED: f64 = 0.75;
/// Share of equal steps from which on a clock is regular.
const REGULAR: f64 = 0.75;
/// Mean rows of an ascending stretch below which rows are shuffled rather than of several runs.
pub(super) const SHORTEST_RUN: usize = 4;
/// Share of the rows before it that a late row may belong before, of rows that may be late, and of steps that may be
/// missing in rows that are put in order.
const LATE: f64 = 0.05;

/// Steps a row over which rows may be put in order: a clock that was full leaves a gap without an end.
const MOST_MISSING: f64 = 2.0;

/// Rows whose order is plain, or what has to be known to find it.
enum Plain {
    Arranged(Arranged),
    Doubtful {
        /// Ascending stretches, at least two.
        stretches: Vec<Vec<usize>>,
        sorted: Vec<usize>,
        /// Usual step of the sorted times.
        step: f64,
        change: Change,
        /// Whether no two times are equal.
        distinct: bool,
    },
}

impl Arranged {
    /// All rows in the order of their times.
    pub(super) fn sorted(times: &[f64]) -> Self {
        let rows: Vec<usize> = (0..times.len()).collect();
        Self {
            runs: vec![sorted(&rows, times)],
            change: Change::Sorted,
        }
    }

    fn unclear(times: &[f64]) -> Self {
        Self {
            runs: vec![(0..times.len()).collect()],
            change: Change::Unclear,
        }
    }
}

/// Puts rows into the order of their times.
///
/// Mostly descending times are read backwards. Ascending stretches that all begin at the same time
/// are runs, as are those of a clock that may have been full. Otherwise rows are sorted if that makes
/// one regular clock or joins parts of one; stretches that repeat times of the run before, and a few late
/// rows, belong to it; other long stretches that overlap are runs of their own. What is left, such as durations and
/// the times at which rows arrived, is in no clear order, unless times repeat: these are sorted to be found.
pub(super) fn arrange(times: &[f64]) -> Arranged {
    let (stretches, sorted, step, mut change, distinct) = match plain(times) {
        Plain::Arranged(arranged) => return arranged,
        Plain::Doubtful {
            stretches,
            sorted,
            step,
            change,
            distinct,
        } => (stretches, sorted, step, change, distinct),
    };
    if times.len() < SHORTEST_RUN * stretches.len() {
        return match distinct {
            true => Arranged::unclear(times),
            false => Arranged {
                runs: vec![sorted],
                change: Change::Sorted,
            },
        };
    }
    let most_late = (LATE * times.len() as f64).max(1.0) as usize;
    let mut late_stretches = 0;
    let mut runs: Vec<Vec<usize>> = Vec::new();
    for stretch in stretches {
        let start = times[stretch[0]];
        let belongs = runs.last().is_some_and(|run| {
            let behind = run.iter().rev().take_while(|&&row| times[row] > start);
            let late = behind.count() as f64 <= (LATE * run.len() as f64).max(1.0);
            late || repeats(run, &stretch, times, step)
        });
        match runs.last_mut().filter(|_| belongs) {
            Some(run) => {
                run.extend(stretch);
                run.sort_by(|&a, &b| times[a].total_cmp(&times[b]));
                change = Change::Sorted;
                late_stretches += 1;
            }
            None => runs.push(stretch),
        }
    }
    match distinct && late_stretches > most_late {
        true => Arranged::unclear(times),
        false => Arranged { runs, change },
    }
}

/// Whether the times of a stretch that goes back are those of rows of the ascending run before it, so that rows
/// are repeated: it leaps over the rest of that run, is a scrap, or goes back less than half of the way to the
/// start. A clock that starts over goes back further and goes on from there.
fn repeats(run: &[usize], stretch: &[usize], times: &[f64], step: f64) -> bool {
    let (first, last) = (times[run[0]], times[run[run.len() - 1]]);
    let start = times[stretch[0]];
    let within = stretch.iter().take_while(|&&row| times[row] <= last);
    let same = |&&row: &&usize| {
        run.binary_search_by(|&at| times[at].total_cmp(&times[row]))
            .is_ok()
    };
    let scrap = stretch.len() < SHORTEST_RUN && start - first >= 0.5 * step;
    let near_end = start - first > 0.5 * (last - first);
    within.clone().all(|row| same(&row)) && (scrap || near_end || leaps(run, stretch, times, step))
}

/// Whether a stretch that goes back repeats a few times of the run before it and continues after that run.
fn leaps(run: &[usize], stretch: &[usize], times: &[f64], step: f64) -> bool {
    let last = times[run[run.len() - 1]];
    let within = stretch.iter().take_while(|&&row| times[row] <= last);
    let count = within.count();
    let (true, Some(&beyond)) = (count > 0 && 2 * count < run.len(), stretch.get(count)) else {
        return false;
    };
    let before = times[stretch[count - 1]];
    before < last && times[beyond] - before > 1.5 * step
}

/// A log that was taken up again at an earlier step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Resumption {
    /// Position of the row with which it goes on.
    pub(super) row: usize,
    /// Rows written before that it replaces.
    pub(super) replaced: usize,
}

/// Like [`arrange`], for logs of training: where a counter goes back, but not to its start, later
/// rows replace those from that step on.
pub(super) fn arrange_log(times: &[f64]) -> (Arranged, Vec<Resumption>) {
    let (stretches, step, mut change) = match plain(times) {
        Plain::Arranged(arranged) => return (arranged, Vec::new()),
        Plain::Doubtful {
            stretches,
            step,
            change,
            ..
        } => (stretches, step, change),
    };
    let first = times[stretches[0][0]];
    let mut runs: Vec<Vec<usize>> = Vec::new();
    let mut resumed = Vec::new();
    for stretch in stretches {
        let start = times[stretch[0]];
        match runs.last_mut() {
            Some(run) if leaps(run, &stretch, times, step) => {
                run.extend(stretch);
                run.sort_by(|&a, &b| times[a].total_cmp(&times[b]));
                change = Change::Sorted;
            }
            Some(run) if (start - first).abs() >= 0.5 * step => {
                let before = run.len();
                run.retain(|&row| times[row] < start);
                resumed.push(Resumption {
                    row: stretch[0],
                    replaced: before - run.len(),
                });
                run.extend(stretch);
            }
            _ => runs.push(stretch),
        }
    }
    (Arranged { runs, change }, resumed)
}

fn plain(times: &[f64]) -> Plain {
    let pairs = || times.windows(2);
    let back = pairs().filter(|pair| pair[1] < pair[0]).count();
    let on = pairs().filter(|pair| pair[1] > pair[0]).count();
    let forwards = 0..times.len();
    let reversed = back > 0 && back as f64 >= REVERSED * (back + on) as f64;
    let (rows, change): (Vec<usize>, Change) = match reversed {
        true => (forwards.rev().collect(), Change::Reversed),
        false => (forwards.collect(), Change::None),
    };
    let stretches = ascending(&rows, times);
    if stretches.len() == 1 {
        let runs = vec![rows];
        return Plain::Arranged(Arranged { runs, change });
    }
    let sorted = sorted(&rows, times);
    let step = median_step(&sorted, times);
    let first = times[rows[0]];
    let starts_over = |stretch: &Vec<usize>| (times[stretch[0]] - first).abs() < 0.5 * step;
    let leap = |pair: &[Vec<usize>]| leaps(&pair[0], &pair[1], times, step);
    if stretches.iter().all(starts_over) && !stretches.windows(2).any(leap) {
        let runs = stretches;
        return Plain::Arranged(Arranged { runs, change });
    }
    let distinct = sorted
        .windows(2)
        .all(|pair| times[pair[0]] < times[pair[1]]);
    if may_have_been_full(&stretches, &sorted, times) {
        let runs = stretches;
        return Plain::Arranged(Arranged { runs, change });
    }
    let is_one_clock = || {
        let span = times[sorted[sorted.len() - 1]] - times[sorted[0]];
        let even = gaps(&sorted, times).is_some_and(|gaps| {
            let few = gaps.count as f64 <= (LATE * times.len() as f64).max(1.0);
            few && span <= MOST_MISSING * step * times.len() as f64
        });
        let is_shuffled = times.len() < SHORTEST_RUN * stretches.len();
        let is_mixed = !is_shuffled && interleave(&stretches, &sorted);
        (even && !is_mixed) || are_disjoint(&stretches, times)
    };
    match distinct && is_one_clock() {
        true => Plain::Arranged(Arranged {
            runs: vec![sorted],
            change: Change::Sorted,
        }),
        false => Plain::Doubtful {
            stretches,
            sorted,
            step,
            change,
            distinct,
        },
    }
}

/// Whether a clock that goes back may have counted on from near zero, as one that is full does and a second recording:
/// it begins later than at its lowest time, which is no further from zero than the clock goes, and goes back by more
/// than half of that. Its later rows must not be put in front of the earlier ones.
fn may_have_been_full(stretches: &[Vec<usize>], sorted: &[usize], times: &[f64]) -> bool {
    let lowest = times[sorted[0]];
    let span = times[sorted[sorted.len() - 1]] - lowest;
    let from_zero = (0.0..=span).contains(&lowest) && times[stretches[0][0]] > lowest;
    let goes_back = |pair: &[Vec<usize>]| {
        let end = pair[0][pair[0].len() - 1];
        times[end] - times[pair[1][0]] > 0.5 * span
    };
    times.len() >= SHORTEST_RUN * stretches.len()
        && from_zero
        && stretches.windows(2).all(goes_back)
}

/// Steps that go back and equal times after arranging: how badly the rows fit one clock.
pub(super) fn conflicts(arranged: &Arranged, times: &[f64]) -> usize {
    let equal = |run: &Vec<usize>| {
        let pairs = run.windows(2);
        pairs
            .filter(|pair| times[pair[0]] == times[pair[1]])
            .count()
    };
    arranged.runs.len() - 1 + arranged.runs.iter().map(equal).sum::<usize>()
}

/// The gaps of ascending rows if most of their steps are equal, `count` 0 where nothing is missing.
pub(super) fn gaps(rows: &[usize], times: &[f64]) -> Option<Gaps> {
    let step = median_step(rows, times);
    let steps = || rows.windows(2).map(|pair| times[pair[1]] - times[pair[0]]);
    // Clocks are written with few digits: a step of 0.33 may be 0.34 in the next row.
    let is_step = |found: f64| (found - step).abs() <= 0.05 * step + 1e-9 * step.abs();
    let equal = steps().filter(|&found| is_step(found)).count();
    if rows.len() < 3 || step <= 0.0 || (equal as f64) < REGULAR * (rows.len() - 1) as f64 {
        return None;
    }
    let missing: Vec<(usize, f64)> = steps()
        .enumerate()
        .filter(|(_, found)| *found > 1.5 * step)
        .collect();
    let (after, largest) =
        missing
            .iter()
            .fold((0, step), |best, &(at, found)| match found > best.1 {
                true => (at + 1, found),
                false => best,
            });
    Some(Gaps {
        step,
        count: missing.len(),
        largest,
        after,
    })
}

/// Whether ascending values are all one positive step apart, as a counter or a clock.
pub(super) fn is_regular(values: impl Iterator<Item = f64> + Clone) -> bool {
    let steps = values.clone().zip(values.clone().skip(1));
    let steps = steps.map(|(a, b)| b - a);
    let count = values.clone().count();
    let (Some(first), Some(last)) = (values.clone().next(), values.last()) else {
        return false;
    };
    let step = (last - first) / (count.max(2) - 1) as f64;
    let size = first.abs().max(last.abs());
    let tolerance = 1e-6 * step.abs() + 4.0 * f64::EPSILON * size;
    step > 0.0
        && steps
            .into_iter()
            .all(|found| (found - step).abs() <= tolerance)
}

fn ascending(rows: &[usize], times: &[f64]) -> Vec<Vec<usize>> {
    rows.chunk_by(|&a, &b| times[b] >= times[a])
        .map(<[usize]>::to_vec)
        .collect()
}

fn sorted(rows: &[usize], times: &[f64]) -> Vec<usize> {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|&a, &b| times[a].total_cmp(&times[b]));
    sorted
}

/// How far from the median step, in median steps, a quarter of the steps of ascending times are at least.
pub(super) fn variation(times: &[f64]) -> Option<f64> {
    let step = median_step(&(0..times.len()).collect::<Vec<_>>(), times);
    let steps = times.windows(2).map(|pair| pair[1] - pair[0]);
    let mut off: Vec<f64> = steps.map(|found| (found / step - 1.0).abs()).collect();
    let place = (REGULAR * off.len() as f64).ceil() as usize;
    if step <= 0.0 || place == 0 {
        return None;
    }
    Some(*off.select_nth_unstable_by(place - 1, f64::total_cmp).1)
}

pub(super) fn median_step(rows: &[usize], times: &[f64]) -> f64 {
    let mut steps: Vec<f64> = rows
        .windows(2)
        .map(|pair| times[pair[1]] - times[pair[0]])
        .filter(|&step| step > 0.0)
        .collect();
    if steps.is_empty() {
        return 0.0;
    }
    let middle = steps.len() / 2;
    *steps.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// Whether most rows that follow each other in time are of different stretches: clocks that run side by side, as
/// those of runs that begin half a step later, or of machines that take turns.
fn interleave(stretches: &[Vec<usize>], sorted: &[usize]) -> bool {
    let mut stretch_of = vec![0; sorted.len()];
    for (number, stretch) in stretches.iter().enumerate() {
        stretch.iter().for_each(|&row| stretch_of[row] = number);
    }
    let pairs = sorted.windows(2);
    let changes = pairs.filter(|pair| stretch_of[pair[0]] != stretch_of[pair[1]]);
    2 * changes.count() > sorted.len()
}

fn are_disjoint(stretches: &[Vec<usize>], times: &[f64]) -> bool {
    let mut ranges: Vec<(f64, f64)> = stretches
        .iter()
        .filter_map(|stretch| Some((times[*stretch.first()?], times[*stretch.last()?])))
        .collect();
    ranges.sort_by(|a, b| a.0.total_cmp(&b.0));
    ranges.windows(2).all(|pair| pair[0].1 < pair[1].0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(times: &[f64]) -> (Vec<Vec<f64>>, Change) {
        let arranged = arrange(times);
        let run = |run: &Vec<usize>| run.iter().map(|&row| times[row]).collect();
        (arranged.runs.iter().map(run).collect(), arranged.change)
    }

    #[test]
    fn rows_in_order_stay() {
        let (runs, change) = ordered(&[0.0, 1.0, 1.0, 5.0]);
        assert_eq!((runs.len(), change), (1, Change::None));
    }

    #[test]
    fn descending_rows_are_reversed() {
        let (runs, change) = ordered(&[4.0, 3.0, 1.0]);
        assert_eq!(
            (runs, change),
            (vec![vec![1.0, 3.0, 4.0]], Change::Reversed)
        );
        let (runs, _) = ordered(&[2.0, 1.0, 0.0, 2.0, 1.0, 0.0]);
        assert_eq!(runs, [[0.0, 1.0, 2.0]; 2]);
    }

    #[test]
    fn shuffled_rows_are_sorted() {
        let (runs, change) = ordered(&[3.0, 0.0, 4.0, 1.0, 2.0, 5.0]);
        assert_eq!(runs, [[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]]);
        assert_eq!(change, Change::Sorted);
        // Two files in the wrong order, and a clock that is not regular and far from its start.
        let (runs, _) = ordered(&[99.0, 99.5, 102.0, 107.0, 91.0, 91.2, 94.0, 95.0]);
        assert_eq!(runs.len(), 1);
        // One late row of an irregular clock.
        let mut times: Vec<f64> = (0..60).map(|i| f64::from(i * i)).collect();
        times.swap(40, 41);
        assert_eq!(ordered(&times).0.len(), 1);
    }

    /// Fault: the newer half of a clock that was full once came first, or rows were sorted by durations.
    #[test]
    fn rows_are_not_sorted_by_what_may_be_full_or_no_clock() {
        let full = |modulus: i32| {
            let all = (0..80).map(move |i| (3 * modulus / 5 + i * modulus / 100) % modulus);
            all.map(f64::from).collect::<Vec<_>>()
        };
        let month_days: Vec<f64> = (1101..1131).chain(101..119).map(f64::from).collect();
        for times in [full(360), full(32_768), full(1_000_000), month_days] {
            let (runs, change) = ordered(&times);
            assert_eq!((runs.len(), change), (2, Change::None));
            assert_eq!(runs.concat(), times);
        }
        let durations: Vec<f64> = (0..60)
            .map(|i| 12.0 + f64::from(i).sin() + 0.001 * f64::from(i))
            .collect();
        let arrivals: Vec<f64> = (0..60)
            .map(|i| 3600.0 * f64::from(i) + f64::from(i * 2741 % 9000))
            .collect();
        for times in [durations, arrivals] {
            let (runs, change) = ordered(&times);
            assert_eq!((runs, change), (vec![times], Change::Unclear));
        }
    }

    #[test]
    fn a_clock_that_starts_over_begins_a_run() {
        let (runs, change) = ordered(&[0.0, 1.0, 0.0, 1.0, 2.0, 0.0, 1.0]);
        assert_eq!((runs.len(), change), (3, Change::None));
        // Series one below the other that begin at different times.
        let times: Vec<f64> = (0..20).chain(7..20).map(f64::from).collect();
        let (runs, _) = ordered(&times);
        assert_eq!((runs.len(), runs[1].len()), (2, 13));
        // Clocks with jitter.
        let times: Vec<f64> = (0..40)
            .map(|i| f64::from(i % 20) + 0.3 * f64::from(i * 7 % 5) / 5.0)
            .collect();
        assert_eq!(ordered(&times).0.len(), 2);
    }

    /// Fault: runs whose clocks begin half a step apart were sorted into one of twice the rate.
    #[test]
    fn clocks_side_by_side_are_runs() {
        for offset in [0.5, 1.0 / 3.0, 2.0] {
            let times: Vec<f64> = (0..40)
                .map(|i| {
                    f64::from(i % 20) * if offset > 1.0 { 4.0 } else { 1.0 }
                        + offset * f64::from(i / 20)
                })
                .collect();
            let (runs, change) = ordered(&times);
            assert_eq!((runs.len(), change), (2, Change::None), "{offset}");
        }
        // Rows that were sent in later fill gaps, however many they are.
        let missing = |i: &i32| i % 6 == 2;
        let times = (0..60)
            .filter(|i| !missing(i))
            .chain((0..60).filter(missing));
        let (runs, change) = ordered(&times.map(f64::from).collect::<Vec<_>>());
        assert_eq!((runs.len(), change), (1, Change::Sorted));
    }

    /// Fault: a row that was repeated later was taken for the start of an episode.
    #[test]
    fn rows_repeated_later_are_no_runs() {
        let clock = |numbers: &[i32]| numbers.iter().map(|&i| 0.05 * f64::from(i)).collect();
        let after = |repeated: &[i32]| [&Vec::from_iter(0..20)[..], repeated].concat();
        for repeated in [
            after(&[&[15][..], &Vec::from_iter(20..40)].concat()),
            after(&[&[3][..], &Vec::from_iter(20..40)].concat()),
            after(&[&[0][..], &Vec::from_iter(20..40)].concat()),
            after(&[&[4, 5, 6][..], &Vec::from_iter(20..40)].concat()),
            after(&Vec::from_iter(15..30)),
            after(&[3]),
        ] {
            let times: Vec<f64> = clock(&repeated);
            let backwards: Vec<f64> = times.iter().rev().copied().collect();
            for times in [times, backwards] {
                let (runs, _) = ordered(&times);
                assert_eq!(runs.len(), 1, "{repeated:?}");
                assert!(conflicts(&arrange(&times), &times) > 0, "{repeated:?}");
            }
        }
        let times: Vec<f64> = clock(&after(&[&[3][..], &Vec::from_iter(20..40)].concat()));
        assert!(arrange_log(&times).1.is_empty());
    }

    #[test]
    fn a_log_that_goes_on_earlier_replaces_what_it_repeats() {
        let times: Vec<f64> = (0..8).chain(5..12).map(f64::from).collect();
        let (arranged, resumed) = arrange_log(&times);
        assert_eq!(arranged.runs, [[0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14]]);
        assert_eq!(
            resumed,
            [Resumption {
                row: 8,
                replaced: 3
            }]
        );
        let times: Vec<f64> = (0..8).chain(0..5).map(f64::from).collect();
        assert_eq!(arrange_log(&times).0.runs.len(), 2);
    }

    #[test]
    fn gaps_of_a_regular_clock_are_counted() {
        let times = [0.0, 1.0, 2.0, 3.0, 6.0, 7.0, 8.0, 9.0, 11.0, 12.0, 13.0];
        let rows: Vec<usize> = (0..times.len()).collect();
        let found = gaps(&rows, &times).unwrap();
        assert_eq!((found.count, found.largest, found.after), (2, 3.0, 4));
        let times = [0.0, 1.0, 3.0, 4.0, 7.0, 15.0];
        assert_eq!(gaps(&rows[..6], &times), None);
    }

    #[test]
    fn counters_and_clocks_are_regular() {
        let counter = (0..10).map(f64::from);
        assert!(is_regular(counter.clone()));
        assert!(is_regular(counter.clone().map(|t| 1.7e9 + 0.1 * t)));
        assert!(!is_regular(counter.clone().map(|t| t * t)));
        assert!(!is_regular(counter.clone().map(|t| -t)));
        assert!(!is_regular(counter.map(|_| 3.0)));
    }
}
