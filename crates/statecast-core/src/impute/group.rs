//! Channels that are filled together: which form of model suits them, and what it says.

use rayon::prelude::*;

use super::estimation::{Fitted, TAKEN, TRIED};
use super::form::{Form, Layout, SEASONAL};
use super::model::{Conditional, Track};
use super::removal::removed;
use super::seasons::Seasons;
use super::shape::{Shape, standard};
use statrs::distribution::{Continuous, ContinuousCDF};

/// Removed values that a choice rests on, if there are as many, and rounds of removal at most.
const ENOUGH_REMOVED: usize = 400;
const MAX_ROUNDS: usize = 6;

/// Rows that forms are tried on, and that the chosen one is fitted to.
const ROWS_TRIED: usize = 4000;
const ROWS_FITTED: usize = 20_000;

/// Errors beyond this many standard deviations count as this far.
const MAX_ERROR: f64 = 8.0;

/// A run of the channels of a group, standardised.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// `[rows, channels]`, row-major, NaN where unknown.
    pub(super) values: Vec<f64>,
    /// `[rows, actions]`, row-major.
    pub(super) actions: Vec<f64>,
}

/// What the runs of a group have in common.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) channels: usize,
    pub(super) actions: usize,
}

/// What a group's model says of its unknown values.
#[derive(Debug, Clone)]
pub(super) struct Filling {
    /// For each run.
    pub(super) runs: Vec<Conditional>,
    /// For each channel.
    pub(super) shapes: Vec<Shape>,
}

/// Standardised errors of a form at removed values, and its score.
struct Trial {
    form: Form,
    errors: Vec<Vec<f64>>,
    score: f64,
}

impl Group {
    /// Fills the runs with the form that fills removed values best.
    pub(super) fn fill(&self, runs: &[Run], seed: u64) -> Filling {
        let seasons = self.seasons(runs);
        let trials = self.trials(runs, &seasons, seed);
        let best = trials
            .into_iter()
            .min_by(|a, b| a.score.total_cmp(&b.score));
        let (form, shapes) = match best {
            Some(trial) => (trial.form, Shape::of(&trial.errors)),
            None => (Form::WALK, vec![Shape::normal(); self.channels]),
        };
        let seasons = match form.seasonal {
            true => seasons,
            false => vec![None; self.channels],
        };
        let (layout, tracks) = self.tracks(runs, &seasons);
        let part = first_rows(&tracks, ROWS_FITTED);
        let walk = Fitted::walk(&layout, &part, TAKEN);
        let model = Fitted::fit(&form, &layout, &part, &walk, TAKEN).model;
        Filling {
            runs: Fitted::of(model, &tracks).runs,
            shapes,
        }
    }

    fn channel(&self, run: &Run, channel: usize) -> Vec<f64> {
        let column = run.values.iter().skip(channel).step_by(self.channels);
        column.copied().collect()
    }

    /// The seasons of each channel, by its longest run.
    fn seasons(&self, runs: &[Run]) -> Vec<Option<Seasons>> {
        let Some(longest) = runs.iter().max_by_key(|run| run.values.len()) else {
            return vec![None; self.channels];
        };
        let channels = (0..self.channels).into_par_iter();
        channels
            .map(|c| Seasons::find(&self.channel(longest, c)))
            .collect()
    }

    /// The runs with all inputs: actions before and in each row, and values a season away.
    fn tracks(&self, runs: &[Run], seasons: &[Option<Seasons>]) -> (Layout, Vec<Track>) {
        let actions = 2 * self.actions;
        let mut width = actions;
        let firsts = seasons.iter().map(|season| {
            season.map(|_| {
                width += SEASONAL;
                width - SEASONAL
            })
        });
        let firsts: Vec<Option<usize>> = firsts.collect();
        let layout = Layout {
            channels: self.channels,
            width,
            actions,
            seasons: firsts,
        };
        let tracks = runs.iter().map(|run| self.track(run, seasons, &layout));
        let tracks = tracks.collect();
        (layout, tracks)
    }

    fn track(&self, run: &Run, seasons: &[Option<Seasons>], layout: &Layout) -> Track {
        let rows = run.values.len() / self.channels;
        let mut inputs = vec![0.0; rows * layout.width];
        for row in 0..rows {
            let of = |row: usize| &run.actions[row * self.actions..][..self.actions];
            let both = [of(row.saturating_sub(1)), of(row)].concat();
            inputs[row * layout.width..][..both.len()].copy_from_slice(&both);
        }
        for (channel, season) in seasons.iter().enumerate() {
            let (Some(season), Some(first)) = (season, layout.seasons[channel]) else {
                continue;
            };
            let known = season.inputs(&self.channel(run, channel));
            for (row, known) in known.iter().enumerate() {
                inputs[row * layout.width + first..][..SEASONAL].copy_from_slice(known);
            }
        }
        Track {
            channels: self.channels,
            values: run.values.clone(),
            width: layout.width,
            inputs,
        }
    }

    /// All forms on runs of which known values were removed.
    fn trials(&self, runs: &[Run], seasons: &[Option<Seasons>], seed: u64) -> Vec<Trial> {
        let runs = self.first_runs(runs);
        let rounds = self.removals(&runs, seed);
        if rounds.is_empty() {
            return Vec::new();
        }
        let plain = self.tried(&Form::plain(), &runs, &rounds, &vec![None; self.channels]);
        if seasons.iter().all(Option::is_none) {
            return plain;
        }
        let mut order: Vec<&Trial> = plain.iter().collect();
        order.sort_by(|a, b| a.score.total_cmp(&b.score));
        let mut forms: Vec<Form> = order.iter().take(3).map(|t| t.form.with_season()).collect();
        forms.push(
            Form {
                order: 1,
                trend: false,
                drifts: true,
                ..Form::WALK
            }
            .with_season(),
        );
        let seasonal = self.tried(&forms, &runs, &rounds, seasons);
        plain.into_iter().chain(seasonal).collect()
    }

    fn tried(
        &self,
        forms: &[Form],
        runs: &[Run],
        rounds: &[Vec<Vec<usize>>],
        seasons: &[Option<Seasons>],
    ) -> Vec<Trial> {
        let rounds: Vec<Removal> = rounds
            .par_iter()
            .map(|places| Removal::of(self, runs, places, seasons))
            .collect();
        let trial = |form: &Form| {
            let found: Vec<_> = rounds.par_iter().map(|round| round.errors(form)).collect();
            self.trial(*form, found.into_iter().flatten())
        };
        forms.par_iter().map(trial).collect()
    }

    /// Scores errors: the mean logarithm of the channels' CRPS, with densities as wide as the errors say.
    fn trial(&self, form: Form, found: impl Iterator<Item = Removed>) -> Trial {
        let mut by_channel: Vec<Vec<Removed>> = vec![Vec::new(); self.channels];
        found.for_each(|removed| by_channel[removed.channel].push(removed));
        let scored = by_channel.iter().filter(|removed| !removed.is_empty());
        let (mut sum, mut count) = (0.0, 0.0);
        for removed in scored {
            let n = removed.len() as f64;
            let squares: f64 = removed.iter().map(|r| r.standardised().powi(2)).sum();
            let width = (squares / n).sqrt().max(1e-6);
            let crps: f64 = removed
                .iter()
                .map(|r| normal_crps(r.error, width * r.std))
                .sum();
            sum += (crps / n + 1e-9).ln();
            count += 1.0;
        }
        let errors = by_channel
            .iter()
            .map(|removed| removed.iter().map(Removed::standardised).collect());
        Trial {
            form,
            errors: errors.collect(),
            score: sum / f64::max(count, 1.0),
        }
    }

    /// As many runs as forms are tried on; the last of them is cut.
    fn first_runs(&self, runs: &[Run]) -> Vec<Run> {
        let mut left = ROWS_TRIED;
        let mut first = Vec::new();
        for run in runs {
            let rows = (run.values.len() / self.channels).min(left);
            if rows == 0 {
                break;
            }
            left -= rows;
            first.push(Run {
                values: run.values[..rows * self.channels].to_vec(),
                actions: run.actions[..rows * self.actions].to_vec(),
            });
        }
        first
    }

    /// Rounds of removal, each with the places in each run.
    fn removals(&self, runs: &[Run], seed: u64) -> Vec<Vec<Vec<usize>>> {
        let unknown: Vec<Vec<bool>> = runs
            .iter()
            .map(|run| run.values.iter().map(|x| x.is_nan()).collect())
            .collect();
        let mut rounds = Vec::new();
        let mut count = 0;
        for round in 0..MAX_ROUNDS as u64 {
            if count >= ENOUGH_REMOVED {
                break;
            }
            let of = |(number, unknown): (usize, &Vec<bool>)| {
                let seed = seed.wrapping_add(round << 32).wrapping_add(number as u64);
                removed(unknown, self.channels, seed)
            };
            let places: Vec<Vec<usize>> = unknown.iter().enumerate().map(of).collect();
            let removed: usize = places.iter().map(Vec::len).sum();
            if removed > 0 {
                rounds.push(places);
            }
            count += removed;
        }
        rounds
    }
}

/// A removed value beside what a model says of it.
#[derive(Debug, Clone, Copy)]
struct Removed {
    channel: usize,
    error: f64,
    std: f64,
}

impl Removed {
    fn standardised(&self) -> f64 {
        (self.error / self.std.max(1e-9)).clamp(-MAX_ERROR, MAX_ERROR)
    }
}

/// Runs of which known values were removed, and the random walk on them.
struct Removal<'r> {
    runs: &'r [Run],
    places: &'r [Vec<usize>],
    layout: Layout,
    tracks: Vec<Track>,
    walk: Fitted,
}

impl<'r> Removal<'r> {
    fn of(
        group: &Group,
        runs: &'r [Run],
        places: &'r [Vec<usize>],
        seasons: &[Option<Seasons>],
    ) -> Self {
        let without = runs.iter().zip(places).map(|(run, places)| {
            let mut run = run.clone();
            places
                .iter()
                .for_each(|&place| run.values[place] = f64::NAN);
            run
        });
        let without: Vec<Run> = without.collect();
        let (layout, tracks) = group.tracks(&without, seasons);
        let walk = Fitted::walk(&layout, &tracks, TRIED);
        Self {
            runs,
            places,
            layout,
            tracks,
            walk,
        }
    }

    fn errors(&self, form: &Form) -> Vec<Removed> {
        let fitted = Fitted::fit(form, &self.layout, &self.tracks, &self.walk, TRIED);
        let mut errors = Vec::new();
        for ((run, places), conditional) in self.runs.iter().zip(self.places).zip(&fitted.runs) {
            for &place in places {
                let Ok(hole) = conditional.holes.binary_search(&place) else {
                    continue;
                };
                errors.push(Removed {
                    channel: place % self.layout.channels,
                    error: run.values[place] - conditional.mean[hole],
                    std: conditional.std(hole),
                });
            }
        }
        errors
    }
}

/// As many rows of runs; the last of them is cut.
fn first_rows(tracks: &[Track], rows: usize) -> Vec<Track> {
    let mut left = rows;
    let mut first = Vec::new();
    for track in tracks {
        let rows = track.rows().min(left);
        if rows == 0 {
            break;
        }
        left -= rows;
        first.push(Track {
            values: track.values[..rows * track.channels].to_vec(),
            inputs: track.inputs[..rows * track.width].to_vec(),
            ..*track
        });
    }
    first
}

/// CRPS of a normal density around zero at an error.
fn normal_crps(error: f64, std: f64) -> f64 {
    let normal = standard();
    let std = std.max(1e-9);
    let z = error / std;
    std * (z * (2.0 * normal.cdf(z) - 1.0) + 2.0 * normal.pdf(z)
        - 1.0 / std::f64::consts::PI.sqrt())
}
