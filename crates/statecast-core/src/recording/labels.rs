//! Columns of words or whole numbers that may say which rows belong together.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::conventions::is_environment;
use super::order::{arrange, conflicts};

/// Why a column may tell episodes apart, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// The user says so.
    Chosen,
    /// It is called like one that does.
    Named,
    /// So it is, but quantities may be called alike.
    Vague,
    /// It is called like an environment of several that run at once.
    Environment,
    /// It is called like an identifier of something.
    Perhaps,
    /// It holds words.
    Words,
}

/// Fewest rows a kind of what may be series.
const MIN_ROWS: usize = 5;

/// The labels of a column, one a row.
#[derive(Debug)]
pub(super) struct Labels {
    pub(super) column: String,
    pub(super) claim: Claim,
    /// Whether the column holds numbers.
    pub(super) numeric: bool,
    words: Vec<String>,
    known: HashMap<String, usize>,
    /// Word and first row of each stretch of equal labels.
    starts: Vec<(usize, usize)>,
    /// Rows without a label.
    gaps: Vec<usize>,
    pub(super) rows: usize,
}

impl Labels {
    pub(super) fn new(column: &str, claim: Claim, numeric: bool) -> Self {
        Self {
            column: column.to_owned(),
            claim,
            numeric,
            words: Vec::new(),
            known: HashMap::new(),
            starts: Vec::new(),
            gaps: Vec::new(),
            rows: 0,
        }
    }

    /// How many kinds of rows it tells apart, if these may be series: by its name, because the rows of each stand
    /// together, or because they take turns.
    pub(super) fn may_be_series(&self) -> Option<usize> {
        let (kinds, stretches) = (self.words.len(), self.starts.len());
        let apart = kinds > 1 && kinds * MIN_ROWS <= self.rows && self.gaps.is_empty();
        let turns = 2 * stretches > self.rows;
        let named = self.claim != Claim::Words;
        (apart && (named || turns || stretches == kinds)).then_some(kinds)
    }

    /// Whether rows with other labels in between do not part its rows: it numbers environments, or the user chose it
    /// and most rows have another label than the row before.
    pub(super) fn runs_beside_others(&self) -> bool {
        let takes_turns = 2 * self.starts.len() > self.rows && self.repeats();
        match self.claim {
            Claim::Environment => true,
            Claim::Chosen => takes_turns || self.numbers_environments(),
            _ => false,
        }
    }

    /// Whether flags cut its rows, for an environment has several episodes.
    pub(super) fn numbers_environments(&self) -> bool {
        let called = self.claim == Claim::Chosen && is_environment(&self.column);
        self.claim == Claim::Environment || called
    }

    /// Takes the label of a row; rows come in order. No text stands for missing.
    pub(super) fn push(&mut self, row: usize, text: &str) {
        self.rows = row + 1;
        let text = whole_number(text.trim());
        if text.is_empty() {
            self.gaps.push(row);
            return;
        }
        if self
            .starts
            .last()
            .is_some_and(|(last, _)| self.words[*last] == text)
        {
            return;
        }
        let word = match self.known.get(text) {
            Some(&word) => word,
            None => {
                self.words.push(text.to_owned());
                self.known.insert(text.to_owned(), self.words.len() - 1);
                self.words.len() - 1
            }
        };
        self.starts.push((word, row));
    }

    /// Takes a row with the label of the row before.
    pub(super) fn same(&mut self, row: usize) {
        self.rows = row + 1;
    }

    /// The word of each row; rows without one have that of the row before, the first ones 0.
    pub(super) fn of_rows(&self) -> Vec<usize> {
        let ends = self.starts.iter().skip(1).map(|(_, start)| *start);
        let mut words = vec![0; self.starts.first().map_or(self.rows, |(_, start)| *start)];
        for ((word, start), end) in self.starts.iter().zip(ends.chain([self.rows])) {
            words.extend(std::iter::repeat_n(*word, end - start));
        }
        words
    }

    /// The first row without a label.
    pub(super) fn first_gap(&self) -> Option<usize> {
        self.gaps.first().copied()
    }

    /// Whether a row has no label.
    pub(super) fn is_gap(&self, row: usize) -> bool {
        self.gaps.binary_search(&row).is_ok()
    }

    /// The different words of the column.
    pub(super) fn words(&self) -> &[String] {
        &self.words
    }

    pub(super) fn word(&self, word: usize) -> &str {
        self.words.get(word).map_or("", String::as_str)
    }

    /// The column as numbers, if one of them is no whole number or the column is all there is.
    pub(super) fn quantity(&self, alone: bool) -> Option<Vec<f64>> {
        let number = |word: &String| word.replacen(',', ".", 1).parse::<f64>().ok();
        let values: Vec<f64> = self.words.iter().map(number).collect::<Option<_>>()?;
        let whole = values.iter().all(|value| value.fract() == 0.0);
        let of_row = |word: usize| values.get(word).copied().unwrap_or(f64::NAN);
        (self.numeric && (alone || !whole)).then(|| {
            let mut column: Vec<f64> = self.of_rows().into_iter().map(of_row).collect();
            self.gaps.iter().for_each(|&row| column[row] = f64::NAN);
            column
        })
    }

    /// The first row whose label was there before, but not in the row before.
    pub(super) fn comes_back(&self) -> Option<(usize, &str)> {
        let mut seen = HashSet::new();
        let again = self.starts.iter().find(|(word, _)| !seen.insert(*word))?;
        Some((again.1, self.word(again.0)))
    }

    /// Whether there are several labels, most of them of more than one row.
    fn repeats(&self) -> bool {
        self.words.len() > 1 && 2 * self.words.len() <= self.rows
    }
}

/// Rows that belong together, by some columns.
#[derive(Debug)]
pub(super) struct Groups {
    /// Positions of the columns among the labels; none where all rows are one group.
    pub(super) columns: Vec<usize>,
    /// Name and rows of each, in the order of the file.
    pub(super) members: Vec<(String, Vec<usize>)>,
}

/// Rows whose label comes back although nothing says in which order they are.
#[derive(Debug)]
pub(super) struct ComesBack {
    pub(super) row: usize,
    pub(super) label: String,
}

/// Share of rows that must not fit one clock before words that alternate are believed.
const INTERLEAVED: f64 = 0.1;

/// Groups rows by the surest column of labels, and by others where the time goes back or repeats
/// within its groups and would not within theirs. Without times, rows of a label must be together.
pub(super) fn group(
    labels: &[Labels],
    times: Option<&[f64]>,
    rows: usize,
) -> Result<Groups, ComesBack> {
    let chosen: Vec<usize> = (0..labels.len())
        .filter(|&l| labels[l].claim == Claim::Chosen)
        .collect();
    if !chosen.is_empty() || labels.is_empty() {
        return checked(labels, times, chosen, rows);
    }
    let fits = |label: &Labels| match label.claim {
        Claim::Chosen | Claim::Named => true,
        Claim::Environment => label.repeats(),
        Claim::Vague => label.repeats() && (times.is_some() || label.comes_back().is_none()),
        Claim::Perhaps => label.repeats() && times.is_none() && label.comes_back().is_none(),
        Claim::Words => false,
    };
    let surest = (0..labels.len())
        .filter(|&l| fits(&labels[l]))
        .min_by_key(|&l| labels[l].claim);
    let mut start: Vec<usize> = surest.into_iter().collect();
    // Episodes may be numbered in each environment.
    let environments: Vec<usize> = (0..labels.len())
        .filter(|&l| labels[l].claim == Claim::Environment && fits(&labels[l]))
        .collect();
    let with = [&start[..], &environments].concat();
    let count = |columns: &[usize]| members(labels, columns, rows).len();
    if surest.is_some_and(|l| labels[l].claim < Claim::Environment) && count(&with) > count(&start)
    {
        start = with;
    }
    let mut columns = start.clone();
    let before = misfits(labels, times, &columns, rows);
    let mut left = before;
    while left > 0 {
        let may = |l: &usize| {
            let label = &labels[*l];
            let together = label.comes_back().is_none();
            let sure = label.claim <= Claim::Environment;
            label.repeats()
                && !columns.contains(l)
                && (sure || together || left as f64 > INTERLEAVED * rows as f64)
        };
        let tried = (0..labels.len()).filter(may).map(|l| {
            let with = [&columns[..], &[l]].concat();
            (misfits(labels, times, &with, rows), labels[l].claim, l)
        });
        match tried.min() {
            Some((misfits, _, l)) if 2 * misfits <= left => {
                columns.push(l);
                left = misfits;
            }
            _ => break,
        }
    }
    if 10 * left > before {
        columns = start;
    }
    checked(labels, times, columns, rows)
}

/// What does not fit in groups: times that go back or repeat; without times, labels that come back.
fn misfits(labels: &[Labels], times: Option<&[f64]>, columns: &[usize], rows: usize) -> usize {
    let groups = members(labels, columns, rows);
    match times {
        Some(times) => {
            let of = |(_, group): &(String, Vec<usize>)| {
                let times: Vec<f64> = group.iter().map(|&row| times[row]).collect();
                conflicts(&arrange(&times), &times)
            };
            groups.iter().map(of).sum()
        }
        None => {
            let place = places_beside_others(labels, columns, rows);
            let apart = |(_, group): &(String, Vec<usize>)| {
                let pairs = group.windows(2);
                pairs
                    .filter(|pair| place[pair[1]] != place[pair[0]] + 1)
                    .count()
            };
            groups.iter().map(apart).sum()
        }
    }
}

fn checked(
    labels: &[Labels],
    times: Option<&[f64]>,
    columns: Vec<usize>,
    rows: usize,
) -> Result<Groups, ComesBack> {
    let members = members(labels, &columns, rows);
    if times.is_none() {
        let place = places_beside_others(labels, &columns, rows);
        let apart = members.iter().find_map(|(name, group)| {
            let gap = group
                .windows(2)
                .find(|pair| place[pair[1]] != place[pair[0]] + 1)?;
            Some((gap[1], name))
        });
        if let Some((row, label)) = apart {
            return Err(ComesBack {
                row,
                label: label.clone(),
            });
        }
    }
    Ok(Groups { columns, members })
}

/// The place of each row among those of its environment, or among all.
fn places_beside_others(labels: &[Labels], columns: &[usize], rows: usize) -> Vec<usize> {
    let beside = columns
        .iter()
        .copied()
        .filter(|&l| labels[l].runs_beside_others());
    let mut place = vec![0; rows];
    for (_, group) in members(labels, &beside.collect::<Vec<_>>(), rows) {
        group
            .iter()
            .enumerate()
            .for_each(|(at, &row)| place[row] = at);
    }
    place
}

fn members(labels: &[Labels], columns: &[usize], rows: usize) -> Vec<(String, Vec<usize>)> {
    if columns.is_empty() {
        return vec![(String::new(), (0..rows).collect())];
    }
    let words: Vec<Vec<usize>> = columns.iter().map(|&l| labels[l].of_rows()).collect();
    let mut places: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
    let mut members: Vec<(String, Vec<usize>)> = Vec::new();
    for row in 0..rows {
        let key: Vec<usize> = words.iter().map(|words| words[row]).collect();
        let place = *places.entry(key).or_insert_with_key(|key| {
            let parts = columns.iter().zip(key);
            let parts: Vec<&str> = parts.map(|(&l, &word)| labels[l].word(word)).collect();
            members.push((parts.join("/"), Vec::new()));
            members.len() - 1
        });
        members[place].1.push(row);
    }
    members
}

/// `3.0` is episode `3`: tables with a gap anywhere store their integers as floats.
fn whole_number(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, zeros))
            if whole.trim_start_matches('-').parse::<u64>().is_ok()
                && zeros.bytes().all(|digit| digit == b'0') =>
        {
            whole
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(column: &str, claim: Claim, words: &[&str]) -> Labels {
        let mut labels = Labels::new(column, claim, false);
        for (row, word) in words.iter().enumerate() {
            labels.push(row, word);
        }
        labels
    }

    fn grouped(all: &[Labels], times: Option<&[f64]>) -> Result<Vec<String>, usize> {
        match group(all, times, all[0].rows) {
            Ok(groups) => Ok(groups.members.into_iter().map(|(name, _)| name).collect()),
            Err(back) => Err(back.row),
        }
    }

    #[test]
    fn labels_lose_their_zero_decimals_and_nothing_else() {
        for (text, label) in [
            ("0.0", "0"),
            ("12.000", "12"),
            ("-3.", "-3"),
            ("1.5", "1.5"),
            ("run.0", "run.0"),
            ("v1.0.0", "v1.0.0"),
            (".0", ".0"),
            ("007", "007"),
        ] {
            assert_eq!(whole_number(text), label, "{text}");
        }
    }

    #[test]
    fn words_tell_series_apart_where_the_time_goes_back() {
        let city = || labels("city", Claim::Words, &["a", "a", "a", "b", "b", "b"]);
        let back = [0.0, 1.0, 2.0, 0.0, 1.0, 2.0];
        assert_eq!(grouped(&[city()], Some(&back)).unwrap(), ["a", "b"]);
        let on = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(grouped(&[city()], Some(&on)).unwrap(), [""]);
        assert_eq!(grouped(&[city()], None).unwrap(), [""]);
        let mixed = labels("city", Claim::Words, &["a", "b", "a", "b", "a", "b"]);
        let times = [0.0, 0.0, 1.0, 1.0, 2.0, 2.0];
        assert_eq!(grouped(&[mixed], Some(&times)).unwrap(), ["a", "b"]);
    }

    #[test]
    fn one_repeated_time_makes_no_series_of_a_remark() {
        let mut words = vec!["-"; 40];
        words[7] = "x";
        words[20] = "x";
        let remark = labels("remark", Claim::Words, &words);
        let mut times: Vec<f64> = (0..40).map(f64::from).collect();
        times[7] = 6.0;
        assert_eq!(grouped(&[remark], Some(&times)).unwrap(), [""]);
    }

    #[test]
    fn a_second_identifier_is_used_where_one_is_not_enough() {
        let item = || labels("item_id", Claim::Named, &["x", "x", "x", "x", "y", "y"]);
        let store = || labels("store", Claim::Words, &["1", "1", "2", "2", "1", "1"]);
        let times = [0.0, 1.0, 0.0, 1.0, 0.0, 1.0];
        assert_eq!(
            grouped(&[item(), store()], Some(&times)).unwrap(),
            ["x/1", "x/2", "y/1"]
        );
        let on = [0.0, 1.0, 2.0, 3.0, 0.0, 1.0];
        assert_eq!(grouped(&[item(), store()], Some(&on)).unwrap(), ["x", "y"]);
    }

    #[test]
    fn a_label_that_comes_back_needs_a_time() {
        let item = || labels("item_id", Claim::Named, &["x", "x", "y", "y", "x", "x"]);
        assert_eq!(grouped(&[item()], None), Err(4));
        let times = [0.0, 1.0, 0.0, 1.0, 2.0, 3.0];
        assert_eq!(grouped(&[item()], Some(&times)).unwrap(), ["x", "y"]);
    }
}
