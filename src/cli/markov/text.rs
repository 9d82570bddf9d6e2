//! The result, for a terminal.

use crate::analysis::Class;
use crate::cli::windowed::aligned_rows;
use crate::output::number;
use crate::study::Markov;
use crate::study::markov::{AtTemperature, ChainStudy, ChainSummary, WindowSummary};

/// Most states whose matrices are written.
const MAX_WRITTEN: usize = 10;
/// Most states whose counted probabilities are written with intervals.
const MAX_INTERVALS: usize = 5;
/// Most classes of windows that are written.
const MAX_CLASSES: usize = 5;

/// All of it, remarks first.
pub(super) fn text(result: &Markov) -> String {
    let labels = &result.labels;
    let mut text = notes(&result.study, labels);
    text += &study(&result.study, labels);
    text += &temperatures(&result.temperatures, labels);
    if let Some(result) = &result.windows {
        text += &windows(result, labels);
    }
    text
}

/// What makes the answer less than it looks like.
fn notes(study: &ChainStudy, labels: &[String]) -> String {
    let mut text = String::new();
    let named = |states: &[usize]| {
        let names: Vec<&str> = states.iter().map(|&s| labels[s].as_str()).collect();
        names.join(", ")
    };
    for (states, before, after) in [
        (
            study.seen_once(),
            "seen once",
            "; what follows is little more than a guess",
        ),
        (study.never_seen(), "never seen", "; their rows are guesses"),
        (study.absorbing(), "never left once reached", ""),
    ] {
        if !states.is_empty() {
            text += &format!("note: {before}: {}{after}\n", named(&states));
        }
    }
    let classes = study.seen_classes();
    if classes.len() > 1 {
        let of = |class: &&Class| {
            let kind = match class.closed {
                true => "never left",
                false => "left for good",
            };
            format!("{{{}}} {kind}", named(&class.states))
        };
        let shown: Vec<String> = classes.iter().take(MAX_CLASSES).map(of).collect();
        text += &format!(
            "note: the transitions that were seen make {} classes ({}{}): the chain is reducible, and its counted \
             stationary distribution is the prior's where they do not meet\n",
            classes.len(),
            shown.join("; "),
            if classes.len() > MAX_CLASSES {
                "; …"
            } else {
                ""
            }
        );
    }
    if let [class] = classes.as_slice()
        && class.period > 1
    {
        text += &format!(
            "note: the transitions that were seen go round in {} steps\n",
            class.period
        );
    }
    text
}

/// Rules, matrices, long runs, permuted labels.
fn study(study: &ChainStudy, labels: &[String]) -> String {
    let reference = match study.truth_is_known {
        true => "true",
        false => "counted",
    };
    let mut text = format!(
        "{} rows, {} states; distributions of the last {} rows, distances from the {reference} matrix\n\n",
        study.rows,
        labels.len(),
        study.last
    );
    let mut rows = vec![cells(["", "log score", "TV", "Hellinger", "TV ~ context^"])];
    for rule in &study.rules {
        let exponent = rule
            .power_law
            .map_or("-".to_owned(), |law| number(-law.exponent, 2));
        rows.push(vec![
            rule.name.clone(),
            number(rule.log_score, 3),
            number(rule.distance.total_variation, 3),
            number(rule.distance.hellinger, 3),
            if rule.name == "truth" {
                "-".to_owned()
            } else {
                exponent
            },
        ]);
    }
    text += &aligned_rows(&rows);
    text += &format!(
        "\nrows of the inferred matrix are {} from the {reference} ones on average",
        number(study.matrix_distance, 3)
    );
    text += &match study.counted_distance {
        Some(counted) => format!(" (those of the counted one {})\n\n", number(counted, 3)),
        None => "\n\n".to_owned(),
    };
    if labels.len() <= MAX_WRITTEN {
        for (number, chain) in study.chains.iter().enumerate() {
            text += &matrix(study, chain, labels, number == 1);
        }
    }
    let mut rows = vec![cells([
        "chain",
        "gap",
        "relaxation",
        "stationary distribution",
    ])];
    rows.extend(study.chains.iter().map(|chain| {
        let relaxation = chain
            .relaxation
            .map_or("never".to_owned(), |steps| format!("{steps:.1} steps"));
        vec![
            chain.name.clone(),
            number(chain.spectral_gap, 3),
            relaxation,
            law(chain.stationary.as_deref(), labels),
        ]
    }));
    text += &aligned_rows(&rows);
    if let Some(of_labels) = &study.label_permutations {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let least = of_labels
            .log_scores
            .iter()
            .copied()
            .fold(f64::INFINITY, f64::min);
        let most = of_labels
            .log_scores
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        text += &format!(
            "\nlabels permuted {} times: log score {} to {} ({} as they are), distributions {} TV from \
             those\nmean of all {}: log score {}, {} TV from the {reference} matrix\n",
            of_labels.permutations,
            number(least, 3),
            number(most, 3),
            number(study.rules[0].log_score, 3),
            number(mean(&of_labels.total_variation), 3),
            of_labels.permutations + 1,
            number(of_labels.mean_log_score, 3),
            number(of_labels.mean_total_variation, 3),
        );
    }
    text
}

/// A matrix with the times that its states were left.
fn matrix(study: &ChainStudy, chain: &ChainSummary, labels: &[String], counted: bool) -> String {
    let mut head = vec![chain.name.clone()];
    head.extend(labels.iter().cloned());
    head.push("n from state".to_owned());
    let mut rows = vec![head];
    for (from, probabilities) in chain.matrix.iter().enumerate() {
        let mut row = vec![labels[from].clone()];
        row.extend(probabilities.iter().enumerate().map(|(to, p)| {
            let share = &study.intervals[from][to];
            match counted && labels.len() <= MAX_INTERVALS {
                true => format!("{p:.2} [{:.2}, {:.2}]", share.low, share.high),
                false => format!("{p:.2}"),
            }
        }));
        row.push(match (chain.name.as_str(), counted) {
            ("true", _) => String::new(),
            (_, true) => study.transitions_from(from).to_string(),
            _ => study.visits[from].to_string(),
        });
        rows.push(row);
    }
    aligned_rows(&rows) + "\n"
}

/// What temperatures do.
fn temperatures(compared: &[AtTemperature], labels: &[String]) -> String {
    if compared.is_empty() {
        return String::new();
    }
    let mut rows = vec![cells([
        "temperature",
        "log score",
        "TV",
        "gap",
        "stationary distribution",
    ])];
    rows.extend(compared.iter().map(|at| {
        vec![
            at.temperature.to_string(),
            number(at.log_score, 3),
            number(at.total_variation, 3),
            number(at.spectral_gap, 3),
            law(at.stationary.as_deref(), labels),
        ]
    }));
    format!("\n{}", aligned_rows(&rows))
}

/// The chain over windows.
fn windows(result: &WindowSummary, labels: &[String]) -> String {
    let mut text = format!(
        "\nthe model over windows of {} states: {} windows, {} shorter beginnings that never come back\n",
        result.window, result.windows, result.transient
    );
    let classes = result.classes.iter().take(MAX_CLASSES).map(|class| {
        let period = match class.period {
            0 => "without a way back".to_owned(),
            1 => "no period".to_owned(),
            period => format!("period {period}"),
        };
        format!(
            "  {} windows such as {}: {}, {period}\n",
            class.windows,
            class.first.join(" "),
            match (class.closed, class.period) {
                (true, _) => "left by no such step",
                (false, 0) => "passed through",
                (false, _) => "left by such steps",
            }
        )
    });
    text += &format!(
        "{} class(es) along steps of more than {}\n",
        result.class_count, result.least
    );
    text += &classes.collect::<String>();
    if result.class_count > MAX_CLASSES {
        text += "  …\n";
    }
    match &result.long_run {
        Some(long) => {
            let relaxation = match long.second {
                second if second <= 0.0 => "at once".to_owned(),
                second if second >= 1.0 => "never".to_owned(),
                second => format!("{:.1} steps", -1.0 / second.ln()),
            };
            text += &format!(
                "stationary distribution of the states {}; entropy of the next one {:.3} nats\n\
                 second eigenvalue {:.4}: relaxation {relaxation}\n",
                law(Some(&long.distribution), labels),
                long.entropy,
                long.second
            );
        }
        None if result.closed > 1 => {
            text += &format!(
                "{} classes are never left, each with a stationary distribution of its own\n",
                result.closed
            );
        }
        None => text += "the stationary distribution was not found: the chain hardly moves\n",
    }
    text + &format!(
        "any window follows any after {} steps with a probability of at least {:.2e}\n",
        result.window, result.least_passage
    )
}

fn cells<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

fn law(law: Option<&[f64]>, labels: &[String]) -> String {
    match law {
        None => "several".to_owned(),
        Some(law) if labels.len() <= MAX_WRITTEN => {
            let shares: Vec<String> = law.iter().map(|p| format!("{p:.3}")).collect();
            shares.join(" ")
        }
        Some(law) => {
            let (most, p) =
                law.iter().enumerate().fold(
                    (0, 0.0),
                    |best, (k, &p)| if p > best.1 { (k, p) } else { best },
                );
            format!("most {} ({p:.3})", labels[most])
        }
    }
}
