//! Transition matrices and convergence curves.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::PlotError;
use super::chart::PALETTE;
use super::drawing::{BLUE, Drawing, FONT, GREY, INK};
use super::layout::shortened;

const HEADER: u32 = 62;
const MATRIX: u32 = 300;
const CURVES: u32 = 300;
/// Pixels left and above of a matrix, for labels.
const MARGIN: (i32, i32) = (74, 50);
/// Largest number of states with printed probabilities.
const MAX_WRITTEN: usize = 8;
/// Largest number of states with labels.
const MAX_LABELLED: usize = 25;

/// Contents of the figure.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixFigure {
    /// First line.
    pub title: String,
    /// Second line.
    pub subtitle: String,
    /// Names of the states.
    pub labels: Vec<String>,
    /// Matrices `[from][to]` of those states.
    pub matrices: Vec<NamedMatrix>,
    /// Label of the vertical axis of the curves.
    pub distance: String,
    /// Distances against context, both above zero.
    pub curves: Vec<NamedCurve>,
}

/// A transition matrix.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedMatrix {
    /// Title.
    pub name: String,
    /// Probabilities `[from][to]`.
    pub matrix: Vec<Vec<f64>>,
}

/// A curve over logarithmic axes.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedCurve {
    /// Name in the legend.
    pub name: String,
    /// Points (context, distance); nonpositive ones are left out.
    pub points: Vec<(f64, f64)>,
    /// Drawn dashed, without marks: a fitted curve.
    pub fitted: bool,
    /// Number of its colour.
    pub number: usize,
}

impl MatrixFigure {
    /// Draws the figure into a file, SVG or PNG by its ending; nothing is left behind on an error.
    ///
    /// # Errors
    /// [`PlotError`] for another ending or a file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), PlotError> {
        Drawing::save(self, path)
    }

    fn draw_matrix<B: DrawingBackend>(
        &self,
        named: &NamedMatrix,
        area: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let states = named.matrix.len().max(1) as i32;
        let (left, top) = MARGIN;
        let (width, height) = area.dim_in_pixel();
        let side = (width as i32 - left - 14).min(height as i32 - top - 8) / states;
        let text = |size: i32, colour: RGBColor| (FONT, size).into_font().color(&colour);
        area.draw(&Text::new(named.name.clone(), (left, 4), text(15, INK)))?;
        let written = states as usize <= MAX_WRITTEN;
        for (from, row) in named.matrix.iter().enumerate() {
            for (to, &p) in row.iter().enumerate() {
                let (x, y) = (left + to as i32 * side, top + from as i32 * side);
                let cell = Rectangle::new([(x, y), (x + side, y + side)], BLUE.mix(p).filled());
                area.draw(&cell)?;
                if written {
                    let colour = if p > 0.55 { WHITE } else { INK };
                    let size = (side / 3).clamp(9, 14);
                    let (text_x, text_y) = (x + side / 2 - size, y + side / 2 - size / 2);
                    let number = Text::new(format!("{p:.2}"), (text_x, text_y), text(size, colour));
                    area.draw(&number)?;
                }
            }
        }
        let end = (left + states * side, top + states * side);
        area.draw(&Rectangle::new([(left, top), end], GREY.stroke_width(1)))?;
        if states as usize <= MAX_LABELLED {
            let size = (side - 2).clamp(7, 12);
            let room = (side / (size * 6 / 10).max(1)) as usize;
            for (state, label) in self.labels.iter().enumerate() {
                let at = state as i32 * side + side / 2 - size / 2;
                let row = Text::new(fitted(label, 10), (8, top + at), text(size, GREY));
                area.draw(&row)?;
                let place = (left + state as i32 * side + 2, top - size - 6);
                area.draw(&Text::new(fitted(label, room), place, text(size, GREY)))?;
            }
        }
        Ok(())
    }

    fn draw_curves<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let shown = |curve: &NamedCurve| -> Vec<(f64, f64)> {
            let above = |p: &&(f64, f64)| p.0 > 0.0 && p.1 > 1e-12 && p.1.is_finite();
            curve.points.iter().filter(above).copied().collect()
        };
        let all: Vec<(f64, f64)> = self.curves.iter().flat_map(shown).collect();
        let range = |values: &dyn Fn(&(f64, f64)) -> f64| {
            let ends = all.iter().map(values);
            ends.fold((f64::INFINITY, 0.0f64), |(low, high), x| {
                (low.min(x), high.max(x))
            })
        };
        let ((left, right), (low, high)) = (range(&|p| p.0), range(&|p| p.1));
        if left >= right || high <= 0.0 {
            return Ok(());
        }
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(16)
            .x_label_area_size(38)
            .y_label_area_size(66)
            .build_cartesian_2d(
                (left..right).log_scale(),
                (low * 0.8..high.max(low * 1.5) * 1.25).log_scale(),
            )?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GREY.mix(0.25))
            .axis_style(GREY)
            .x_desc("rows of context")
            .y_desc(&self.distance)
            .axis_desc_style((FONT, 13).into_font().color(&INK))
            .label_style((FONT, 12).into_font().color(&INK))
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{y:.2}"))
            .draw()?;
        for curve in &self.curves {
            let colour = PALETTE[curve.number % PALETTE.len()];
            let points = shown(curve);
            let drawn = if curve.fitted {
                chart.draw_series(DashedLineSeries::new(points, 5, 4, colour.stroke_width(1)))?
            } else {
                let marks = points.iter().map(|&p| Circle::new(p, 3, colour.filled()));
                chart.draw_series(marks)?;
                chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            };
            drawn.label(curve.name.clone()).legend(move |(x, y)| {
                PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2))
            });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(GREY.mix(0.4))
            .label_font((FONT, 12).into_font().color(&INK))
            .draw()
    }
}

impl Drawing for MatrixFigure {
    fn size(&self) -> (u32, u32) {
        let width = (MATRIX + 24) * self.matrices.len().max(2) as u32;
        (width, HEADER + MATRIX + MARGIN.1 as u32 + CURVES)
    }

    fn draw_on<B: DrawingBackend>(
        &self,
        root: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        let (header, body) = root.split_vertically(HEADER);
        let text = |size: i32, colour: RGBColor| (FONT, size).into_font().color(&colour);
        header.draw(&Text::new(self.title.clone(), (14, 10), text(20, INK)))?;
        header.draw(&Text::new(self.subtitle.clone(), (14, 36), text(14, GREY)))?;
        let (matrices, curves) = body.split_vertically(MATRIX + MARGIN.1 as u32);
        let areas = matrices.split_evenly((1, self.matrices.len().max(1)));
        for (matrix, area) in self.matrices.iter().zip(areas) {
            self.draw_matrix(matrix, &area)?;
        }
        self.draw_curves(&curves)
    }
}

/// Shortens a label.
fn fitted(label: &str, most: usize) -> String {
    match label.chars().count() <= most {
        true => shortened(label),
        false => {
            let start: String = label.chars().take(most.saturating_sub(1)).collect();
            format!("{start}…")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_of_any_size_are_drawn() {
        for states in [2, 5, 30, 50] {
            let matrix = vec![vec![1.0 / states as f64; states]; states];
            let figure = MatrixFigure {
                title: "chain.csv".to_owned(),
                subtitle: "1000 rows".to_owned(),
                labels: (0..states).map(|k| format!("state {k}")).collect(),
                matrices: ["inferred", "counted", "true"]
                    .map(|name| NamedMatrix {
                        name: name.to_owned(),
                        matrix: matrix.clone(),
                    })
                    .to_vec(),
                distance: "total variation".to_owned(),
                curves: vec![
                    NamedCurve {
                        name: "builtin".to_owned(),
                        points: vec![(1.0, 0.5), (10.0, 0.2), (100.0, 0.0)],
                        fitted: false,
                        number: 0,
                    },
                    NamedCurve {
                        name: "power law".to_owned(),
                        points: vec![],
                        fitted: true,
                        number: 0,
                    },
                ],
            };
            let svg = figure.svg().unwrap();
            assert!(svg.contains("inferred") && svg.contains("true") && !svg.contains("NaN"));
            let without = MatrixFigure {
                curves: vec![],
                ..figure
            };
            assert!(without.png().unwrap().starts_with(b"\x89PNG"));
        }
    }
}
