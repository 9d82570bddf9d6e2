"""Densities of regressions that read the calendar, by batch algebra in NumPy and Python's datetime: python tests/golden/make_calendar.py [--out FOLDER]

Workdays with holes over the end of a leap February, hours over a change to summer time in UTC, months, and days of two years. The
posterior of a row is that of all rows before it in closed form, as in make_univariate.py. Writes calendar.json.
"""

import argparse
import calendar
import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from scipy.stats import t as student

from make_univariate import INTERCEPT, KEPT, MIDDLE, UNSCORED, Regression, weighted

MEAN_MONTH = 30.44


def waves(count, share):
    return [f(2 * np.pi * k * share) for k in range(1, count + 1) for f in (np.cos, np.sin)]


def workdays_of(moment):
    days = calendar.monthrange(moment.year, moment.month)[1]
    return sum(datetime(moment.year, moment.month, day + 1).weekday() < 5 for day in range(days))


def features(moment, cycles):
    """`cycles`: harmonics of the day and the year, and which of week, month and months are read."""
    midnight = moment.replace(hour=0, minute=0, second=0)
    of_day = (moment - midnight) / timedelta(days=1)
    days = calendar.monthrange(moment.year, moment.month)[1]
    start = datetime(moment.year, 1, 1)
    of_year = (moment - start) / (datetime(moment.year + 1, 1, 1) - start)
    found = [1.0, *waves(cycles["day"], of_day)]
    if cycles["week"]:
        found += [float(moment.weekday() == day) for day in range(7)]
        found += [(moment.weekday() >= 5) * wave for wave in waves(min(cycles["day"], 3), of_day)]
    if cycles["month"]:
        found += waves(2, (moment.day - 1) / days)
    if cycles["months"]:
        found += waves(6, (moment.month - 1) / 12)
        found += [days - MEAN_MONTH, workdays_of(moment) - MEAN_MONTH * 5 / 7]
    else:
        found += waves(cycles["year"], of_year)
    return np.array(found)


def alike(moment, cycles):
    before = [timedelta(days=1)] * (cycles["day"] > 0) + [timedelta(days=7)] * cycles["week"]
    found = [moment - time for time in before]
    if cycles["months"]:
        found.append(moment.replace(year=moment.year - 1))
    elif cycles["year"]:
        found.append(moment - timedelta(days=364))
    return found


class Known(Regression):
    """Of values around the middle (`base` 0) or of steps (`base` 1)."""

    def __init__(self, base, order, moments, cycles, middle):
        super().__init__(base, [*range(1, order + 1)], order, middle)
        self.moments, self.cycles = moments, cycles
        self.of_row = [features(moment, cycles) for moment in moments]
        places = {moment: row for row, moment in enumerate(moments)}
        self.alike = [[places.get(m) for m in alike(moment, cycles)] for moment in moments]
        self.known = {}
        self.prior = np.zeros(len(self.features(np.full(self.first, middle))))
        self.known.clear()

    def features(self, y):
        row = len(y)
        if row in self.known:
            return self.known[row]
        found = self.of_row[row]
        if self.base:
            found = found - self.of_row[row - 1]
        else:
            found = np.append(found, [0.0 if r is None else y[r] - self.middle for r in self.alike[row]])
        lags = [self.difference(y, lag) if lag + self.base <= row else 0.0 for lag in self.lags]
        self.known[row] = np.array([*lags, INTERCEPT, *found])
        return self.known[row]


def case(name, form, moments, cycles, values, begin):
    logarithms = form.startswith("log-")
    read = (lambda x: MIDDLE * np.log(x / MIDDLE)) if logarithms else (lambda x: x)
    y = read(values)
    base = int(form.endswith("ari"))
    regressions = [Known(base, order, moments, cycles, 0.0 if logarithms else MIDDLE) for order in (1, 3)]
    scores = np.zeros(len(regressions))
    start = max(r.first for r in regressions) + UNSCORED
    rows = []
    for t in range(len(y)):
        found = weighted(regressions, scores, y[:t])
        if found and t > begin and t % 7 == 0:
            edges = np.round(values[t] + np.array([-0.4, 0.0, 0.4]), 2)
            below = sum(w * student.cdf((read(edges) - m) / s, v) for _, (m, s, v), w in found)
            rows.append({"row": t, "positions": edges.tolist(), "below": below.tolist()})
        if t >= start:
            for i, r in enumerate(regressions):
                location, scale, freedom = r.law(y[:t])
                score = student.logpdf((y[t] - location) / scale, freedom) - np.log(scale)
                scores[i] = KEPT * scores[i] + score
    return {"name": name, "form": form, "rows": rows}


def series():
    """Name: moments, rows ahead of which are not in the recording, cycles that they show."""
    none = {"day": 0, "week": False, "month": False, "year": 0, "months": False}
    day, hour = timedelta(days=1), timedelta(hours=1)
    work = [datetime(2023, 10, 30) + k * day for k in range(220)]
    work = [m for m in work if m.weekday() < 5 and m.day not in (9, 17)]
    hours = [datetime(2024, 3, 20) + k * hour for k in range(404)]
    months = [datetime(2021 + k // 12, k % 12 + 1, 1) for k in range(44)]
    days = [datetime(2023, 3, 1) + k * day for k in range(704)]
    return {
        "workdays": (work, none | {"week": True, "month": True}),
        "hours": (hours, none | {"day": 8, "week": True}),
        "months": (months, none | {"year": 6, "months": True}),
        "days": (days, none | {"week": True, "month": True, "year": 3}),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    random = np.random.default_rng(5)
    found = []
    for name, (moments, cycles) in series().items():
        seen = moments[:-4]
        effect = np.array([features(m, cycles) for m in seen])
        effect = effect @ random.normal(0, 0.3, effect.shape[1]) + 0.2 * random.standard_normal(len(seen))
        # Far enough from the ends of the axis, where densities are cut off.
        values = np.round(3.5 + 3 * (effect - effect.min()) / np.ptp(effect), 6)
        forms = ["calendar", "log-calendar-ari"] if name == "months" else ["calendar", "calendar-ari"]
        cases = [case(name, form, seen, cycles, values, len(seen) * 3 // 4) for form in forms]
        ahead = [m.isoformat() for m in moments[-4:]]
        found.append({"times": [m.isoformat() for m in seen], "ahead": ahead, "values": values.tolist(), "cases": cases})
    (parser.parse_args().out / "calendar.json").write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
