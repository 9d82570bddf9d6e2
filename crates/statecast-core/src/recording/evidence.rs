//! What the values of a file's arrays say of its rows before they are read: how long episodes are, and which axis is
//! time.

use std::io::{Cursor, Read};

use super::RecordingError;
use super::array_rows::{Family, Rows};
use super::arrays::{Container, corrupt};
use super::axes::{Roughness, Sample, TimeAxisOf};
use super::boundaries::{Boundaries, Cuts};
use super::conventions::{Convention, convention};
use super::filled::Buffer;
use super::input::Input;
use super::npy::{Fault, Layout};
use super::padding::Padding;

/// So many times as long as the second axis the first one is that of time where nothing else tells.
const MANY_TIMES: u64 = 8;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    pub(super) padding: Option<Padding>,
    cuts: Option<Cuts>,
    axes: Option<String>,
    /// Whether the padding is what of a replay buffer is not filled yet.
    pub(super) is_buffer: bool,
    /// The array that says in which row a full replay buffer begins, and that row.
    pub(super) ring: Option<(String, usize)>,
    /// The array with the position of a replay buffer of which nothing says whether it is full.
    unsaid: Option<String>,
}

impl Evidence {
    /// Looks at the arrays that tell of the rows of others, and turns the axes of these where the first one is time, or
    /// the second of rows that are channels.
    pub(super) fn of(
        container: &mut impl Container,
        families: &[Family],
        rows: &mut Rows,
        input: &Input,
    ) -> Result<Self, RecordingError> {
        let mut arrays = Arrays {
            container,
            families,
            input,
        };
        let mut padding = arrays.padding(rows)?;
        let across = arrays.padding_across(rows)?;
        let mut axes = match rows.shape.as_slice() {
            [_, _] if padding.is_none() || across.is_some() => arrays.time_axis(rows)?,
            [_] if rows.episodes.is_empty() => match arrays.field(rows)? {
                Some(field) => Some(field),
                None => arrays.channels(rows)?,
            },
            _ => None,
        };
        match across {
            Some(across) if rows.turned || padding.is_none() => {
                if !rows.turned {
                    rows.turned = true;
                    axes = Some(format!(
                        "arrays begin with [{}, {}]: the first axis is taken for time and the second for environments, \
                         for so {} has them",
                        rows.shape[0], rows.shape[1], across.name
                    ));
                }
                padding = Some(across);
            }
            Some(_) => axes = None,
            None => {}
        }
        let buffer = match padding {
            None => arrays.buffer(rows)?,
            Some(_) => None,
        };
        let (mut unfilled, mut ring, mut unsaid) = (None, None, None);
        match buffer {
            Some(Buffer::Unfilled(padding)) => unfilled = Some(padding),
            Some(Buffer::Ring(name, start)) => ring = Some((name, start)),
            Some(Buffer::Unsaid(name)) => unsaid = Some(name),
            None => {}
        }
        Ok(Self {
            cuts: arrays.cuts(rows)?,
            is_buffer: unfilled.is_some(),
            padding: padding.or(unfilled),
            axes,
            ring,
            unsaid,
        })
    }

    /// What an array holds that tells of the rows of others and has none itself.
    pub(super) fn holds(&self, name: &str) -> Option<&'static str> {
        let padding = self.padding.as_ref().filter(|known| known.name == name);
        let cuts = self.cuts.as_ref().filter(|known| known.name == name);
        let of_padding = match self.is_buffer {
            true => "filled rows of the buffer",
            false => "lengths of the episodes",
        };
        padding
            .map(|_| of_padding)
            .or(cuts.map(|cuts| cuts.says.described()))
    }

    /// Names and rows of the episodes, where an array says so.
    pub(super) fn episodes(&self, all_long: bool) -> Option<Vec<(String, usize)>> {
        let padded = self.padding.as_ref().map(|known| known.episodes(all_long));
        padded.or_else(|| Some(self.cuts.as_ref()?.episodes(all_long)))
    }

    pub(super) fn notes(&self) -> Vec<String> {
        let padding = self
            .padding
            .as_ref()
            .and_then(|padding| match self.is_buffer {
                true => Some(padding.note_of_buffer()),
                false => padding.note(),
            });
        let cuts = self.cuts.as_ref().map(Cuts::note);
        let ring = self.ring.as_ref().map(|(name, start)| {
            format!(
                "by {name} the full buffer begins in row {}: the rows before it come last",
                start + 1
            )
        });
        let unsaid = self.unsaid.as_ref().map(|name| {
            format!(
                "{name} may be the position of a replay buffer, but neither full nor size says whether it is full: rows \
                 are read in the order of the file"
            )
        });
        let axes = self.axes.clone().into_iter();
        let all = axes.chain(padding).chain(ring).chain(unsaid).chain(cuts);
        all.collect()
    }
}

/// The arrays of a file.
pub(super) struct Arrays<'a, C> {
    container: &'a mut C,
    pub(super) families: &'a [Family],
    pub(super) input: &'a Input,
}

impl<C: Container> Arrays<'_, C> {
    fn corrupt(&self, family: &Family, reason: &str) -> RecordingError {
        let reason = format!("array {}: {reason}", family.name);
        corrupt(&self.input.name, self.container.format(), reason)
    }

    /// The numbers of an array; those of two leading dimensions of which the first is given come with the last running
    /// fastest.
    pub(super) fn numbers(
        &mut self,
        family: &Family,
        mut layout: Layout,
        episodes: Option<u64>,
    ) -> Result<Vec<f64>, RecordingError> {
        let (bounds, name) = (self.input.bounds, &self.input.name);
        bounds.check_values(name, layout.rows)?;
        let mut read = |container: &mut C| -> Result<Vec<f64>, String> {
            let mut reader = container.values(family.members[0])?;
            if let Some(episodes) = episodes.filter(|_| layout.fortran) {
                let ordered = ordered(&mut *reader, &layout, episodes, false)?;
                reader = Box::new(Cursor::new(ordered));
                layout.fortran = false;
            }
            let mut values = Vec::new();
            let read = layout.stream(&mut *reader, |_, _, bytes| {
                values.push(layout.element.number(bytes));
                Ok::<(), String>(())
            });
            read.map_err(|fault| match fault {
                Fault::Data(reason) | Fault::Receiver(reason) => reason,
            })?;
            Ok(values)
        };
        let found = read(self.container);
        found.map_err(|reason| self.corrupt(family, &reason))
    }

    /// Where the episodes of concatenated rows end, where an array says so.
    fn cuts(&mut self, rows: &Rows) -> Result<Option<Cuts>, RecordingError> {
        let (&[length], true) = (rows.shape.as_slice(), rows.episodes.is_empty()) else {
            return Ok(None);
        };
        for family in self.families {
            let says = Boundaries::of(&family.name, &family.header, length);
            let Some((says, layout)) = says.zip(Boundaries::layout(&family.header)) else {
                continue;
            };
            let values = self.numbers(family, layout, None)?;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            if let Some(lengths) = says.lengths(&values, length) {
                return Ok(Some(Cuts::new(family.name.clone(), says, lengths)));
            }
        }
        Ok(None)
    }

    /// The beginning of an array by which its axes are judged.
    pub(super) fn sample(&mut self, family: &Family) -> Result<Option<Sample>, RecordingError> {
        let Some((layout, shape)) = Sample::layout(&family.header) else {
            return Ok(None);
        };
        let values = self.numbers(family, layout, None)?;
        Ok(Some(Sample::new(values, shape, family.header.fortran)))
    }

    /// Turns `[steps, environments]`, as in rollout buffers; the note says so, or that it is not clear.
    fn time_axis(&mut self, rows: &mut Rows) -> Result<Option<String>, RecordingError> {
        let &[first, second] = rows.shape.as_slice() else {
            return Ok(None);
        };
        if let Some(long) = &rows.long {
            return Ok(rows.turned.then(|| {
                format!(
                    "arrays begin with [{first}, {second}]: the first axis is taken for time and the second for {second} \
                     environments, for states begin with [{}, {second}]",
                    long[0]
                )
            }));
        }
        let families = self.families;
        let Some(states) = rows.reference.map(|place| &families[place]) else {
            return Ok(None);
        };
        // An axis of one is that of environments: episodes of one step would be told by their ends.
        if second == 1 && first > 1 {
            rows.turned = true;
            return Ok(Some(format!(
                "arrays begin with [{first}, 1]: the first axis is taken for time and the second for one environment"
            )));
        }
        let of_role = |role: Convention| {
            families.iter().find(move |family| {
                let shape = &family.header.shape;
                convention(&family.name) == Some(role) && shape.starts_with(&[first, second])
            })
        };
        let Some(sample) = self.sample(states)? else {
            return Ok(None);
        };
        let mut found = (TimeAxisOf::Unclear, String::new());
        if let Some(next) = of_role(Convention::Successor)
            && let Some(next) = self.sample(next)?
            && let Some((along_first, along_second)) = sample.follows(&next)
        {
            found = (
                TimeAxisOf::where_only((along_first > 0.5, along_second > 0.5)),
                "for next states are those of the next step".to_owned(),
            );
        }
        if found.0 == TimeAxisOf::Unclear
            && let Some(starts) = of_role(Convention::Restart)
            && let Some(starts_sample) = self.sample(starts)?
        {
            found = (
                TimeAxisOf::where_only(starts_sample.first_are_set()),
                format!("for {} is set in all first ones", starts.name),
            );
        }
        for role in [Convention::Terminated, Convention::Truncated] {
            if found.0 == TimeAxisOf::Unclear
                && let Some(ends) = of_role(role)
                && let Some(ends_sample) = self.sample(ends)?
            {
                found = (
                    TimeAxisOf::where_only(ends_sample.last_are_set(first)),
                    format!("for {} is set in all last ones", ends.name),
                );
            }
        }
        if found.0 == TimeAxisOf::Unclear
            && let Some(times) = of_role(Convention::Time)
            && let Some(times_sample) = self.sample(times)?
        {
            found = (
                TimeAxisOf::where_only(times_sample.rise()),
                format!("for {} rises along it", times.name),
            );
        }
        if found.0 == TimeAxisOf::Unclear && first != second {
            let along = [self.times_of(first)?, self.times_of(second)?];
            let name = along.iter().flatten().next().cloned().unwrap_or_default();
            found = (
                TimeAxisOf::where_only((along[0].is_some(), along[1].is_some())),
                format!("for {name} has as many values"),
            );
        }
        if found.0 == TimeAxisOf::Unclear {
            let Some(Roughness { first, second }) = sample.roughness() else {
                return Ok(None);
            };
            found = (
                Roughness { first, second }.time(),
                format!(
                    "as the mean squared change of {} to the next, in twice its variance, is {first:.2} along the first \
                     and {second:.2} along the second",
                    states.name
                ),
            );
        }
        let (mut axis, mut why) = found;
        // There are more steps than environments.
        if axis == TimeAxisOf::Unclear && first >= MANY_TIMES * second {
            axis = TimeAxisOf::First;
            why = format!("for there are so many; the values do not tell, {why}");
        }
        let shape = format!("arrays begin with [{first}, {second}]");
        rows.turned = axis == TimeAxisOf::First;
        Ok(match axis {
            TimeAxisOf::First => Some(format!(
                "{shape}: the first axis is taken for time and the second for {second} environments, {why}"
            )),
            TimeAxisOf::Second => None,
            TimeAxisOf::Unclear => Some(format!(
                "{shape}: the first axis is taken for episodes and the second for time; the values do not tell, {why}"
            )),
        })
    }

    /// The name of an array of so many rising times.
    fn times_of(&mut self, length: u64) -> Result<Option<String>, RecordingError> {
        for family in self.families {
            let (true, Ok(element)) = (
                flat_length(family) == Some(length),
                family.header.element.clone(),
            ) else {
                continue;
            };
            if convention(&family.name) != Some(Convention::Time) {
                continue;
            }
            let layout = Layout {
                rows: length,
                columns: 1,
                element,
                fortran: false,
            };
            let times = self.numbers(family, layout, None)?;
            if times.windows(2).all(|pair| pair[0] < pair[1]) {
                return Ok(Some(family.name.clone()));
            }
        }
        Ok(None)
    }

    /// Turns a field `[places, times]` beside arrays of as many of both.
    fn field(&mut self, rows: &mut Rows) -> Result<Option<String>, RecordingError> {
        let families = self.families;
        for (place, family) in families.iter().enumerate() {
            let &[places, values] = family.header.shape.as_slice() else {
                continue;
            };
            let has_places = families
                .iter()
                .any(|other| flat_length(other) == Some(places));
            if places > 1
                && values > 1
                && places != values
                && has_places
                && rows.long.is_none()
                && family.is_usable()
                && self.times_of(places)?.is_none()
                && let Some(times) = self.times_of(values)?
            {
                rows.shape = vec![values];
                rows.reference = Some(place);
                return Ok(Some(format!(
                    "{} [{places}, {values}] is read as {places} column(s) of {values} rows, for {times} has as many values",
                    family.name
                )));
            }
        }
        Ok(None)
    }

    /// Turns `[channels, values]` where no other array has as many rows as there are channels.
    fn channels(&mut self, rows: &mut Rows) -> Result<Option<String>, RecordingError> {
        let families = self.families;
        let Some(states) = rows.reference.map(|place| &families[place]) else {
            return Ok(None);
        };
        let (&[channels, values], None) = (states.header.shape.as_slice(), &rows.long) else {
            return Ok(None);
        };
        let beside = |family: &&Family| {
            let shape = &family.header.shape;
            let alike = matches!(shape[..], [_, last] if last == values);
            channels > 1 && family.is_usable() && shape[0] == channels && !alike
        };
        if channels >= values || families.iter().any(|family| beside(&family)) {
            return Ok(None);
        }
        let rough = self.sample(states)?.and_then(|sample| sample.roughness());
        let Some(rough) = rough.filter(|rough| rough.is_of_channels(channels, values)) else {
            return Ok(None);
        };
        rows.shape = vec![values];
        Ok(Some(format!(
            "{} [{channels}, {values}] is read as {channels} channel(s) of {values} rows, as its mean squared change to the \
             next, in twice its variance, is {:.2} along the first axis and {:.2} along the second",
            states.name, rough.first, rough.second
        )))
    }
}

/// The values of an array of one axis, as MATLAB has it, too.
fn flat_length(family: &Family) -> Option<u64> {
    let mut long = family.header.shape.iter().filter(|&&length| length != 1);
    let length = long.next()?;
    (long.next().is_none() && family.lengths.is_empty()).then_some(*length)
}

/// The values of an array whose last index is to run fastest: of one whose first index, of so many, does, or one whose
/// two leading axes are turned.
pub(super) fn ordered(
    reader: &mut dyn Read,
    layout: &Layout,
    first: u64,
    turned: bool,
) -> Result<Vec<u8>, String> {
    let size = layout.element.bytes();
    let rows = usize::try_from(layout.rows).map_err(|_| "too many rows".to_owned())?;
    let total = rows
        .checked_mul(layout.columns)
        .and_then(|values| values.checked_mul(size))
        .ok_or("more values than exist")?;
    let mut bytes = Vec::new();
    let read = reader.take(total as u64).read_to_end(&mut bytes);
    read.map_err(|fault| fault.to_string())?;
    if bytes.len() < total {
        let (found, all) = (bytes.len() / size, total / size);
        return Err(format!(
            "it ends after {found} of the {all} values its header claims"
        ));
    }
    let first = usize::try_from(first).unwrap_or(1).max(1);
    let second = rows / first;
    let mut ordered = Vec::with_capacity(total);
    for row in 0..rows {
        let (i, j) = match turned {
            true => (row % first, row / first),
            false => (row / second, row % second),
        };
        for column in 0..layout.columns {
            let at = match layout.fortran {
                true => i + first * (j + second * column),
                false => (i * second + j) * layout.columns + column,
            };
            ordered.extend_from_slice(&bytes[size * at..size * (at + 1)]);
        }
    }
    Ok(ordered)
}
