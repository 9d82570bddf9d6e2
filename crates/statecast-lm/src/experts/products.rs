//! Products of vectors, in loops that a compiler turns into wide instructions.

/// Sums that run beside each other in a product: one alone would wait for itself at every step.
const LANES: usize = 8;

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a.remainder().iter().zip(b.remainder());
    let rest: f64 = rest.map(|(a, b)| a * b).sum();
    let mut sums = [0.0; LANES];
    for (a, b) in a.zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// Adds a multiple of a vector.
pub(super) fn add(to: &mut [f64], factor: f64, vector: &[f64]) {
    for (to, x) in to.iter_mut().zip(vector) {
        *to += factor * x;
    }
}

/// Squared distance.
pub(super) fn distance(a: &[f64], b: &[f64]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b));
    squares.sum()
}
