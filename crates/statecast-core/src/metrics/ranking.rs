//! Ranking metrics of policy values (Fu et al., Benchmarks for Deep Off-Policy Evaluation, ICLR
//! 2021).

/// Returns Spearman's rank correlation; ties share their mean rank. NaN for fewer than two pairs or
/// a constant side.
///
/// ```
/// use statecast::metrics::spearman;
/// assert_eq!(spearman(&[1.0, 2.0, 4.0], &[10.0, 20.0, 21.0]), 1.0);
/// assert_eq!(spearman(&[1.0, 2.0, 4.0], &[3.0, 2.0, 1.0]), -1.0);
/// ```
pub fn spearman(a: &[f64], b: &[f64]) -> f64 {
    super::correlation(&ranks(a), &ranks(b))
}

/// Returns ranks from 1, lowest first; ties share their mean rank.
fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |x: &f64| {
        let below = values.iter().filter(|y| *y < x).count();
        let equal = values.iter().filter(|y| *y == x).count();
        below as f64 + 0.5 * (equal as f64 + 1.0)
    };
    values.iter().map(rank).collect()
}

/// Returns regret@k: the value of the best policy minus that of the best among the `k` with the
/// highest estimates, relative to the range of the true values; 0 if all are equal.
///
/// ```
/// use statecast::metrics::regret;
/// let truth = [0.0, 5.0, 10.0];
/// assert_eq!(regret(&[1.0, 3.0, 2.0], &truth, 1), 0.5);
/// assert_eq!(regret(&[1.0, 3.0, 2.0], &truth, 2), 0.0);
/// ```
pub fn regret(estimated: &[f64], truth: &[f64], k: usize) -> f64 {
    let mut order: Vec<usize> = (0..estimated.len().min(truth.len())).collect();
    order.sort_by(|&i, &j| estimated[j].total_cmp(&estimated[i]));
    let best = |chosen: &[usize]| {
        let values = chosen.iter().map(|&i| truth[i]);
        values.fold(f64::NEG_INFINITY, f64::max)
    };
    let range = range(truth);
    match range > 0.0 {
        true => (best(&order) - best(&order[..k.min(order.len())])) / range,
        false => 0.0,
    }
}

/// Returns the largest minus the smallest value.
pub fn range(values: &[f64]) -> f64 {
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    (high - low).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_share_their_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 0.0]), [3.5, 2.0, 3.5, 1.0]);
        assert!(spearman(&[1.0, 1.0], &[1.0, 2.0]).is_nan());
    }

    #[test]
    fn regret_of_the_right_choice_and_of_the_worst() {
        let truth = [-10.0, -5.0, 0.0];
        assert_eq!(regret(&truth, &truth, 1), 0.0);
        assert_eq!(regret(&[1.0, 0.5, 0.0], &truth, 1), 1.0);
        assert_eq!(regret(&[1.0, 0.5], &[2.0, 2.0], 1), 0.0);
    }
}
