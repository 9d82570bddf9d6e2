//! Values of two policies, estimated from the recordings of another.
//!
//!     cargo run --release --example judge_policy

use std::error::Error;

use statecast::Recording;
use statecast::evaluation::{EvaluationSettings, EvaluationStudy, NamedPolicy};
use statecast::forecasters::Forecasters;
use statecast::model::Model;
use statecast::policy::Constant;

fn main() -> Result<(), Box<dyn Error>> {
    let recording = Recording::read("examples/pendulum.csv")?;
    let mut settings = EvaluationSettings::new(vec!["builtin".parse()?, "linear".parse()?]);
    settings.horizon = Some(20);
    settings.discount = 1.0;
    settings.context = 150;
    let recordings = vec![("pendulum".to_owned(), recording)];
    let study = EvaluationStudy::new(recordings, None, settings, &())?;
    let observations = study.widths().observations;
    let mut policies = [0.0, 2.0].map(|torque| {
        let policy = Constant::new(vec![torque], observations);
        NamedPolicy::new(format!("torque {torque}"), Box::new(policy))
    });
    let forecasters = Forecasters::new(&[], vec![Model::builtin()?])?;
    let values = study.run(&mut policies, &forecasters, &())?;
    for estimate in &values.estimates {
        if let Some(value) = estimate.value {
            println!(
                "{}, {}: {:.1}, 90 % interval [{:.1}, {:.1}]",
                estimate.policy, estimate.estimator, value.mean, value.low, value.high
            );
        }
    }
    Ok(())
}
