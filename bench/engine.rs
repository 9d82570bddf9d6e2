//! Our side of `compare.py`: does on request, one JSON line each way, what the other sides do, and
//! says how long it took.

use std::error::Error;
use std::io::BufRead;
use std::path::PathBuf;
use std::time::Instant;

use ndarray::Array2;
use serde::Deserialize;
use serde_json::{Value, json};
use statecast::codec::{Bin, builtin_formats};
use statecast::forecast::{Session, Temperature, Tolerance};
use statecast::model::{Device, Model, ModelSource, Precision};

#[derive(Deserialize)]
#[serde(tag = "task", rename_all = "lowercase")]
enum Request {
    /// A context, nothing of which is asked.
    Read { series: Series },
    /// Densities of all rows of a context, exact or up to a tolerance.
    Score {
        series: Series,
        #[serde(default)]
        tolerance: f64,
    },
    /// Sampled continuations of a context; `levels` `[horizon][channels * paths]`.
    Rollout {
        series: Series,
        paths: usize,
        levels: Vec<Vec<f64>>,
    },
    /// A context, then rows that come one at a time, each predicted before it comes.
    Stream { series: Series, context: usize },
}

/// Bins `[channels][rows]`.
type Series = Vec<Vec<usize>>;

fn bins(series: &Series, rows: std::ops::Range<usize>) -> Option<Array2<Bin>> {
    let values: Option<Vec<Bin>> = rows
        .clone()
        .flat_map(|t| series.iter().map(move |channel| Bin::new(*channel.get(t)?)))
        .collect();
    Array2::from_shape_vec((rows.len(), series.len()), values?).ok()
}

fn run(model: &Model, request: Request) -> Result<Value, Box<dyn Error>> {
    let (temperature, exact) = (Temperature::default(), Tolerance::EXACT);
    let series = match &request {
        Request::Read { series }
        | Request::Score { series, .. }
        | Request::Rollout { series, .. }
        | Request::Stream { series, .. } => series,
    };
    let rows = series.first().ok_or("no channel")?.len();
    let whole = bins(series, 0..rows).ok_or("not bins")?;
    let begun = Instant::now();
    match &request {
        Request::Read { .. } => {
            Session::start(model, &whole, temperature, exact, 0..0)?;
            Ok(json!({"seconds": begun.elapsed().as_secs_f64()}))
        }
        Request::Score { tolerance, .. } => {
            let tolerance = Tolerance::new(*tolerance).ok_or("tolerance")?;
            let (_, densities) = Session::start(model, &whole, temperature, tolerance, 0..rows)?;
            let seconds = begun.elapsed().as_secs_f64();
            let score = |(t, c)| f64::from(densities[[t, c, whole[[t, c]].index()]]).ln();
            let scores = ndarray::indices((rows, series.len()))
                .into_iter()
                .map(score);
            let mean = scores.sum::<f64>() / (rows * series.len()) as f64;
            Ok(json!({"seconds": seconds, "check": mean}))
        }
        Request::Rollout { paths, levels, .. } => {
            let (session, _) = Session::start(model, &whole, temperature, exact, 0..0)?;
            let prefill = begun.elapsed().as_secs_f64();
            let (channels, horizon) = (series.len(), levels.len());
            let mut sum = 0;
            let at_once = session.paths_at_once(horizon);
            for first in (0..*paths).step_by(at_once) {
                let group = at_once.min(paths - first);
                let mut forked = session.fork(group, horizon - 1)?;
                for (step, levels) in levels.iter().enumerate() {
                    let here: Vec<f64> = (0..channels)
                        .flat_map(|channel| &levels[channel * paths + first..][..group])
                        .copied()
                        .collect();
                    let drawn: Vec<Bin> = forked.draw(&here)?.iter().map(|d| d.0).collect();
                    if step == 0 {
                        sum += drawn.iter().map(|bin| bin.index()).sum::<usize>();
                    }
                    if step + 1 < horizon {
                        forked.advance(&drawn)?;
                    }
                }
            }
            let seconds = begun.elapsed().as_secs_f64();
            Ok(json!({"seconds": seconds, "prefill": prefill, "check": sum}))
        }
        Request::Stream { context, .. } => {
            let first = bins(series, 0..*context).ok_or("not bins")?;
            let (mut session, _) = Session::start(model, &first, temperature, exact, 0..0)?;
            let prefill = begun.elapsed().as_secs_f64();
            let mut total = 0.0;
            for t in *context..rows {
                let next = session.next_densities()?;
                let row: Vec<Bin> = whole.row(t).to_vec();
                for (mass, bin) in next.chunks(1000).zip(&row) {
                    total += f64::from(mass[bin.index()]).ln();
                }
                session.advance(&row)?;
            }
            let seconds = begun.elapsed().as_secs_f64();
            let mean = total / ((rows - context) * series.len()) as f64;
            Ok(json!({"seconds": seconds, "prefill": prefill, "check": mean}))
        }
    }
}

/// Most memory that the process has had, in bytes.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

fn main() -> Result<(), Box<dyn Error>> {
    statecast::cli::prepare_process(None);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, precision] = arguments.as_slice() else {
        return Err("usage: engine MODEL auto|f32|bf16 < requests".into());
    };
    let source = match PathBuf::from(model) {
        path if path.extension().is_some_and(|e| e == "gguf") => ModelSource::Gguf(path),
        path => ModelSource::Folder(path),
    };
    let precision = match precision.as_str() {
        "auto" => Precision::Auto,
        "bf16" => Precision::Bf16,
        _ => Precision::F32,
    };
    let model = Model::load(&source, &builtin_formats()?, precision, Device::Cpu)?;
    println!("{}", json!({"ready": true}));
    for line in std::io::stdin().lock().lines() {
        let mut answer = run(&model, serde_json::from_str(&line?)?)?;
        answer["peak"] = json!(peak());
        println!("{answer}");
    }
    Ok(())
}
