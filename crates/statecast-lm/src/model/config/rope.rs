//! Rotary positions: frequencies and how families stretch them for long contexts.

use super::fields::Fields;

/// Rotary positions of some of the layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// Base of the frequencies.
    pub theta: f64,
    /// Leading dimensions of a head that are turned, even; the others stay.
    pub dim: usize,
    /// Whether neighbours are paired (GPT-J, GGUF files of Llama) instead of halves.
    pub interleaved: bool,
    /// How the frequencies are stretched.
    pub scaling: RopeScaling,
}

/// Stretching of the rotary frequencies for contexts longer than those of the pretraining.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// Positions divided by a factor.
    Linear {
        /// The factor.
        factor: f64,
    },
    /// Llama 3.1: long wavelengths divided by `factor`, short ones kept, a ramp between.
    Llama3 {
        /// Divisor of the lowest frequencies.
        factor: f64,
        /// Wavelengths above `original_window / low` are stretched in full.
        low: f64,
        /// Wavelengths below `original_window / high` are kept.
        high: f64,
        /// The window of the pretraining.
        original_window: f64,
    },
    /// A base that grows with the context beyond the original window (NTK-aware).
    Dynamic {
        /// Growth with the length.
        factor: f64,
        /// The window of the pretraining.
        original_window: f64,
    },
    /// YaRN (Peng et al. 2023): a ramp between kept and divided frequencies, and a larger
    /// attention temperature.
    Yarn {
        /// Divisor of the lowest frequencies.
        factor: f64,
        /// Factor of the cosines and sines.
        attention: f64,
        /// Turns within the original window above which a frequency is kept.
        fast: f64,
        /// Turns below which it is divided in full.
        slow: f64,
        /// Whether the ends of the ramp are rounded to whole dimensions.
        truncate: bool,
        /// The window of the pretraining.
        original_window: f64,
    },
    /// LongRoPE (Ding et al. 2024): a divisor of its own for every frequency, one list for contexts
    /// within the original window and one for longer ones.
    Long {
        /// Divisors within the original window.
        short: Vec<f64>,
        /// Divisors beyond it.
        long: Vec<f64>,
        /// Factor of the cosines and sines.
        attention: f64,
        /// The window of the pretraining.
        original_window: f64,
    },
}

/// What a family says about its rotary positions where config.json is silent.
pub(super) struct RopeDefaults {
    pub(super) theta: f64,
    pub(super) head_dim: usize,
    pub(super) window: usize,
}

impl Rope {
    /// Reads the settings of either generation: gathered in `rope_parameters` (transformers 5), or
    /// `rope_theta`, `rope_scaling` and `partial_rotary_factor` at the top.
    pub(super) fn read(config: Fields, defaults: &RopeDefaults) -> Result<Self, String> {
        let gathered = config.object("rope_parameters")?;
        let settings = match gathered {
            Some(settings) => Some(settings),
            None => config.object("rope_scaling")?,
        };
        Self::read_settings(config, settings, defaults)
    }

    /// Reads the settings from an object, with the top of config.json after it.
    pub(super) fn read_settings(
        config: Fields,
        settings: Option<Fields>,
        defaults: &RopeDefaults,
    ) -> Result<Self, String> {
        let inner = |name: &str| match settings {
            Some(settings) => settings.positive(name),
            None => Ok(None),
        };
        let either = |name: &str| Ok::<_, String>(inner(name)?.or(config.positive(name)?));
        let theta = either("rope_theta")?.unwrap_or(defaults.theta);
        let share = either("partial_rotary_factor")?.unwrap_or(1.0).min(1.0);
        let dim = (defaults.head_dim as f64 * share) as usize;
        let scaling = match settings {
            Some(settings) => RopeScaling::read(config, settings, dim, defaults.window)?,
            None => RopeScaling::None,
        };
        Ok(Self {
            theta,
            dim,
            interleaved: false,
            scaling,
        })
    }

    /// Frequencies of the `dim / 2` pairs in radians a position, for a context of `length`.
    pub fn frequencies(&self, length: usize) -> Vec<f64> {
        let dim = self.dim as f64;
        let pairs = 0..self.dim / 2;
        let plain = |theta: f64, i: usize| theta.powf(-2.0 * i as f64 / dim);
        match &self.scaling {
            RopeScaling::None => pairs.map(|i| plain(self.theta, i)).collect(),
            RopeScaling::Linear { factor } => {
                pairs.map(|i| plain(self.theta, i) / factor).collect()
            }
            &RopeScaling::Llama3 {
                factor,
                low,
                high,
                original_window,
            } => pairs
                .map(|i| {
                    let frequency = plain(self.theta, i);
                    let turns = original_window * frequency / std::f64::consts::TAU;
                    let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                    frequency * (kept + (1.0 - kept) / factor)
                })
                .collect(),
            &RopeScaling::Dynamic {
                factor,
                original_window,
            } => {
                let length = (length as f64).max(original_window);
                let growth = factor * length / original_window - (factor - 1.0);
                let theta = self.theta * growth.powf(dim / (dim - 2.0));
                pairs.map(|i| plain(theta, i)).collect()
            }
            &RopeScaling::Yarn {
                factor,
                fast,
                slow,
                truncate,
                original_window,
                ..
            } => {
                let dimension = |turns: f64| {
                    dim * (original_window / (turns * std::f64::consts::TAU)).ln()
                        / (2.0 * self.theta.ln())
                };
                let (mut low, mut high) = (dimension(fast), dimension(slow));
                if truncate {
                    (low, high) = (low.floor(), high.ceil());
                }
                let (low, high) = (low.max(0.0), high.min(dim - 1.0));
                let width = if high == low { 1e-3 } else { high - low };
                pairs
                    .map(|i| {
                        let divided = ((i as f64 - low) / width).clamp(0.0, 1.0);
                        plain(self.theta, i) * (1.0 - divided + divided / factor)
                    })
                    .collect()
            }
            RopeScaling::Long {
                short,
                long,
                original_window,
                ..
            } => {
                let divisors = if length as f64 > *original_window {
                    long
                } else {
                    short
                };
                pairs
                    .zip(divisors)
                    .map(|(i, divisor)| plain(self.theta, i) / divisor)
                    .collect()
            }
        }
    }

    /// Factor of the cosines and sines.
    pub fn attention_factor(&self) -> f64 {
        match self.scaling {
            RopeScaling::Yarn { attention, .. } | RopeScaling::Long { attention, .. } => attention,
            _ => 1.0,
        }
    }
}

impl RopeScaling {
    fn read(config: Fields, settings: Fields, dim: usize, window: usize) -> Result<Self, String> {
        let kind = match settings.text("rope_type")? {
            Some(kind) => Some(kind),
            None => settings.text("type")?,
        };
        let wanted = |name: &str| {
            settings
                .positive(name)
                .and_then(|v| v.ok_or_else(|| format!("{name} is missing")))
                .map_err(|e| format!("rope scaling: {e}"))
        };
        let original = || {
            let name = "original_max_position_embeddings";
            Ok::<_, String>(settings.positive(name)?.or(config.positive(name)?))
        };
        Ok(match kind {
            None | Some("default") => Self::None,
            Some("linear") => Self::Linear {
                factor: wanted("factor")?,
            },
            Some("llama3") => {
                let (low, high) = (wanted("low_freq_factor")?, wanted("high_freq_factor")?);
                if low >= high {
                    return Err(
                        "rope scaling: low_freq_factor is not below high_freq_factor".into(),
                    );
                }
                Self::Llama3 {
                    factor: wanted("factor")?,
                    low,
                    high,
                    original_window: wanted("original_max_position_embeddings")?,
                }
            }
            Some("dynamic") => Self::Dynamic {
                factor: wanted("factor")?,
                original_window: original()?.unwrap_or(window as f64),
            },
            Some("yarn") => Self::yarn(settings, wanted("factor")?, original()?, window)?,
            Some("longrope" | "su") => Self::long(settings, original()?, dim, window)?,
            Some(other) => {
                return Err(format!(
                    "rope scaling '{other}' is not supported (default, linear, dynamic, yarn, \
                     llama3 and longrope are)"
                ));
            }
        })
    }

    fn yarn(
        settings: Fields,
        factor: f64,
        original: Option<f64>,
        window: usize,
    ) -> Result<Self, String> {
        let temperature = |scale: f64| match factor > 1.0 {
            true => 0.1 * scale * factor.ln() + 1.0,
            false => 1.0,
        };
        let attention = match (
            settings.positive("attention_factor")?,
            settings.positive("mscale")?,
            settings.positive("mscale_all_dim")?,
        ) {
            (Some(given), _, _) => given,
            (None, Some(one), Some(all)) => temperature(one) / temperature(all),
            _ => temperature(1.0),
        };
        Ok(Self::Yarn {
            factor,
            attention,
            fast: settings.positive("beta_fast")?.unwrap_or(32.0),
            slow: settings.positive("beta_slow")?.unwrap_or(1.0),
            truncate: settings.flag("truncate", true)?,
            original_window: original.unwrap_or(window as f64),
        })
    }

    fn long(
        settings: Fields,
        original: Option<f64>,
        dim: usize,
        window: usize,
    ) -> Result<Self, String> {
        let divisors = |name: &str| {
            let divisors = settings
                .positives(name)?
                .ok_or_else(|| format!("rope scaling: {name} is missing"))?;
            if divisors.len() == dim / 2 {
                Ok(divisors)
            } else {
                Err(format!(
                    "rope scaling: {name} has {} entries, not {}",
                    divisors.len(),
                    dim / 2
                ))
            }
        };
        let factor = match original {
            Some(original) => window as f64 / original,
            None => settings.positive("factor")?.unwrap_or(1.0),
        };
        let original_window = original.unwrap_or(window as f64);
        let attention = settings.positive("attention_factor")?.unwrap_or_else(|| {
            if factor <= 1.0 {
                1.0
            } else {
                (1.0 + factor.ln() / original_window.ln()).sqrt()
            }
        });
        Ok(Self::Long {
            short: divisors("short_factor")?,
            long: divisors("long_factor")?,
            attention,
            original_window,
        })
    }
}
