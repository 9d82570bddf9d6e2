//! Scores of a forecast whose truth was held back, beside persistence.

use crate::forecast::Level;
use crate::output::{number, numbers, percent};
use crate::study::forecast::{HeldOutScores, NameScores};

/// CRPS and RMSE of the median, a name and over all variables, beside persistence.
pub(super) fn text(scores: &HeldOutScores, level: Level) -> String {
    let mut text = format!(
        "{:<16} {:>12} {:>12} {:>12} {:>12} {:>9} {:>9}\n",
        "held-out steps", "CRPS", "persistence", "RMSE", "persistence", "in 90 %", "whole"
    );
    text.extend(scores.names.iter().chain(&scores.mean).map(line));
    if scores.names.iter().any(|score| !score.whole.is_nan()) {
        text += &format!(
            "whole: held-out paths of which the simultaneous {} % band holds every step\n",
            100.0 * level.get()
        );
    }
    if let Some(joint) = &scores.joint {
        let [energy, apart] = numbers([joint.energy, joint.independent_energy], 4);
        let variograms = [joint.variogram, joint.independent_variogram];
        let [variogram, variogram_apart] = numbers(variograms, 4);
        text += &format!(
            "rows of all variables, in standard deviations: energy score {energy} ({apart} if variables were \
             drawn independently), variogram score {variogram} ({variogram_apart}); lower is better\n"
        );
    }
    text
}

fn line(score: &NameScores) -> String {
    let numbers = [
        score.crps,
        score.persistence_crps,
        score.rmse,
        score.persistence_rmse,
    ];
    let [a, b, c, d] = numbers.map(|x| number(x, 4));
    format!(
        "{:<16} {a:>12} {b:>12} {c:>12} {d:>12} {:>9} {:>9}\n",
        score.name,
        percent(score.coverage_90, 0),
        percent(score.whole, 0)
    )
}
