//! Shared parts of figures: files, font, colours.

use std::io::Write;
use std::path::Path;
use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::PlotError;
use crate::output::write_atomically;

pub(super) const FONT: &str = "sans-serif";
pub(super) const INK: RGBColor = RGBColor(60, 60, 60);
pub(super) const GREY: RGBColor = RGBColor(150, 150, 150);
// Blue and vermilion of Okabe and Ito's palette, told apart by all readers.
pub(super) const BLUE: RGBColor = RGBColor(0, 114, 178);
pub(super) const ORANGE: RGBColor = RGBColor(213, 94, 0);

/// A figure on a white ground.
pub(super) trait Drawing {
    /// Width and height in pixels.
    fn size(&self) -> (u32, u32);

    fn draw_on<B: DrawingBackend>(
        &self,
        root: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>>;

    /// Draws into a file, SVG or PNG by its ending; nothing is left behind on an error.
    fn save(&self, path: &Path) -> Result<(), PlotError> {
        let bytes = match path.extension().and_then(|e| e.to_str()) {
            Some("svg") => self.svg()?.into_bytes(),
            Some("png") => self.png()?,
            _ => return Err(PlotError::Extension(path.to_owned())),
        };
        Ok(write_atomically(path, |file| file.write_all(&bytes))?)
    }

    fn svg(&self) -> Result<String, PlotError> {
        let mut svg = String::new();
        self.draw(SVGBackend::with_string(&mut svg, self.size()))?;
        Ok(svg)
    }

    fn png(&self) -> Result<Vec<u8>, PlotError> {
        let draw_error = |e: std::io::Error| PlotError::Draw(e.to_string());
        let file = tempfile::Builder::new()
            .suffix(".png")
            .tempfile()
            .map_err(draw_error)?;
        self.draw(BitMapBackend::new(file.path(), self.size()))?;
        std::fs::read(file.path()).map_err(draw_error)
    }

    fn draw<B: DrawingBackend>(&self, backend: B) -> Result<(), PlotError> {
        register_font();
        let root = backend.into_drawing_area();
        let drawn = root.fill(&WHITE).and_then(|()| self.draw_on(&root));
        let drawn = drawn.and_then(|()| root.present());
        drawn.map_err(|e| PlotError::Draw(e.to_string()))
    }
}

pub(super) fn register_font() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // Fails only on invalid font bytes, which a test rules out.
        let _ = plotters::style::register_font(FONT, FontStyle::Normal, dejavu::sans::regular());
    });
}
