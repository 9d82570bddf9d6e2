//! Our side of bench/updates.py: for every line `observations actions hidden batch seconds` on standard
//! input, the soft actor-critic updates a second, on one thread.

use std::io::BufRead;
use std::time::Instant;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use statecast::environment::ActionSpace;
use statecast::learning::{ReplayBuffer, Sac, SacSettings, Transition};

/// Rows of the replay.
const ROWS: usize = 10_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let [observations, actions, hidden, batch, seconds] = words[..] else {
            return Err("observations actions hidden batch seconds".into());
        };
        let rate = rate(
            observations.parse()?,
            actions.parse()?,
            hidden.parse()?,
            batch.parse()?,
            seconds.parse()?,
        )?;
        println!("{rate}");
    }
    Ok(())
}

fn rate(
    observations: usize,
    actions: usize,
    hidden: usize,
    batch: usize,
    seconds: f64,
) -> Result<f64, Box<dyn std::error::Error>> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut numbers =
        |count: usize| -> Vec<f32> { (0..count).map(|_| random.random_range(-1.0..1.0)).collect() };
    let mut replay = ReplayBuffer::new(ROWS);
    for _ in 0..ROWS {
        let transition = Transition {
            observation: numbers(observations),
            action: numbers(actions),
            reward: numbers(1)[0],
            next: numbers(observations),
            terminated: false,
            weight: 1.0,
            state: Vec::new(),
        };
        replay.push(transition, false);
    }
    let space = ActionSpace::Box {
        low: &[-1.0; 8][..actions],
        high: &[1.0; 8][..actions],
    };
    let settings = SacSettings {
        hidden,
        ..SacSettings::default()
    };
    let mut agent = Sac::new(observations, space, settings, &mut random)?;
    let begin = Instant::now();
    let mut updates = 0;
    while begin.elapsed().as_secs_f64() < seconds {
        let batch = replay.sample(batch, &mut random);
        agent.update(&batch, &mut random);
        updates += 1;
    }
    Ok(f64::from(updates) / begin.elapsed().as_secs_f64())
}
