//! Online experts and their hints: reading a context, and sampled paths that go on from it.
//!
//!     cargo bench --bench experts
//!
//! No language model takes part. The first size is HalfCheetah's; the others show how the cost
//! grows with the channels.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, criterion_group, criterion_main};
use statecast::experts::{ExpertKind, ExpertPanel, Slots};

const ACTIONS: usize = 6;
const PATHS: usize = 100;

/// Channels, rows of the context, and steps of its paths.
const SIZES: [(usize, usize, usize); 4] =
    [(23, 500, 50), (50, 300, 20), (100, 300, 20), (200, 300, 20)];

/// Experts, and which of them have been right.
#[derive(Clone)]
struct Experts {
    panel: ExpertPanel,
    slots: Slots,
    channels: usize,
}

impl Experts {
    fn read(channels: usize, rows: usize) -> Self {
        let mut experts = Self {
            panel: ExpertPanel::new(&ExpertKind::ALL, channels, &[1.0; ACTIONS]),
            slots: Slots::new(ExpertKind::ALL.len(), channels),
            channels,
        };
        (0..rows).for_each(|t| experts.go_on(t, 0));
        experts
    }

    fn go_on(&mut self, t: usize, path: usize) {
        self.panel.predict(t == 0);
        black_box(self.slots.hints(&self.panel));
        let row = row(t, self.channels, path);
        self.slots.learn(&self.panel, &row);
        self.panel.learn(&row, &actions(t));
    }
}

/// Sines of different periods, with a ripple that is the path's own.
fn row(t: usize, channels: usize, path: usize) -> Vec<f64> {
    let value = |c: usize| {
        let wave = (t as f64 * (0.05 + 0.013 * (c % 29) as f64) + c as f64).sin();
        3.0 * wave + 0.05 * ((t * (c + 7) + 131 * path) as f64).sin()
    };
    (0..channels).map(value).collect()
}

fn actions(t: usize) -> [f64; ACTIONS] {
    std::array::from_fn(|a| (1.7 * (t * (a + 3)) as f64).sin())
}

fn experts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("experts");
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .measurement_time(Duration::from_secs(20));
    for (channels, rows, steps) in SIZES {
        let name = format!("{channels}_channels_{rows}_rows");
        group.bench_function(BenchmarkId::new("context", &name), |b| {
            b.iter(|| Experts::read(channels, rows));
        });
        let context = Experts::read(channels, rows);
        let name = format!("{name}_{PATHS}_x_{steps}");
        group.bench_function(BenchmarkId::new("paths", name), |b| {
            b.iter_batched(
                || vec![context.clone(); PATHS],
                |mut paths| {
                    for t in rows..rows + steps {
                        for (i, path) in paths.iter_mut().enumerate() {
                            path.go_on(t, i);
                        }
                    }
                    paths
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, experts);
criterion_main!(benches);
