//! True values of policies.

use anyhow::{Context, ensure};

use super::{Arguments, Candidate};
use crate::environment::{self, Task};
use crate::evaluation::{Value, read_truth, simulated};

impl Arguments {
    /// Returns the known true values of the policies.
    pub(super) fn truth(
        &self,
        candidates: &mut [Candidate],
        task: Option<&'static Task>,
        horizon: usize,
    ) -> anyhow::Result<Vec<Option<Value>>> {
        if let Some(episodes) = self.simulate {
            let task = task.context("--simulate: name the task with --env")?;
            let mut environment = environment::named(task.name)?;
            let values = candidates.iter_mut().map(|candidate| {
                let policy = &mut *candidate.policy;
                let episodes = episodes.get();
                let value = simulated(&mut *environment, policy, episodes, self.discount, horizon);
                Ok(Some(
                    value.with_context(|| format!("policy {}", candidate.name))?,
                ))
            });
            return values.collect();
        }
        let Some(file) = &self.truth else {
            return Ok(vec![None; candidates.len()]);
        };
        let known = read_truth(file)?;
        let found = candidates.iter().map(|candidate| {
            let value = known.iter().find(|(name, _)| *name == candidate.name);
            value.map(|&(_, value)| Value::new(value, 0.0, 1.0))
        });
        let found: Vec<Option<Value>> = found.collect();
        ensure!(
            found.iter().any(Option::is_some),
            "{}: has none of the policies",
            file.display()
        );
        Ok(found)
    }
}
