//! Self-contained HTML reports, in a light and a dark style.

mod backtest;
mod figures;
mod learning;
mod values;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::plot::colour;

pub use backtest::backtest;
#[cfg(feature = "cli")]
pub(crate) use backtest::difference_head;
pub use learning::learning;
pub use values::values;

/// Title and settings of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// Title.
    pub title: String,
    /// Settings, as pairs of name and value.
    pub settings: Vec<(String, String)>,
}

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
.matrix td, .matrix th { padding: .1rem .3rem; text-align: right; font-size: .8em; border: 0; }
td.best { font-weight: 700; } .wide { overflow-x: auto; } .note { opacity: .75; max-width: 50rem; }
.interval { opacity: .65; font-size: .85em; white-space: nowrap; }
.charts { display: flex; flex-wrap: wrap; gap: .6rem; } .key { display: flex; flex-wrap: wrap; gap: 0 1.2rem; }
.swatch { display: inline-block; width: .9em; height: .9em; border-radius: 2px; margin-right: .4em;
  vertical-align: -1px; }
svg { max-width: 100%; height: auto; } .warn { border-left: 4px solid #e16410; padding-left: .8rem; }
";

/// Renders a page: title, subtitle with settings, and body.
fn page(about: &About, of: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (about.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (about.title) }
                p.note {
                    (of)
                    @for (name, value) in &about.settings { "; " (name) " " (value) }
                }
                (body)
            }
        }
    };
    page.into_string()
}

fn key<'n>(names: impl Iterator<Item = (usize, &'n String)>) -> Markup {
    html! {
        div.key {
            @for (number, name) in names {
                span { span.swatch style={ "background:" (colour(number)) } {} (name) }
            }
        }
    }
}
