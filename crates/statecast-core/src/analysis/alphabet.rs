//! States from labels or from values of a continuous channel.

use std::collections::BTreeSet;

use super::AnalysisError;

/// Largest number of states: neighbours are then 14 bins apart on the axis.
pub const MAX_STATES: usize = 50;

/// A sequence of states with their labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedStates {
    /// States `0..labels.len()` in temporal order.
    pub sequence: Vec<usize>,
    /// Labels of the states, in their order on the axis.
    pub labels: Vec<String>,
}

/// Binning of a channel into states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Binning {
    /// Bins of equal width.
    #[default]
    EqualWidth,
    /// Bins of about equal counts.
    EqualCount,
}

/// Encodes a sequence of labels. Their order is `order` if given, else numerical if all are
/// numbers, else alphabetical.
///
/// # Errors
/// [`AnalysisError::States`] unless there are 2 to 50 states, [`AnalysisError::Label`] for a label that `order` lacks or
/// repeats.
///
/// ```
/// use statecast::analysis::labelled;
/// let labels = ["10", "9", "9", "10"].map(str::to_owned);
/// let encoded = labelled(&labels, &[])?;
/// assert_eq!(encoded.labels, ["9", "10"]);
/// assert_eq!(encoded.sequence, [1, 0, 0, 1]);
/// # Ok::<(), statecast::analysis::AnalysisError>(())
/// ```
pub fn labelled(sequence: &[String], order: &[String]) -> Result<EncodedStates, AnalysisError> {
    let there: BTreeSet<&String> = sequence.iter().collect();
    let labels: Vec<String> = match order {
        [] => {
            checked(there.len())?;
            let mut labels: Vec<String> = there.into_iter().cloned().collect();
            let number = |label: &String| label.parse::<f64>().ok().filter(|x| x.is_finite());
            let numbers: Option<Vec<f64>> = labels.iter().map(number).collect();
            if numbers.is_some() {
                labels.sort_by(|a, b| {
                    number(a)
                        .partial_cmp(&number(b))
                        .expect("finite numbers have an order")
                });
            }
            labels
        }
        order => {
            checked(order.len())?;
            let twice = (1..order.len()).find(|&k| order[..k].contains(&order[k]));
            let absent = there.into_iter().find(|label| !order.contains(label));
            if let Some(label) = twice.map(|k| &order[k]).or(absent) {
                let what = if twice.is_some() { "twice" } else { "not" };
                return Err(AnalysisError::Label {
                    label: label.clone(),
                    what,
                });
            }
            order.to_vec()
        }
    };
    let state = |label| labels.iter().position(|known| known == label);
    let sequence = sequence
        .iter()
        .map(|label| state(label).expect("all states are among the labels, by the checks above"));
    Ok(EncodedStates {
        sequence: sequence.collect(),
        labels,
    })
}

/// Bins the values of a channel into states, labelled by the bin edges.
///
/// # Errors
/// [`AnalysisError::States`] unless 2 to 50 are asked for, [`AnalysisError::Parts`] if the values have too few distinct
/// bins.
///
/// ```
/// use statecast::analysis::{Binning, binned};
/// let encoded = binned(&[0.0, 1.0, 4.0, 0.5], 2, Binning::EqualWidth)?;
/// assert_eq!(encoded.sequence, [0, 0, 1, 0]);
/// assert_eq!(encoded.labels, ["0..2", "2..4"]);
/// # Ok::<(), statecast::analysis::AnalysisError>(())
/// ```
pub fn binned(
    values: &[f64],
    states: usize,
    binning: Binning,
) -> Result<EncodedStates, AnalysisError> {
    checked(states)?;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(&low), Some(&high)) = (sorted.first(), sorted.last()) else {
        return Err(AnalysisError::States(0, MAX_STATES));
    };
    let cut = |k: usize| match binning {
        Binning::EqualWidth => {
            let share = k as f64 / states as f64;
            low * (1.0 - share) + high * share
        }
        Binning::EqualCount => sorted[(k * values.len() / states).min(values.len() - 1)],
    };
    let mut ends: Vec<f64> = (0..states).map(cut).collect();
    ends.push(high);
    if ends.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(AnalysisError::Parts(states));
    }
    let state = |x: &f64| ends[1..states].partition_point(|end| end <= x);
    let digits = digits(&ends);
    let label = |pair: &[f64]| format!("{}..{}", short(pair[0], digits), short(pair[1], digits));
    Ok(EncodedStates {
        sequence: values.iter().map(state).collect(),
        labels: ends.windows(2).map(label).collect(),
    })
}

fn checked(states: usize) -> Result<(), AnalysisError> {
    match (2..=MAX_STATES).contains(&states) {
        true => Ok(()),
        false => Err(AnalysisError::States(states, MAX_STATES)),
    }
}

/// Returns the decimals that distinguish the bin edges.
fn digits(ends: &[f64]) -> usize {
    let narrowest = ends
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .fold(f64::INFINITY, f64::min);
    (1.0 - narrowest.log10()).ceil().clamp(0.0, 18.0) as usize
}

fn short(x: f64, digits: usize) -> String {
    let text = format!("{x:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_ordered_alphabetically_or_as_given() {
        let words = ["sun", "rain", "sun", "fog"].map(str::to_owned);
        assert_eq!(
            labelled(&words, &[]).unwrap().labels,
            ["fog", "rain", "sun"]
        );
        let order = ["sun", "fog", "snow", "rain"].map(str::to_owned);
        assert_eq!(labelled(&words, &order).unwrap().sequence, [0, 3, 0, 1]);
        let refused = |order: &[&str]| {
            let order: Vec<String> = order.iter().map(|&label| label.to_owned()).collect();
            labelled(&words, &order).unwrap_err().to_string()
        };
        assert!(refused(&["sun", "fog"]).contains("'rain'"));
        assert!(refused(&["sun", "sun", "rain", "fog"]).contains("'sun' is twice"));
        assert!(
            labelled(&words[..1], &[])
                .unwrap_err()
                .to_string()
                .contains("1 state")
        );
        let many: Vec<String> = (0..51).map(|k| k.to_string()).collect();
        assert!(
            labelled(&many, &[])
                .unwrap_err()
                .to_string()
                .contains("`states=`")
        );
    }

    #[test]
    fn bins_of_equal_count_are_balanced() {
        let values: Vec<f64> = (0..90).map(|t| f64::from(t * t)).collect();
        let encoded = binned(&values, 3, Binning::EqualCount).unwrap();
        for state in 0..3 {
            assert_eq!(encoded.sequence.iter().filter(|&&s| s == state).count(), 30);
        }
        // Half of the values are equal: no edge separates them.
        let even: Vec<f64> = (0..40).map(|t| f64::from(t.min(20))).collect();
        let error = binned(&even, 10, Binning::EqualCount)
            .unwrap_err()
            .to_string();
        assert!(error.contains("10 distinct bins"));
        assert!(binned(&[1.0, 1.0], 2, Binning::EqualWidth).is_err());
        assert!(binned(&[], 2, Binning::EqualWidth).is_err());
        // The width of the range may overflow.
        let far = binned(&[-1e308, 1e308, 0.5e308], 4, Binning::EqualWidth).unwrap();
        assert_eq!(far.sequence, [0, 3, 3]);
    }
}
