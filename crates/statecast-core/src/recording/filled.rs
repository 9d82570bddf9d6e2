//! Rows of arrays that are no data: what episodes are padded with, and what of a replay buffer is not filled.

use std::ops::Range;

use super::RecordingError;
use super::array_rows::Rows;
use super::arrays::Container;
use super::evidence::Arrays;
use super::npy::Layout;
use super::padding::{Padding, Says};
use super::spelling::plain_field;

/// How a replay buffer holds its rows.
pub(super) enum Buffer {
    /// The last rows are not filled yet.
    Unfilled(Padding),
    /// It is full, and its rows begin with this one, as an array of that name says.
    Ring(String, usize),
    /// It may be a full one that begins elsewhere: an array of that name has a position, and none says whether the
    /// buffer is full.
    Unsaid(String),
}

impl<C: Container> Arrays<'_, C> {
    /// How many rows of each episode are data, where episodes are padded and an array says so.
    pub(super) fn padding(&mut self, rows: &Rows) -> Result<Option<Padding>, RecordingError> {
        let &[episodes, padded] = rows.shape.as_slice() else {
            return Ok(None);
        };
        for family in self.families {
            let known = Says::of(&family.name, &family.header, episodes, padded);
            let layout = known.and_then(|says| {
                let layout = says.layout(&family.header, episodes, padded)?;
                Some((says, layout))
            });
            let Some((says, layout)) = layout else {
                continue;
            };
            let of_rows = (says != Says::Lengths).then_some(episodes);
            let values = self.numbers(family, layout, of_rows)?;
            let length = usize::try_from(padded).unwrap_or(usize::MAX);
            let readings = says.readings(&values, length);
            let Some(data) = self.of_blank_padding(readings, rows)? else {
                continue;
            };
            let found = Padding::new(family.name.clone(), length, &data);
            return found
                .map(Some)
                .map_err(|(episode, beyond)| RecordingError::PaddedLength {
                    file: self.input.name.clone(),
                    array: family.name.clone(),
                    episode,
                    length: beyond,
                    rows: length,
                });
        }
        Ok(None)
    }

    /// The first reading by which the states of all padding are blank or do not change; without any, the first whose
    /// padding is after the data.
    fn of_blank_padding(
        &mut self,
        mut readings: Vec<Vec<Range<u64>>>,
        rows: &Rows,
    ) -> Result<Option<Vec<Range<u64>>>, RecordingError> {
        let in_front = |data: &[Range<u64>]| data.iter().all(|range| range.start == 0);
        if readings.len() == 1 && in_front(&readings[0]) {
            return Ok(readings.pop());
        }
        let families = self.families;
        if let Some(states) = rows.reference
            && !readings.is_empty()
            && let Some(sample) = self.sample(&families[states])?
            && let Some(place) = readings
                .iter()
                .position(|data| sample.is_blank_beside(data))
        {
            return Ok(Some(readings.swap_remove(place)));
        }
        Ok(readings.into_iter().find(|data| in_front(data)))
    }

    /// The same where the first axis is time, by an array that fits that.
    pub(super) fn padding_across(
        &mut self,
        rows: &Rows,
    ) -> Result<Option<Padding>, RecordingError> {
        let &[steps, environments] = rows.shape.as_slice() else {
            return Ok(None);
        };
        let length = usize::try_from(steps).unwrap_or(usize::MAX);
        for family in self.families {
            let known = Says::across(&family.name, &family.header, steps, environments);
            let layout = known.and_then(|says| {
                let layout = says.layout(&family.header, environments, steps)?;
                Some((says, layout))
            });
            let Some((says, layout)) = layout else {
                continue;
            };
            let mut values = match says {
                Says::Lengths => self.numbers(family, layout, None)?,
                Says::Mask | Says::Pads => self.numbers(family, layout, Some(steps))?,
            };
            if says != Says::Lengths {
                let width = environments as usize;
                let of = |environment: usize| values.iter().skip(environment).step_by(width);
                values = (0..width).flat_map(of).copied().collect();
            }
            let readings = says.readings(&values, length);
            // Flags of whole environments may say anything.
            let tells = |data: &Vec<Range<u64>>| {
                let in_front = data.iter().all(|range| range.start == 0);
                in_front && data.iter().any(|range| (1..steps).contains(&range.end))
            };
            let data = readings.into_iter().find(tells);
            let found = data.and_then(|data| Padding::new(family.name.clone(), length, &data).ok());
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// What of a replay buffer is not filled yet, by its size, or by its position where a flag says that it was never
    /// full; or where a full one begins.
    pub(super) fn buffer(&mut self, rows: &Rows) -> Result<Option<Buffer>, RecordingError> {
        let (capacity, environments) = match rows.shape[..] {
            [capacity] if rows.episodes.is_empty() => (capacity, 1),
            [capacity, environments] if rows.turned => (capacity, environments),
            _ => return Ok(None),
        };
        let mut known: [Option<(&str, f64)>; 3] = [None; 3];
        for family in self.families {
            let name = plain_field(&family.name);
            let names: [&[&str]; 3] = [&["full"], &["size"], &["pos", "ptr", "cursor"]];
            let place = names
                .iter()
                .position(|names| names.contains(&name.as_str()));
            let element = family.header.element.clone().ok();
            let is_scalar = family.header.shape.iter().all(|&length| length == 1);
            let (Some(place), Some(element), true) = (place, element, is_scalar) else {
                continue;
            };
            let layout = Layout {
                rows: 1,
                columns: 1,
                element,
                fortran: false,
            };
            let value = self.numbers(family, layout, None)?.first().copied();
            known[place] = value.map(|value| (family.name.as_str(), value));
        }
        let [full, size, position] = known;
        let never_full = full.is_some_and(|(_, full)| full == 0.0);
        let is_full = full.is_some_and(|(_, full)| full == 1.0)
            || size.is_some_and(|(_, size)| size == capacity as f64);
        let inside = |&(_, start): &(&str, f64)| {
            start.fract() == 0.0 && (1.0..capacity as f64).contains(&start)
        };
        if let Some((name, start)) = position.filter(inside).filter(|_| is_full) {
            return Ok(Some(Buffer::Ring(name.to_owned(), start as usize)));
        }
        if let Some((name, _)) = position.filter(inside)
            && full.is_none()
            && size.is_none()
        {
            return Ok(Some(Buffer::Unsaid(name.to_owned())));
        }
        let filled = size.or(position.filter(|_| never_full));
        let fits = |(_, filled): &(&str, f64)| {
            filled.fract() == 0.0 && (1.0..capacity as f64).contains(filled)
        };
        let Some((name, filled)) = filled.filter(fits) else {
            return Ok(None);
        };
        let (Ok(rows), Ok(environments)) =
            (usize::try_from(capacity), usize::try_from(environments))
        else {
            return Ok(None);
        };
        let data = vec![0..filled as u64; environments];
        let padding = Padding::new(name.to_owned(), rows, &data).ok();
        Ok(padding.map(Buffer::Unfilled))
    }
}
