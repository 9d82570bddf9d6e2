//! Numbers that stand for missing values, as -999: those that the user names are read so, others
//! are warned of.

use super::Roles;
use super::cells::{Block, Cells};
use super::table::Table;

/// Numbers that programs and instruments write where there is no value: of weather and climate
/// files, of buoys, of netCDF, of analysers of air, the ends of what integers and floats hold.
const SENTINELS: [f64; 36] = [
    -32768.0,
    32767.0,
    -2_147_483_648.0,
    2_147_483_647.0,
    -999_999.0,
    999_999.0,
    -9999.99,
    -9999.9,
    9999.99,
    -999.99,
    999.99,
    -99.99,
    -99.9,
    99.99,
    -9.99,
    1e30,
    1e36,
    -9.969_209_968_386_869e36,
    65535.0,
    -99.0,
    -88.8,
    3.402_823_5e38,
    -3.402_823_5e38,
    -99999.0,
    -9999.0,
    -999.9,
    -999.0,
    -200.0,
    99.0,
    999.0,
    999.9,
    9999.0,
    9999.9,
    99999.0,
    1e20,
    9.969_209_968_386_869e36,
];
/// How far outside of the others, in ranges of these, such a number lies that is no measurement.
const FAR: f64 = 5.0;
/// The same for a number that is there once, and the fewest others that it is compared with.
const FAR_ALONE: f64 = 20.0;
const MIN_OTHERS: usize = 10;
/// Columns that hold quantities.
const QUANTITIES: [Block; 3] = [Block::State, Block::Action, Block::Reward];

/// A number of a column that may stand for missing values.
struct Suspect {
    column: String,
    value: f64,
    count: usize,
    /// Smallest and largest of the others.
    others: (f64, f64),
    far: bool,
}

impl Table {
    /// Takes the numbers that the user says stand for missing values as such.
    pub(super) fn take_missing_values(&mut self, roles: &mut Roles) {
        let mut counts = vec![0; self.missing_values.len()];
        // The states after the steps are compared with those of the rows.
        for block in QUANTITIES.into_iter().chain([Block::Successor]) {
            let is_words = match block {
                Block::State => self.states_of_words(),
                _ => vec![false; self.blocks[block as usize].names.len()],
            };
            let values = self.blocks[block as usize].values.iter_mut();
            let quantities = values.zip(is_words.into_iter().cycle());
            for (value, _) in quantities.filter(|(_, is_words)| !is_words) {
                let mut known = self.missing_values.iter();
                if let Some(place) = known.position(|&m| is_same(*value, m)) {
                    counts[place] += 1;
                    *value = f64::NAN;
                }
            }
        }
        let states = &self.blocks[Block::State as usize];
        let is_nothing = |&column: &usize| {
            let mut values = states.column_values(column, 0..states.rows());
            values.all(f64::is_nan)
        };
        let nothing: Vec<usize> = (0..states.names.len()).filter(is_nothing).collect();
        let replaced = counts.iter().any(|&count| count > 0);
        if self.open_states && replaced && (1..states.names.len()).contains(&nothing.len()) {
            let names = self.leave_out_states(&nothing, roles);
            let verb = if names.len() == 1 { "is" } else { "are" };
            let note = format!(
                "{} {verb} missing in all rows and left out",
                names.join(", ")
            );
            roles.notes.push(note);
        }
        let absent = self.missing_values.iter().zip(counts);
        let absent = absent.filter(|(_, count)| *count == 0);
        roles.warnings.extend(absent.map(|(value, _)| {
            format!("no state, action or reward is {value}: `missing-value={value}` has no effect")
        }));
    }

    /// Warns of numbers that usually stand for missing values and lie far outside of all others of
    /// their column; once there is one, other columns are believed to have it, too.
    pub(super) fn warn_of_sentinels(&self, roles: &mut Roles) {
        let cells = QUANTITIES.map(|block| &self.blocks[block as usize]);
        for sentinel in SENTINELS {
            let columns = cells.iter().flat_map(|cells| {
                (0..cells.names.len()).filter_map(move |column| suspect(cells, column, sentinel))
            });
            let found: Vec<Suspect> = columns.collect();
            let Some(first) = found.iter().find(|suspect| suspect.far) else {
                continue;
            };
            let columns: Vec<String> = found
                .iter()
                .map(|suspect| match suspect.count {
                    1 => format!("{} (1 row)", suspect.column),
                    count => format!("{} ({count} rows)", suspect.column),
                })
                .collect();
            let (low, high) = first.others;
            roles.warnings.push(format!(
                "{} {} {}, as many files write missing values; the others of {} are from {low} to {high}; \
                 `missing-value={sentinel}` reads it as missing",
                columns.join(", "),
                match found.as_slice() {
                    [Suspect { count: 1, .. }] => "holds",
                    _ => "hold",
                },
                first.value,
                first.column
            ));
        }
    }
}

/// Whether a value is a number, maybe stored in single precision.
fn is_same(value: f64, number: f64) -> bool {
    value == number || value == f64::from(number as f32)
}

/// A column that holds a number outside of all others, twice or more or far outside.
fn suspect(cells: &Cells, column: usize, sentinel: f64) -> Option<Suspect> {
    let values = || {
        let all = cells.column_values(column, 0..cells.rows());
        all.filter(|value| value.is_finite())
    };
    let (mut count, mut others) = (0, 0);
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values() {
        match is_same(value, sentinel) {
            true => count += 1,
            // Another number of this kind says nothing of the range.
            false if SENTINELS.iter().any(|&other| is_same(value, other)) => {}
            false => {
                others += 1;
                (low, high) = (low.min(value), high.max(value));
            }
        }
    }
    let beyond = (low - sentinel).max(sentinel - high);
    let alone = others >= MIN_OTHERS && beyond > FAR_ALONE * (high - low);
    let fits = count > 1 || (count == 1 && alone);
    (fits && low <= high && beyond > 0.0).then(|| Suspect {
        column: cells.names[column].clone(),
        value: sentinel,
        count,
        others: (low, high),
        far: beyond > FAR * (high - low),
    })
}
