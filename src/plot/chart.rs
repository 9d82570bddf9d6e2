//! Small charts of curves or bars on a transparent background, for light and dark pages.

use plotters::prelude::*;

use super::PlotError;
use super::drawing::{FONT, register_font};
use super::layout::{label, padded, shortened};

/// Grey, readable on black and white.
const INK: RGBColor = RGBColor(128, 128, 128);

/// Okabe and Ito's palette, with grey and violet instead of black and yellow, which one background
/// would hide.
pub(super) const PALETTE: [RGBColor; 8] = [
    RGBColor(0, 130, 200),
    RGBColor(225, 100, 10),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(150, 150, 150),
    RGBColor(150, 90, 200),
];

/// Colour of the curve of a number as `#rrggbb`, for legends; colours repeat after eight.
pub fn colour(number: usize) -> String {
    let RGBColor(r, g, b) = PALETTE[number % PALETTE.len()];
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// One curve.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curve {
    /// Number of its colour.
    pub number: usize,
    /// Points in the order in which they are joined; those that are not finite are left out.
    pub points: Vec<(f64, f64)>,
    /// A shaded band: positions with its lower and upper ends.
    pub band: Vec<(f64, f64, f64)>,
}

/// Curves over common axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Title.
    pub title: String,
    /// Label of the horizontal axis.
    pub x: String,
    /// The curves.
    pub curves: Vec<Curve>,
    /// Points of a dashed reference line.
    pub ideal: Vec<(f64, f64)>,
    /// Range of the vertical axis; `None` for that of the curves.
    pub y_range: Option<(f64, f64)>,
    /// Bars from zero instead of lines.
    pub bars: bool,
    /// Width and height in pixels.
    pub size: (u32, u32),
}

impl Chart {
    /// The chart as an SVG element.
    ///
    /// # Errors
    /// [`PlotError::Draw`] if the drawing library fails.
    pub fn svg(&self) -> Result<String, PlotError> {
        register_font();
        let mut svg = String::new();
        self.draw(SVGBackend::with_string(&mut svg, self.size))
            .map_err(|e| PlotError::Draw(e.to_string()))?;
        Ok(svg)
    }

    fn draw<B: DrawingBackend>(
        &self,
        backend: B,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let root = backend.into_drawing_area();
        let finite = |points: &[(f64, f64)]| -> Vec<(f64, f64)> {
            let finite = |p: &&(f64, f64)| p.0.is_finite() && p.1.is_finite();
            points.iter().filter(finite).copied().collect()
        };
        let curves: Vec<_> = self.curves.iter().map(|c| finite(&c.points)).collect();
        let bands: Vec<_> = self.curves.iter().map(|c| outline(&c.band)).collect();
        let all = || curves.iter().chain(&bands).flatten().chain(&self.ideal);
        let (left, right) = all().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), p| {
            (low.min(p.0), high.max(p.0))
        });
        let across = match left < right {
            true => left..right,
            false => padded(all().map(|p| p.0)),
        };
        let up = match self.y_range {
            Some((low, high)) => low..high,
            None => padded(all().map(|p| p.1).chain(self.bars.then_some(0.0))),
        };
        let mut chart = ChartBuilder::on(&root)
            .caption(shortened(&self.title), (FONT, 14).into_font().color(&INK))
            .margin(4)
            .margin_right(12)
            .x_label_area_size(34)
            .y_label_area_size(46)
            .build_cartesian_2d(across.clone(), up.clone())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(INK.mix(0.25))
            .axis_style(INK)
            .x_desc(&self.x)
            .x_labels(5)
            .y_labels(4)
            .axis_desc_style((FONT, 12).into_font().color(&INK))
            .label_style((FONT, 11).into_font().color(&INK))
            .x_label_formatter(&|x| label(*x, across.end - across.start))
            .y_label_formatter(&|y| label(*y, up.end - up.start))
            .draw()?;
        for (curve, band) in self.curves.iter().zip(&bands) {
            if !band.is_empty() {
                let shade = PALETTE[curve.number % PALETTE.len()].mix(0.15);
                chart.draw_series([Polygon::new(band.clone(), shade)])?;
            }
        }
        for (curve, points) in self.curves.iter().zip(curves) {
            let colour = PALETTE[curve.number % PALETTE.len()];
            if self.bars {
                let half = points
                    .windows(2)
                    .map(|w| w[1].0 - w[0].0)
                    .fold(1.0, f64::min)
                    * 0.45;
                chart.draw_series(points.iter().map(|&(x, y)| {
                    Rectangle::new([(x - half, 0.0), (x + half, y)], colour.mix(0.7).filled())
                }))?;
            } else {
                chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
            }
        }
        if !self.ideal.is_empty() {
            let ideal = self.ideal.iter().copied();
            chart.draw_series(DashedLineSeries::new(ideal, 5, 4, INK.stroke_width(1)))?;
        }
        root.present()
    }
}

/// A band's lower end to the right and its upper end back.
fn outline(band: &[(f64, f64, f64)]) -> Vec<(f64, f64)> {
    let finite = |p: &&(f64, f64, f64)| p.0.is_finite() && p.1.is_finite() && p.2.is_finite();
    let band: Vec<_> = band.iter().filter(finite).collect();
    let lower = band.iter().map(|p| (p.0, p.1));
    let upper = band.iter().rev().map(|p| (p.0, p.2));
    lower.chain(upper).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_and_bars_are_drawn_whatever_the_numbers() {
        for bars in [false, true] {
            for points in [
                vec![],
                vec![(1.0, f64::NAN)],
                vec![(1.0, 2.0)],
                vec![(0.0, 1.0), (1.0, 3.0)],
            ] {
                let chart = Chart {
                    title: "a & b".to_owned(),
                    x: "steps".to_owned(),
                    curves: vec![Curve {
                        number: 7,
                        band: points.iter().map(|&(x, y)| (x, y - 1.0, y)).collect(),
                        points,
                    }],
                    ideal: vec![],
                    y_range: None,
                    bars,
                    size: (300, 200),
                };
                let svg = chart.svg().unwrap();
                assert!(svg.starts_with("<svg") && svg.contains("a &amp; b"));
                assert!(!svg.contains("NaN"));
            }
        }
    }
}
