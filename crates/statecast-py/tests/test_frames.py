"""Series in pandas tables."""

import numpy as np
import pandas as pd
import pytest

import statecast
from statecast.frames import continued


def series(rows=80):
    parts = []
    for name, shift in (("a", 0.0), ("b", 1.0)):
        t = np.arange(rows)
        dates = pd.date_range("2026-01-01", periods=rows, freq="h")
        parts.append(pd.DataFrame({"item_id": name, "timestamp": dates, "target": np.sin(0.4 * t + shift)}))
    return pd.concat(parts, ignore_index=True)


def test_every_series_is_forecast(linear):
    df = series()
    found = linear.predict_df(df.sample(frac=1, random_state=0), 6, quantile_levels=[0.1, 0.5, 0.9])
    assert list(found.columns) == ["item_id", "timestamp", "target_name", "predictions", "0.1", "0.5", "0.9"]
    assert len(found) == 12 and (found["0.1"] <= found["0.9"]).all()
    of_a = found[found.item_id == "a"]
    assert of_a.timestamp.iloc[0] == pd.Timestamp("2026-01-04 08:00")
    assert np.abs(of_a.predictions - np.sin(0.4 * np.arange(80, 86))).max() < 0.1
    # A series is forecast as it is alone.
    alone = linear.predict_df(df[df.item_id == "b"], 6)
    assert np.allclose(alone.predictions, found[found.item_id == "b"].predictions)


def test_covariates_known_beforehand_are_actions(linear):
    random = np.random.default_rng(0)
    promotion = random.integers(0, 2, 86).astype(float)
    sales = np.zeros(86)
    for t in range(85):
        sales[t + 1] = 0.5 * sales[t] + promotion[t]
    dates = pd.date_range("2026-01-01", periods=86, freq="D")
    everything = pd.DataFrame({"item_id": 1, "timestamp": dates, "target": sales, "promotion": promotion})
    ahead = everything.iloc[80:][["item_id", "timestamp", "promotion"]]
    found = linear.predict_df(everything.iloc[:80], 6, future_df=ahead)
    assert np.abs(found.predictions.to_numpy() - sales[80:]).max() < 0.1
    for wrong, said in [
        (ahead.iloc[1:], "5 rows"),
        (ahead.assign(timestamp=ahead.timestamp + pd.Timedelta(days=1)), "follow"),
        (ahead.assign(target=0.0), "target"),
        (ahead.assign(price=0.0), "price"),
    ]:
        with pytest.raises(statecast.StatecastError, match=said):
            linear.predict_df(everything.iloc[:80], 6, future_df=wrong)


def test_faults_name_the_series(linear):
    df = series()
    for wrong, said in [
        (df.assign(target=df.target.mask(df.index == 85)), "series b: .*nan"),
        (pd.concat([df, df.iloc[[3]]]), "series a: .*several rows"),
        (df.drop(index=50), "series a: .*regular"),
        (df.drop(columns="target"), "no column target"),
        (df.assign(target="x"), "series a: "),
        (df.assign(timestamp=df.timestamp.dt.strftime("%d/%m/%Y %H:%M")), "to_datetime"),
        (df.assign(timestamp=np.tile(np.arange(80) ** 2, 2)), "series a: .*regular"),
        (df.iloc[:0], "no series"),
    ]:
        with pytest.raises(statecast.StatecastError, match=said):
            linear.predict_df(wrong, 4)


def test_indices_are_continued():
    months = pd.date_range("2025-10-31", periods=4, freq="ME")
    assert list(continued(months, 2)) == [pd.Timestamp("2026-02-28"), pd.Timestamp("2026-03-31")]
    assert list(continued(pd.period_range("2025Q1", periods=3, freq="Q"), 1).astype(str)) == ["2025Q4"]
    assert list(continued(pd.RangeIndex(10, 20, 2), 2)) == [20, 22]
    assert list(continued(pd.Index([0.5, 1.0, 1.5]), 2)) == [2.0, 2.5]
