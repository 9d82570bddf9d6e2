//! Recordings of time steps as RLDS and dm_env have them: the last row of an episode is an observation, after which
//! nothing is done.

use super::Roles;
use super::cells::{Block, Cells};
use super::settle::Run;
use super::spelling::plain_field;
use super::table::Table;

/// Flags of first and last time steps.
const FIRST: [&str; 2] = ["is_first", "step_type"];
const LAST: [&str; 2] = ["is_last", "step_type"];
/// Probability below which rows without actions are believed not to be so by chance.
const CHANCE: f64 = 0.01;

impl Table {
    /// Makes final states of last rows that are flagged as last time steps and hold no action, and gives rewards to
    /// the actions before them where they stand in the rows that these led to.
    pub(super) fn take_last_observations(&mut self, runs: &mut [Run], roles: &mut Roles) {
        let called = |role: &super::AssignedRole, names: [&str; 2]| {
            let mut columns = role.columns.iter();
            columns.any(|column| names.contains(&plain_field(column).as_str()))
        };
        let first = called(&roles.restart, FIRST);
        let last = called(&roles.truncated, LAST) || called(&roles.terminated, LAST);
        let [actions, rewards, successors] = [Block::Action, Block::Reward, Block::Successor]
            .map(|block| &self.blocks[block as usize]);
        if !first || actions.names.is_empty() || !successors.names.is_empty() {
            return;
        }
        let holds =
            |cells: &Cells, row: usize| cells.row(row).iter().any(|&x| x.is_finite() && x != 0.0);
        let acts = |row: usize| holds(actions, row);
        let does = |row: usize| acts(row) || holds(rewards, row);
        let flagged: Vec<usize> = (0..runs.len())
            .filter(|&run| {
                let rows = &runs[run].rows;
                last && rows.len() > 1 && rows.last().is_some_and(|&row| self.ends(row))
            })
            .collect();
        let first_rows: Vec<usize> = runs
            .iter()
            .filter_map(|run| run.rows.first().copied())
            .collect();
        let last_rows: Vec<usize> = flagged
            .iter()
            .filter_map(|&run| runs[run].rows.last().copied())
            .collect();
        let all: Vec<usize> = runs
            .iter()
            .flat_map(|run| run.rows.iter().copied())
            .collect();
        let rests = is_no_chance(&last_rows, &all, acts);
        let acts_late = !rests && is_no_chance(&first_rows, &all, does);
        if !rests && !acts_late {
            return;
        }
        let earns = |row: &usize| holds(rewards, *row);
        let earns_late = last_rows.iter().any(earns) && !first_rows.iter().any(earns);
        let come_late = acts_late || earns_late;
        let late = [(acts_late, Block::Action), (come_late, Block::Reward)];
        for (_, block) in late.iter().filter(|(is_late, _)| *is_late) {
            let cells = &mut self.blocks[*block as usize];
            let width = cells.names.len();
            for pair in runs.iter().flat_map(|run| run.rows.windows(2)) {
                let next = pair[1] * width..(pair[1] + 1) * width;
                cells.values.copy_within(next, pair[0] * width);
            }
        }
        // What the last action of an episode without an end earned is not known if rewards come late.
        let ended: Vec<usize> = match come_late {
            true => (0..runs.len()).collect(),
            false => flagged.clone(),
        };
        for &run in &ended {
            let rows = &mut runs[run].rows;
            let &[.., before, last] = rows.as_slice() else {
                continue;
            };
            self.end_before_final_state(before, last);
            rows.pop();
        }
        let count = format!("{} of {} episode(s)", ended.len(), runs.len());
        roles.notes.push(match (acts_late, come_late) {
            (true, _) => format!(
                "first rows hold no action: actions and rewards are those that led to the state of their \
                 row, and the last rows of {count} are final states"
            ),
            (false, true) => format!(
                "the last rows of {count} are flagged as last time steps and hold no action: they are final states, and \
                 rewards are those of the action in the row before"
            ),
            (false, false) => format!(
                "the last rows of {count} are flagged as last time steps and hold no action: they are final states"
            ),
        });
    }
}

/// Whether nothing is done in some rows though it is in so many of all that this is no chance.
fn is_no_chance(rows: &[usize], all: &[usize], does: impl Fn(usize) -> bool) -> bool {
    let others = all.len().saturating_sub(rows.len()).max(1) as f64;
    let share = all.iter().filter(|&&row| does(row)).count() as f64 / others;
    let chance = (1.0 - share.min(1.0)).powi(i32::try_from(rows.len()).unwrap_or(i32::MAX));
    !rows.is_empty() && !rows.iter().any(|&row| does(row)) && chance < CHANCE
}
