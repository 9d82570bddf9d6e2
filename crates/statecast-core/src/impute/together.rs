//! Which channels are modelled together.

use nalgebra::DMatrix;

use super::seasons::interpolated;

/// Channels that are compared with each other at most: of more, those that are beside each other go together.
const MAX_COMPARED: usize = 2000;

/// Shares channels out among groups of at most `most`: those whose changes correlate go together. `columns` are
/// `[channels][rows]`, NaN where unknown; channels that no other is like fill groups up.
pub(super) fn groups(columns: &[Vec<f64>], most: usize) -> Vec<Vec<usize>> {
    let channels = columns.len();
    if channels == 0 {
        return Vec::new();
    }
    if channels <= most {
        return vec![(0..channels).collect()];
    }
    let count = channels.div_ceil(most);
    let size = channels.div_ceil(count);
    if channels > MAX_COMPARED {
        let all: Vec<usize> = (0..channels).collect();
        return all.chunks(size).map(<[usize]>::to_vec).collect();
    }
    let correlation = correlations(columns);
    let mut free: Vec<usize> = (0..channels).collect();
    let mut groups = Vec::new();
    while !free.is_empty() {
        let mut group = vec![free.remove(0)];
        while group.len() < size && !free.is_empty() {
            let likeness =
                |&c: &usize| -> f64 { group.iter().map(|&g| correlation[(c, g)].abs()).sum() };
            let sums: Vec<f64> = free.iter().map(likeness).collect();
            let best = (0..free.len()).max_by(|&a, &b| sums[a].total_cmp(&sums[b]));
            group.push(free.remove(best.unwrap_or(0)));
        }
        group.sort_unstable();
        groups.push(group);
    }
    groups
}

/// Correlations of the channels' changes from row to row, unknown values interpolated.
fn correlations(columns: &[Vec<f64>]) -> DMatrix<f64> {
    let rows = columns.first().map_or(0, Vec::len).saturating_sub(1);
    let mut changes = DMatrix::zeros(rows, columns.len());
    for (c, column) in columns.iter().enumerate() {
        let Some(filled) = interpolated(column) else {
            continue;
        };
        let steps: Vec<f64> = filled.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = steps.iter().sum::<f64>() / rows.max(1) as f64;
        let size = steps.iter().map(|x| (x - mean).powi(2)).sum::<f64>().sqrt();
        let scale = if size > 0.0 { 1.0 / size } else { 0.0 };
        (0..rows).for_each(|t| changes[(t, c)] = scale * (steps[t] - mean));
    }
    changes.tr_mul(&changes)
}
