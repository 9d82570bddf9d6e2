//! A grid of panels with observations, one-step predictions and forecasts.

use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::PlotError;
use super::drawing::{BLUE, Drawing, FONT, GREY, INK, ORANGE};
use super::layout::{HEADER, first_row, grid, label, padded, shortened, size};

type PlottingArea<B> = DrawingArea<B, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Contents of a figure.
#[derive(Debug, Clone, PartialEq)]
pub struct ForecastFigure {
    /// First line.
    pub title: String,
    /// Second line.
    pub subtitle: String,
    /// Row of the first forecast step.
    pub context_end: usize,
    /// Level of the outer band and the one-step band, for the legend.
    pub band: String,
    /// Level of the inner band, for the legend.
    pub inner_band: String,
    /// Level of the simultaneous band, for the legend; `None` where it is not drawn.
    pub whole_band: Option<String>,
    /// One panel per variable.
    pub panels: Vec<ForecastPanel>,
}

/// One variable; points are (row, value).
#[derive(Debug, Clone, PartialEq)]
pub struct ForecastPanel {
    /// Name of the variable.
    pub name: String,
    /// Context.
    pub observed: Vec<(usize, f64)>,
    /// Actual values after the context, if known.
    pub held_out: Vec<(usize, f64)>,
    /// One-step predictions within the context.
    pub one_step: Vec<OneStepPoint>,
    /// The forecast, or several under different actions, in one order in all panels.
    pub futures: Vec<PlottedFuture>,
}

/// The forecast of a variable under some actions.
#[derive(Debug, Clone, PartialEq)]
pub struct PlottedFuture {
    /// Name for the legend, if there are several.
    pub name: String,
    /// The forecast. Steps at which it is not defined (`NaN`) are left out.
    pub points: Vec<RolloutPoint>,
}

/// A one-step prediction with its band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OneStepPoint {
    /// Predicted row.
    pub row: usize,
    /// Mean.
    pub mean: f64,
    /// Lower end of the band.
    pub low: f64,
    /// Upper end of the band.
    pub high: f64,
}

/// Median and bands of a forecast step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RolloutPoint {
    /// Forecast row.
    pub row: usize,
    /// Median.
    pub median: f64,
    /// Ends of the inner band.
    pub inner: (f64, f64),
    /// Ends of the outer band.
    pub outer: (f64, f64),
    /// Ends of the simultaneous band, if known.
    pub whole: Option<(f64, f64)>,
}

impl RolloutPoint {
    fn is_defined(&self) -> bool {
        let ends = [self.inner, self.outer].into_iter().chain(self.whole);
        let finite = |(a, b): (f64, f64)| a.is_finite() && b.is_finite();
        self.median.is_finite() && ends.into_iter().all(finite)
    }
}

/// Colours of several futures; the first is that of a single one.
const COLOURS: [RGBColor; 6] = [
    ORANGE,
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(150, 90, 200),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];

/// Opacity of the overlapping bands of several futures.
const FORKED: f64 = 0.15;

impl ForecastFigure {
    /// Draws the figure into a file, SVG or PNG by its ending; nothing is left behind on an error.
    ///
    /// # Errors
    /// [`PlotError`] for another ending or a file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), PlotError> {
        Drawing::save(self, path)
    }

    /// Names, styles and thicknesses of what is drawn.
    fn legend(&self) -> Vec<(String, ShapeStyle, i32)> {
        let mut entries = vec![("observed".to_owned(), INK.filled(), 2)];
        if self.panels.iter().any(|panel| !panel.one_step.is_empty()) {
            entries.extend([
                ("one step ahead".to_owned(), BLUE.filled(), 2),
                (self.band.clone(), BLUE.mix(0.2).filled(), 10),
            ]);
        }
        let futures = self.panels.first().map_or(&[][..], |panel| &panel.futures);
        match futures {
            [] | [_] => {
                let name = futures.first().map_or("", |future| &future.name);
                let name = match name {
                    "" => "forecast",
                    name => name,
                };
                entries.extend([
                    (format!("{}, median", shortened(name)), ORANGE.filled(), 2),
                    (self.inner_band.clone(), ORANGE.mix(0.45).filled(), 10),
                    (self.band.clone(), ORANGE.mix(0.2).filled(), 10),
                ]);
                let whole = self.whole_band.clone();
                entries.extend(whole.map(|name| (name, ORANGE.mix(0.6).filled(), 2)));
            }
            several => {
                let named = several.iter().zip(COLOURS.iter().cycle());
                let named =
                    named.map(|(future, colour)| (shortened(&future.name), colour.filled(), 2));
                entries.extend(named);
                entries.push((self.band.clone(), GREY.mix(0.4).filled(), 10));
            }
        }
        entries.push(("end of the context".to_owned(), GREY.filled(), 1));
        entries
    }

    fn draw_header<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let text = |size: i32, colour: RGBColor| (FONT, size).into_font().color(&colour);
        area.draw(&Text::new(self.title.clone(), (14, 10), text(20, INK)))?;
        area.draw(&Text::new(self.subtitle.clone(), (14, 36), text(14, GREY)))?;
        let mut x = 14;
        for (name, style, thickness) in self.legend() {
            let (top, width) = (68 - thickness / 2, 18);
            area.draw(&Rectangle::new(
                [(x, top), (x + width, top + thickness)],
                style,
            ))?;
            x += width + 6;
            let style = text(13, INK).into_text_style(area);
            let (text_width, _) = area.estimate_text_size(&name, &style)?;
            area.draw(&Text::new(name, (x, 60), style))?;
            x += text_width as i32 + 14;
        }
        Ok(())
    }

    fn draw_panel<B: DrawingBackend>(
        &self,
        panel: &ForecastPanel,
        area: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let ends =
            |points: &[(usize, f64)]| (points.first().map(|p| p.0), points.last().map(|p| p.0));
        let (first, _) = ends(&panel.observed);
        let points = panel.futures.iter().flat_map(|future| &future.points);
        let last = points
            .clone()
            .map(|p| p.row)
            .max()
            .unwrap_or(self.context_end);
        // Room for the bars of a forecast of one step.
        let single = usize::from(panel.futures.iter().any(|future| future.points.len() == 1));
        let start = first_row(first.unwrap_or(self.context_end), self.context_end, last);
        let shown = |points: &[(usize, f64)]| -> Vec<(f64, f64)> {
            let visible = points.iter().filter(|p| p.0 >= start && p.1.is_finite());
            visible.map(|&(row, value)| (row as f64, value)).collect()
        };
        let one_step: Vec<_> = panel.one_step.iter().filter(|p| p.row >= start).collect();
        let (observed, held_out) = (shown(&panel.observed), shown(&panel.held_out));
        let values = (observed.iter().chain(&held_out).map(|p| p.1))
            .chain(one_step.iter().flat_map(|p| [p.low, p.high]))
            .chain(
                points
                    .filter(|p| p.is_defined())
                    .flat_map(|p| Self::ends(panel, p)),
            );
        let range = padded(values);
        let mut chart = ChartBuilder::on(area)
            .caption(shortened(&panel.name), (FONT, 15).into_font().color(&INK))
            .margin(6)
            .margin_right(14)
            .x_label_area_size(24)
            .y_label_area_size(58)
            .build_cartesian_2d(
                start as f64..(last.max(start + 1) + single) as f64,
                range.clone(),
            )?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GREY.mix(0.25))
            .axis_style(GREY)
            .x_labels(6)
            .y_labels(5)
            .label_style((FONT, 12).into_font().color(&INK))
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| label(*y, range.end - range.start))
            .draw()?;
        let one = |f: fn(&OneStepPoint) -> f64| -> Vec<(f64, f64)> {
            one_step.iter().map(|p| (p.row as f64, f(p))).collect()
        };
        let plotting = chart.plotting_area();
        if one_step.len() > 1 {
            let style = BLUE.mix(0.2).filled();
            plotting.draw(&band(one(|p| p.low), one(|p| p.high), style))?;
        }
        for (future, &colour) in panel.futures.iter().zip(COLOURS.iter().cycle()) {
            draw_bands(plotting, future, colour, panel.futures.len() > 1)?;
        }
        let end = self.context_end as f64;
        plotting.draw(&PathElement::new(
            vec![(end, range.start), (end, range.end)],
            GREY.stroke_width(1),
        ))?;
        plotting.draw(&PathElement::new(one(|p| p.mean), BLUE.stroke_width(1)))?;
        plotting.draw(&PathElement::new(observed, INK.stroke_width(1)))?;
        if let [only] = held_out.as_slice() {
            plotting.draw(&Circle::new(*only, 2, INK.filled()))?;
        }
        plotting.draw(&PathElement::new(held_out, INK.stroke_width(1)))?;
        for (future, colour) in panel.futures.iter().zip(COLOURS.iter().cycle()) {
            let median = future.line(|p| p.median);
            plotting.draw(&PathElement::new(median, colour.stroke_width(2)))?;
        }
        Ok(())
    }

    /// Ends that must be seen of a step: of whole paths where these are drawn.
    fn ends(panel: &ForecastPanel, point: &RolloutPoint) -> [f64; 2] {
        let (low, high) = match panel.futures.len() {
            1 => point.whole.unwrap_or(point.outer),
            _ => point.outer,
        };
        [low, high]
    }
}

impl PlottedFuture {
    /// Points of a number of the steps, where they are defined.
    fn line(&self, of: fn(&RolloutPoint) -> f64) -> Vec<(f64, f64)> {
        let defined = self.points.iter().filter(|p| p.is_defined());
        defined.map(|p| (p.row as f64, of(p))).collect()
    }
}

/// The area between two lines.
fn band(low: Vec<(f64, f64)>, high: Vec<(f64, f64)>, style: ShapeStyle) -> Polygon<(f64, f64)> {
    let around = low.into_iter().chain(high.into_iter().rev());
    Polygon::new(around.collect::<Vec<_>>(), style)
}

/// Bands of a future; of several only the outer one.
fn draw_bands<B: DrawingBackend>(
    plotting: &PlottingArea<B>,
    future: &PlottedFuture,
    colour: RGBColor,
    several: bool,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    if let [only] = future.points.as_slice() {
        return match only.is_defined() {
            true => draw_single_step(plotting, only, colour),
            false => Ok(()),
        };
    }
    let (low, high) = (future.line(|p| p.outer.0), future.line(|p| p.outer.1));
    if low.len() < 2 {
        return Ok(());
    }
    let strength = if several { FORKED } else { 0.2 };
    plotting.draw(&band(low, high, colour.mix(strength).filled()))?;
    if several {
        return Ok(());
    }
    let (low, high) = (future.line(|p| p.inner.0), future.line(|p| p.inner.1));
    plotting.draw(&band(low, high, colour.mix(0.45).filled()))?;
    let whole = |end: fn((f64, f64)) -> f64| {
        let known = future.points.iter().filter(|p| p.is_defined());
        let ends = known.filter_map(|p| Some((p.row as f64, end(p.whole?))));
        ends.collect::<Vec<_>>()
    };
    for end in [whole(|ends| ends.0), whole(|ends| ends.1)] {
        plotting.draw(&PathElement::new(end, colour.mix(0.6).stroke_width(1)))?;
    }
    Ok(())
}

impl Drawing for ForecastFigure {
    fn size(&self) -> (u32, u32) {
        size(self.panels.len())
    }

    fn draw_on<B: DrawingBackend>(
        &self,
        root: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let (header, body) = root.split_vertically(HEADER);
        self.draw_header(&header)?;
        let (columns, rows) = grid(self.panels.len());
        for (panel, area) in self.panels.iter().zip(body.split_evenly((rows, columns))) {
            self.draw_panel(panel, &area)?;
        }
        Ok(())
    }
}

/// A forecast of one step has no width: bars instead of bands.
fn draw_single_step<B: DrawingBackend>(
    plotting: &PlottingArea<B>,
    point: &RolloutPoint,
    colour: RGBColor,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let row = point.row as f64;
    for ((low, high), width, strength) in [(point.outer, 3, 0.35), (point.inner, 7, 0.6)] {
        plotting.draw(&PathElement::new(
            vec![(row, low), (row, high)],
            colour.mix(strength).stroke_width(width),
        ))?;
    }
    plotting.draw(&Circle::new((row, point.median), 3, colour.filled()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn future(name: &str, median: impl Fn(usize) -> f64) -> PlottedFuture {
        let point = |row: usize| RolloutPoint {
            row,
            median: median(row),
            inner: (-0.5, 0.5),
            outer: (-1.0, 1.0),
            whole: Some((-1.5, 1.5)),
        };
        PlottedFuture {
            name: name.to_owned(),
            points: (100..130).map(point).collect(),
        }
    }

    fn figure(panels: usize) -> ForecastFigure {
        let wave = |t: usize| (t as f64 * 0.2).sin();
        let panel = |i: usize| ForecastPanel {
            name: format!("variable_{i}"),
            observed: (0..100).map(|t| (t, wave(t) * i as f64)).collect(),
            held_out: (100..130).map(|t| (t, wave(t) * i as f64)).collect(),
            one_step: (1..100)
                .map(|row| OneStepPoint {
                    row,
                    mean: wave(row),
                    low: wave(row) - 0.1,
                    high: wave(row) + 0.1,
                })
                .collect(),
            futures: vec![future("", wave)],
        };
        ForecastFigure {
            title: "run.csv".to_owned(),
            subtitle: "100 rows".to_owned(),
            context_end: 100,
            band: "90 %".to_owned(),
            inner_band: "50 %".to_owned(),
            whole_band: Some("90 % of whole paths".to_owned()),
            panels: (0..panels).map(panel).collect(),
        }
    }

    #[test]
    fn svg_names_every_panel_and_holds_no_nan() {
        let svg = figure(17).svg().unwrap();
        assert!((0..17).all(|i| svg.contains(&format!("variable_{i}"))));
        assert!(!svg.contains("NaN") && svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn several_futures_stand_in_the_legend() {
        let mut forked = figure(2);
        for panel in &mut forked.panels {
            panel.futures = vec![future("brake.csv", |_| 0.2), future("coast.csv", |_| -0.2)];
        }
        let svg = forked.svg().unwrap();
        assert!(svg.contains("brake.csv") && svg.contains("coast.csv"));
        assert!(!svg.contains("whole paths"));
    }

    #[test]
    fn steps_that_are_not_defined_are_left_out() {
        let mut gaps = figure(1);
        gaps.panels[0].futures[0].points[4].median = f64::NAN;
        assert!(!gaps.svg().unwrap().contains("NaN"));
        let points = &mut gaps.panels[0].futures[0].points;
        points
            .iter_mut()
            .for_each(|p| p.whole = Some((f64::NAN, 1.0)));
        assert!(gaps.svg().is_ok());
        gaps.panels[0].futures[0].points.truncate(1);
        assert!(gaps.png().is_ok());
    }

    #[test]
    fn png_is_drawn() {
        assert!(figure(1).png().unwrap().starts_with(b"\x89PNG"));
    }

    #[test]
    fn other_endings_and_missing_folders_are_errors() {
        let error = figure(1).save(Path::new("x.gif")).unwrap_err();
        assert!(error.to_string().contains(".svg or .png"));
        assert!(figure(1).save(Path::new("/nowhere/x.svg")).is_err());
    }
}
