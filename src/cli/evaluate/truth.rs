//! True values that estimates are held against.

use std::path::Path;

use anyhow::{Context, bail, ensure};

use super::{Arguments, Candidate};
use crate::environment::{self, Task};
use crate::evaluation::{Value, simulated};

impl Arguments {
    /// True values of the policies, as far as they are known.
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
            "{}: none of the policies is in it",
            file.display()
        );
        Ok(found)
    }
}

fn read_truth(file: &Path) -> anyhow::Result<Vec<(String, f64)>> {
    let shown = file.display();
    let mut reader = csv::Reader::from_path(file).with_context(|| format!("{shown}"))?;
    let headers = reader
        .headers()
        .with_context(|| format!("{shown}"))?
        .clone();
    let column = |name: &str| {
        let found = headers.iter().position(|header| header.trim() == name);
        found.with_context(|| format!("{shown}: no column '{name}'"))
    };
    let (policy, value) = (column("policy")?, column("value")?);
    let rows = reader.records().enumerate().map(|(row, record)| {
        let record = record.with_context(|| format!("{shown}: row {}", row + 1))?;
        let text = record.get(value).unwrap_or_default().trim();
        let Ok(number) = text.parse::<f64>() else {
            bail!("{shown}: row {}, column value holds '{text}'", row + 1);
        };
        Ok((
            record.get(policy).unwrap_or_default().trim().to_owned(),
            number,
        ))
    });
    rows.collect()
}
