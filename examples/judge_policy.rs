//! Values of two policies, estimated from the recordings of another.
//!
//!     cargo run --release --example judge_policy

use std::error::Error;

use statecast::evaluation::{
    ActionSource, Contexts, Logged, RolloutSpec, Rules, context_segments, in_context,
};
use statecast::policy::Constant;
use statecast::{Forecaster, Recording};

fn main() -> Result<(), Box<dyn Error>> {
    let recording = Recording::read("examples/pendulum.csv")?;
    let rules = Rules::default();
    let logged = Logged::new(&[recording], &rules)?;
    let contexts = Contexts::read(
        &[Forecaster::builtin()?],
        &logged,
        &context_segments(&logged, 1, 150),
        true,
        &|_| (),
    )?;
    let rollouts = RolloutSpec {
        starts: logged.starts(),
        paths: 20,
        horizon: 20,
        discount: 1.0,
        rules,
        termination: None,
        seed: 0,
    };
    for torque in [0.0, 2.0] {
        let mut policy = Constant::new(vec![torque], logged.states());
        let actions = ActionSource::Policy(&mut policy);
        let value = in_context(&contexts, &logged, actions, &rollouts, &|_| ())?.value();
        println!(
            "torque {torque}: {:.1}, 90 % interval [{:.1}, {:.1}]",
            value.mean, value.low, value.high
        );
    }
    Ok(())
}
