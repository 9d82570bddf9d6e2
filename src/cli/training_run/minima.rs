//! Minima that runs reach from unseen starts.

use anyhow::ensure;

use super::Arguments;
use crate::cli::experts::{finish, names};
use crate::cli::outputs::Ending;
use crate::cli::terminal::Terminal;
use crate::cli::windowed::aligned_rows;
use crate::forecast::Method;
use crate::forecasters::ForecasterName;
use crate::output::{estimate, number};
use crate::study::convergence::{
    Minima, MinimaSettings, MinimaStudy, NamedForecaster, OptimisationRuns,
};

/// Largest number of unseen starts in the printed list.
const MAX_SHOWN: usize = 12;

pub(super) fn run(arguments: &Arguments, runs: &OptimisationRuns) -> anyhow::Result<()> {
    ensure!(
        arguments.figure.is_none(),
        "--figure: not available for --minima; --output writes all numbers"
    );
    let mut settings = MinimaSettings::default();
    settings.context_runs = arguments.context_runs;
    settings.at = arguments.at.clone();
    settings.seed = arguments.seed;
    settings.forecast = arguments.model.settings(Method::Vicl)?;
    settings.combining = arguments.uncertainty.combining();
    let terminal = Terminal::new("training-run");
    let study = MinimaStudy::new(runs, settings, &terminal)?;
    let experts = names(&arguments.experts);
    let named = NamedForecaster::list(arguments.models.as_deref(), &experts)?;
    let names: Vec<ForecasterName> = named.iter().map(|of| of.name.clone()).collect();
    let forecasters = arguments.load(&names, MinimaStudy::CONTEXT, 2)?;
    let result = study.run(&forecasters, &named, &terminal)?;
    drop(terminal);
    let mut ending = Ending::new(arguments.output.as_ref());
    finish(&forecasters)?;
    ending.write(|| arguments.write(&forecasters, &result));
    ending.show(&text(&result))
}

fn text(result: &Minima) -> String {
    let places: Vec<String> = result
        .minima
        .iter()
        .map(|place| format!("{place:.3}"))
        .collect();
    let mut text = format!(
        "context of {} of {} runs, every {}th row; minima of {} at {}; {} unseen starts\n\n",
        result.context_runs,
        result.context_runs + result.starts.len(),
        result.stride,
        result.parameter,
        places.join(", "),
        result.starts.len()
    );
    let shares = |shares: &[f64]| -> String {
        let shares: Vec<String> = shares.iter().map(|p| format!("{p:.2}")).collect();
        shares.join(" ")
    };
    let mut head = vec!["run".to_owned(), "start".to_owned(), "actual".to_owned()];
    head.extend(result.scores.iter().map(|score| score.name.clone()));
    let mut rows = vec![head];
    for start in result.starts.iter().take(MAX_SHOWN) {
        let mut row = vec![
            start.run.clone(),
            number(start.start, 3),
            shares(&start.actual),
        ];
        row.extend(start.forecast.iter().map(|p| shares(p)));
        rows.push(row);
    }
    text += &aligned_rows(&rows);
    if result.starts.len() > MAX_SHOWN {
        text += "…\n";
    }
    let mut rows = vec![
        ["forecaster", "TV", "log score"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(result.scores.iter().map(|score| {
        vec![
            score.name.clone(),
            estimate(&score.total_variation, 3),
            estimate(&score.log_score, 3),
        ]
    }));
    format!("{text}\n{}", aligned_rows(&rows))
}
