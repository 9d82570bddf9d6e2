//! The figure of a chain: matrices side by side, distances against context.

use std::path::Path;

use crate::plot::{MatrixFigure, NamedCurve, NamedMatrix};
use crate::study::Markov;

/// Matrices of the chains, and distances of the rules with the fits of the first two.
pub(super) fn figure(result: &Markov, file: &Path) -> MatrixFigure {
    let study = &result.study;
    let reference = match study.truth_is_known {
        true => "true matrix",
        false => "counted matrix",
    };
    let mut curves = Vec::new();
    for (number, rule) in study.rules.iter().enumerate() {
        if rule.name == "truth" {
            continue;
        }
        let points: Vec<_> = rule
            .curve
            .iter()
            .map(|d| (d.context, d.total_variation))
            .collect();
        let fit = rule.power_law.filter(|_| number < 2);
        curves.push(NamedCurve {
            name: rule.name.clone(),
            fitted: false,
            points: points.clone(),
            number,
        });
        curves.extend(fit.map(|law| {
            NamedCurve {
                name: format!("{:.2} context^{:.2}", law.scale, -law.exponent),
                points: points
                    .iter()
                    .map(|p| (p.0, law.scale * p.0.powf(-law.exponent)))
                    .collect(),
                fitted: true,
                number,
            }
        }));
    }
    let matrices = study.chains.iter().map(|chain| NamedMatrix {
        name: chain.name.clone(),
        matrix: chain.matrix.clone(),
    });
    let file = file.file_name().unwrap_or_default();
    MatrixFigure {
        title: format!("Chain inferred from {}", file.to_string_lossy()),
        subtitle: format!(
            "{}; {} rows, distributions of the last {}; distances from the {reference}",
            study.rules[0].name, study.rows, study.last
        ),
        labels: result.labels.clone(),
        matrices: matrices.collect(),
        distance: "total variation".to_owned(),
        curves,
    }
}
