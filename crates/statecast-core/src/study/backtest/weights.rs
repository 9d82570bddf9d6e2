//! Expert weights over time.

use crate::backtest::WeightHistory;
use crate::codec::BIN_WIDTH;
use crate::forecast::{ForecastError, Forecaster, MixtureWeights, Variables};

/// Returns the weights that a mixture gives to its members over a context, by their one-step densities. `alpha` is
/// the share of the weights that is spread evenly at every step, `of` describes the context.
///
/// # Errors
/// [`ForecastError`] if a member cannot read the context.
///
/// # Panics
/// If there is no member.
pub fn expert_weights(
    members: &[Forecaster],
    context: &Variables,
    alpha: f64,
    of: String,
) -> Result<WeightHistory, ForecastError> {
    let readings = members.iter().map(|member| member.read(context));
    let readings = readings.collect::<Result<Vec<_>, _>>()?;
    let channels = readings[0].encoding().channel_names().to_vec();
    let of_channel = |c: usize| {
        let mut weights = MixtureWeights::even(readings.len());
        let row = |t: usize| {
            let given = readings.iter().map(|reading| {
                let one_step = reading.one_step();
                let cell = one_step.cells()[[t, c]];
                one_step.density(t, c).log_score(cell).exp() * BIN_WIDTH
            });
            weights.learn(&given.collect::<Vec<_>>(), alpha);
            weights.get().to_vec()
        };
        (0..context.rows()).map(row).collect()
    };
    Ok(WeightHistory {
        experts: members.iter().map(Forecaster::name).collect(),
        weights: (0..channels.len()).map(of_channel).collect(),
        channels,
        of,
    })
}
