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

/// How far errors count in the width that a form is scored with, in standard deviations.
const MAX_ERROR: f64 = 30.0;

/// Forms that are tried with a season, too: the best without one.
const SEASONAL_FORMS: usize = 3;

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

impl Group {
    /// Fills the runs with the form that fills removed values best.
    pub(super) fn fill(&self, runs: &[Run], seed: u64) -> Filling {
        let mut seasons = self.seasons(runs);
        let tried = self.first_runs(runs);
        let rounds = self.removals(&tried, seed);
        let form = self.best(&tried, &rounds, &seasons);
        if !form.seasonal {
            seasons.fill(None);
        }
        let errors = self.removed(&tried, &rounds, &seasons);
        let errors = by_channel(self.channels, &errors, &form, TAKEN);
        let errors = errors
            .iter()
            .map(|own| own.iter().map(Removed::standardised).collect());
        let (layout, tracks) = self.tracks(runs, &seasons);
        let part = first_rows(&tracks, ROWS_FITTED);
        let walk = Fitted::walk(&layout, &part, TAKEN);
        let model = Fitted::fit(&form, &layout, &part, &walk, TAKEN).model;
        Filling {
            runs: Fitted::of(model, &tracks).runs,
            shapes: Shape::of(&errors.collect::<Vec<_>>()),
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

    /// The form that fills removed values best, among them those with a season where there is one; a random walk if
    /// nothing could be removed.
    fn best(&self, runs: &[Run], rounds: &[Vec<Vec<usize>>], seasons: &[Option<Seasons>]) -> Form {
        if rounds.is_empty() {
            return Form::WALK;
        }
        let removed = self.removed(runs, rounds, &vec![None; self.channels]);
        let mut scored = self.scored(&Form::plain(), &removed);
        scored.sort_by(|a, b| a.1.total_cmp(&b.1));
        if seasons.iter().any(Option::is_some) {
            let removed = self.removed(runs, rounds, seasons);
            let best = scored.iter().take(SEASONAL_FORMS);
            let mut forms: Vec<Form> = best.map(|(form, _)| form.with_season()).collect();
            forms.push(Form::WALK.with_season());
            forms.dedup();
            scored.extend(self.scored(&forms, &removed));
        }
        let best = scored.into_iter().min_by(|a, b| a.1.total_cmp(&b.1));
        best.map_or(Form::WALK, |(form, _)| form)
    }

    fn removed<'r>(
        &self,
        runs: &'r [Run],
        rounds: &'r [Vec<Vec<usize>>],
        seasons: &[Option<Seasons>],
    ) -> Vec<Removal<'r>> {
        let removal = |places: &'r Vec<Vec<usize>>| Removal::of(self, runs, places, seasons);
        rounds.par_iter().map(removal).collect()
    }

    /// The mean logarithm of the channels' CRPS of each form, with densities as wide as its errors say.
    fn scored(&self, forms: &[Form], removed: &[Removal]) -> Vec<(Form, f64)> {
        let score = |form: &Form| {
            let errors = by_channel(self.channels, removed, form, TRIED);
            let scores = errors
                .iter()
                .filter(|own| !own.is_empty())
                .map(|own| log_crps(own));
            let scores: Vec<f64> = scores.collect();
            (
                *form,
                scores.iter().sum::<f64>() / scores.len().max(1) as f64,
            )
        };
        forms.par_iter().map(score).collect()
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
        self.error / self.std.max(1e-9)
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

    fn errors(&self, form: &Form, rounds: usize) -> Vec<Removed> {
        let fitted = Fitted::fit(form, &self.layout, &self.tracks, &self.walk, rounds);
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

/// What a form makes of removed values, for each channel.
fn by_channel(
    channels: usize,
    removed: &[Removal],
    form: &Form,
    rounds: usize,
) -> Vec<Vec<Removed>> {
    let errors = removed
        .par_iter()
        .map(|removal| removal.errors(form, rounds));
    let errors: Vec<Vec<Removed>> = errors.collect();
    let mut by_channel = vec![Vec::new(); channels];
    for error in errors.into_iter().flatten() {
        by_channel[error.channel].push(error);
    }
    by_channel
}

/// The logarithm of the mean CRPS of normal densities that are as much wider or narrower as errors say.
fn log_crps(errors: &[Removed]) -> f64 {
    let count = errors.len() as f64;
    let square = |error: &Removed| error.standardised().clamp(-MAX_ERROR, MAX_ERROR).powi(2);
    let width = (errors.iter().map(square).sum::<f64>() / count)
        .sqrt()
        .max(1e-6);
    let crps = errors.iter().map(|e| normal_crps(e.error, width * e.std));
    (crps.sum::<f64>() / count + 1e-9).ln()
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
