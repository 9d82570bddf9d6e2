"""Bayesian linear regressions of all channels on the rows before and the actions: linear and quadratic."""

import numpy as np

from .law import NOISE_RATE, NOISE_SHAPE, Law, best

LINEAR_RIDGES, QUADRATIC_RIDGES = (1e-4, 0.1), (1e-3, 0.1, 10.0)
MOST_VARIABLES = 24  # whose products enter the quadratic regression: 300 products
FIRST_CHOICE, CHOICE_RIDGE = 32, 0.1  # row from which on they are chosen; ridge of the linear model behind it


class Regressions:
    """Regressions [windows] of the channels on the same features by several ridges, each with the prior "level"
    (weights zero) and the prior "persistence" (weight one on the channel's own last value, feature number c of
    channel c). Conjugate normal and inverse gamma (Gelman et al., Bayesian Data Analysis, chapter 14).
    """

    def __init__(self, windows, channels, features, ridges):
        k = len(ridges)
        self.covariance = np.tile(np.eye(features), (windows, k, 1, 1)) / np.reshape(ridges, (k, 1, 1))
        self.weights = np.zeros((windows, k, 2, channels, features))
        self.weights[:, :, 1, np.arange(channels), np.arange(channels)] = 1
        self.shape = np.full((windows, channels), NOISE_SHAPE)
        self.rate = np.full((windows, k, 2, channels), NOISE_RATE)

    def law(self, features, known):
        """Candidates [windows, 2 ridges, channels], ridge by ridge."""
        self.features = features
        self.spread = (self.covariance @ features[:, None, :, None])[..., 0]
        self.leverage = 1 + np.maximum(0, (features[:, None] * self.spread).sum(-1))
        n, k, _, channels, d = self.weights.shape
        flat = self.weights.reshape(n, k * 2 * channels, d)
        self.location = (flat @ features[:, :, None]).reshape(n, k, 2, channels)
        shape = self.shape[:, None, None]
        scale = np.sqrt(self.rate / shape * self.leverage[:, :, None, None])
        freedom = np.broadcast_to(2 * shape, scale.shape)
        known = np.broadcast_to(known[:, None, None, None], scale.shape)
        return Law(*(part.reshape(n, 2 * k, channels) for part in (self.location, scale, freedom, known)))

    def learn(self, x, usable, observed):
        """Learns the row that the last law was of; rows that are not usable, channels not observed, are not."""
        counts = usable[:, None] & observed
        leverage = self.leverage[:, :, None, None]
        error = np.where(counts[:, None, None], x[:, None, None] - self.location, 0)
        step = error / leverage
        self.weights += step[..., None] * self.spread[:, :, None, None]
        self.rate += 0.5 * error * step
        self.shape += 0.5 * counts
        scaled = self.spread * (usable[:, None] / self.leverage)[..., None]
        self.covariance -= scaled[..., None] * self.spread[..., None, :]


class Linear:
    """Every channel on all channels of the last one or two rows, the actions of the last row and an intercept."""

    def __init__(self, windows, channels, actions):
        one, two = channels + actions + 1, 2 * channels + actions + 1
        self.one = Regressions(windows, channels, one, LINEAR_RIDGES)
        self.two = Regressions(windows, channels, two, LINEAR_RIDGES)
        self.scores = np.zeros((windows, 4 * len(LINEAR_RIDGES), channels))

    def law(self, past):
        one = np.ones((len(past.last), 1))
        laws = (
            self.one.law(np.concatenate([past.last, past.actions, one], 1), past.age >= 1),
            self.two.law(np.concatenate([past.last, past.row(-2), past.actions, one], 1), past.age >= 2),
        )
        parts = zip(*((law.location, law.scale, law.freedom, law.known) for law in laws))
        self.candidates = Law(*(np.concatenate(part, 1) for part in parts))
        return best(self.candidates, self.scores)

    def learn(self, past, x, observed):
        counts = (past.age >= 2)[:, None, None] & observed[:, None]
        self.scores += np.where(counts, self.candidates.log_score(x[:, None]), 0)
        self.one.learn(x, past.age >= 1, observed)
        self.two.learn(x, past.age >= 2, observed)


class Choice:
    """Which variables of each window enter products, where there are too many: from row 32 on those that count most
    in a linear model of all channels, by the size of their weights times their standard deviation, summed over
    channels; chosen anew whenever the rows have doubled.
    """

    def __init__(self, windows, channels, variables):
        self.chosen = np.tile(np.arange(MOST_VARIABLES), (windows, 1))
        self.linear = Regressions(windows, channels, variables + 1, (CHOICE_RIDGE,))
        self.sums, self.squares = np.zeros((windows, variables)), np.zeros((windows, variables))
        self.rows = np.zeros((windows, 1))
        self.open = True  # a path keeps the choice of its context

    def learn(self, variables, x, usable, observed):
        self.linear.law(np.concatenate([variables, np.ones((len(variables), 1))], 1), usable)
        self.linear.learn(x, usable, observed)
        seen = np.where(usable[:, None], variables, 0)
        self.sums, self.squares = self.sums + seen, self.squares + seen**2
        self.rows = self.rows + usable[:, None]

    def best(self):
        rows = np.maximum(self.rows, 1)
        spread = np.sqrt(np.maximum(self.squares / rows - (self.sums / rows) ** 2, 0))
        sizes = np.abs(self.linear.weights[:, 0, 0, :, :-1]).sum(1) * spread
        return np.sort(np.argsort(-sizes, 1, kind="stable")[:, :MOST_VARIABLES], 1)


class Quadratic:
    """The regression on products of the channels and actions of the last row, too."""

    def __init__(self, windows, channels, actions):
        self.channels, self.actions = channels, actions
        variables = channels + actions
        self.choice = Choice(windows, channels, variables) if variables > MOST_VARIABLES else None
        self.pairs = np.triu_indices(min(variables, MOST_VARIABLES))
        self.begin(windows)

    def begin(self, windows):
        features = self.channels + self.actions + len(self.pairs[0]) + 1
        self.fits = Regressions(windows, self.channels, features, QUADRATIC_RIDGES)
        self.scores = np.zeros((windows, 2 * len(QUADRATIC_RIDGES), self.channels))

    def features(self, variables):
        units = np.where(np.arange(variables.shape[1]) < self.channels, 3.0, 1.0)
        factors = variables / units
        if self.choice:
            factors = np.take_along_axis(factors, self.choice.chosen, 1)
        products = factors[:, self.pairs[0]] * factors[:, self.pairs[1]]
        return np.concatenate([variables, products, np.ones((len(variables), 1))], 1)

    def law(self, past):
        doubled = past.count >= FIRST_CHOICE and past.count & (past.count - 1) == 0
        if doubled and self.choice and self.choice.open:
            self.choose(past)
        variables = np.concatenate([past.last, past.actions], 1)
        self.candidates = self.fits.law(self.features(variables), past.age >= 1)
        return best(self.candidates, self.scores)

    def learn(self, past, x, observed):
        usable = past.age >= 1
        self.learn_row(x, usable, observed)
        if self.choice and self.choice.open:
            variables = np.concatenate([past.last, past.actions], 1)
            self.choice.learn(variables, x, usable, observed)

    def keep_choice(self):
        if self.choice:
            self.choice.open = False

    def learn_row(self, x, usable, observed):
        counts = usable[:, None, None] & observed[:, None]
        self.scores += np.where(counts, self.candidates.log_score(x[:, None]), 0)
        self.fits.learn(x, usable, observed)

    def choose(self, past):
        """Chooses variables anew and, where they changed, fits all rows again."""
        chosen = self.choice.best()
        if np.array_equal(chosen, self.choice.chosen):
            return
        self.choice.chosen = chosen
        self.begin(len(chosen))
        rows = past.recent(past.count)
        x, before, acts, ages = past.x(rows), past.x(rows, -1), past.u(rows, -1), past.ages(rows)
        seen = np.ones(x[:, 0].shape, bool)
        for t in range(1, past.count):
            variables = np.concatenate([before[:, t], acts[:, t]], 1)
            self.candidates = self.fits.law(self.features(variables), ages[:, t] >= 1)
            self.learn_row(x[:, t], ages[:, t] >= 1, seen)
