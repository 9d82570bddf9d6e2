//! stub
#![allow(missing_docs)]
pub struct ForecastFigure {
    pub title: String,
    pub subtitle: String,
    pub context_end: usize,
    pub band: String,
    pub inner_band: String,
    pub panels: Vec<Panel>,
}
pub struct Panel {
    pub name: String,
    pub observed: Vec<(usize, f64)>,
    pub held_out: Vec<(usize, f64)>,
    pub one_step: Vec<OneStepPoint>,
    pub rollout: Vec<RolloutPoint>,
}
pub struct OneStepPoint {
    pub row: usize,
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}
pub struct RolloutPoint {
    pub row: usize,
    pub median: f64,
    pub inner: (f64, f64),
    pub outer: (f64, f64),
}
impl ForecastFigure {
    pub fn save(&self, _path: &std::path::Path) -> std::io::Result<()> {
        Ok(())
    }
}
