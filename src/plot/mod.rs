//! Figures of forecasts as SVG or PNG.
