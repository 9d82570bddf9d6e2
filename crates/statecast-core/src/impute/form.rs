//! Forms of models: how many rows before it a row depends on, and what its change is expected to be.

/// A form of model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    /// Rows before it that a row depends on.
    pub(super) order: usize,
    /// Whether a channel depends on other channels' rows before.
    pub(super) coupled: bool,
    /// Whether the change before is expected again, not none.
    pub(super) trend: bool,
    /// Whether there are regressors at all.
    pub(super) regresses: bool,
    /// Whether rows a season away are among them.
    pub(super) seasonal: bool,
    /// Whether changes have a mean.
    pub(super) drifts: bool,
}

impl Form {
    /// A random walk, whose mean between two values is the straight line.
    pub(super) const WALK: Self = Self {
        order: 1,
        coupled: false,
        trend: false,
        regresses: false,
        seasonal: false,
        drifts: false,
    };

    /// The straight-line and smooth interpolations, and autoregressions of each channel alone and of all.
    pub(super) fn plain() -> Vec<Self> {
        let smooth = Self {
            order: 2,
            trend: true,
            ..Self::WALK
        };
        let regression = |order, coupled, trend| Self {
            order,
            coupled,
            trend,
            regresses: true,
            seasonal: false,
            drifts: true,
        };
        vec![
            Self::WALK,
            smooth,
            regression(1, false, false),
            regression(3, false, false),
            regression(3, false, true),
            regression(1, true, false),
            regression(2, true, false),
            regression(2, true, true),
            regression(3, true, false),
            regression(3, true, true),
        ]
    }

    /// The same beside rows a season away.
    pub(super) fn with_season(self) -> Self {
        Self {
            regresses: true,
            seasonal: true,
            drifts: true,
            ..self
        }
    }
}

/// A linear combination of a row, the rows before it and the inputs: places and factors.
pub(super) type Terms = Vec<(usize, f64)>;

/// What a channel's change is regressed on.
#[derive(Debug, Clone)]
pub(super) struct Regressor {
    pub(super) terms: Terms,
    /// The channel whose past it is, if it is one's.
    of: Option<usize>,
    /// Whether it serves that channel alone.
    own: bool,
}

impl Regressor {
    /// Whether it takes part in a channel's regression.
    pub(super) fn serves(&self, channel: usize, coupled: bool) -> bool {
        self.of
            .is_none_or(|of| of == channel || (coupled && !self.own))
    }
}

/// Where things are among the row, the rows before it, the inputs and 1.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) channels: usize,
    /// Inputs of each row.
    pub(super) width: usize,
    /// How many of the inputs are actions; the others are values a season away.
    pub(super) actions: usize,
    /// For each channel the first of its four seasonal inputs, if it has a season.
    pub(super) seasons: Vec<Option<usize>>,
}

/// Inputs of a channel's season: what is one season away and what is several away, in this row and in the row before.
pub(super) const SEASONAL: usize = 4;

impl Layout {
    /// A channel's change as a combination.
    pub(super) fn change(&self, form: &Form, channel: usize) -> Terms {
        let mut terms = vec![(channel, 1.0)];
        if form.order > 0 {
            terms.push((self.channels + channel, -1.0));
        }
        if form.trend {
            terms.push((self.channels + channel, -1.0));
            terms.push((2 * self.channels + channel, 1.0));
        }
        terms
    }

    /// All regressors of a form.
    pub(super) fn regressors(&self, form: &Form) -> Vec<Regressor> {
        if !form.regresses {
            return Vec::new();
        }
        let mut all = Vec::new();
        let input = (1 + form.order) * self.channels;
        for channel in 0..self.channels {
            let lag = |k: usize| k * self.channels + channel;
            let past: [Terms; 3] = [
                vec![(lag(1), 1.0)],
                vec![(lag(1), 1.0), (lag(2), -1.0)],
                vec![(lag(1), 1.0), (lag(2), -2.0), (lag(3), 1.0)],
            ];
            all.extend(past.into_iter().take(form.order).map(|terms| Regressor {
                terms,
                of: Some(channel),
                own: false,
            }));
            let Some(first) = self.seasons[channel].filter(|_| form.seasonal) else {
                continue;
            };
            let [near, wide, near_before, wide_before] = [0, 1, 2, 3].map(|i| input + first + i);
            let seasonal: [Terms; 4] = [
                vec![(near, 1.0), (near_before, -1.0)],
                vec![(near_before, 1.0), (lag(1), -1.0)],
                vec![(wide, 1.0), (wide_before, -1.0)],
                vec![(wide_before, 1.0), (near_before, -1.0)],
            ];
            all.extend(seasonal.into_iter().map(|terms| Regressor {
                terms,
                of: Some(channel),
                own: true,
            }));
        }
        all.extend((0..self.actions).map(|action| Regressor {
            terms: vec![(input + action, 1.0)],
            of: None,
            own: false,
        }));
        all
    }
}
