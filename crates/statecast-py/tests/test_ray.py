"""Many series on several processes."""

import numpy as np
import pandas as pd
import pytest

import statecast
from statecast.ray import pandas_function


def table():
    dates = pd.date_range("2026-01-01", periods=60, freq="D")
    parts = [
        pd.DataFrame({"item_id": name, "timestamp": dates, "target": np.sin(0.4 * np.arange(60) + shift)})
        for name, shift in zip("abcdef", range(6), strict=True)
    ]
    df = pd.concat(parts, ignore_index=True)
    df.loc[(df.item_id == "c") & (df.timestamp == dates[7]), "target"] = np.nan
    return df


def sorted_(df):
    return df.sort_values(["item_id", "timestamp"]).reset_index(drop=True)


def test_one_series_that_fails_costs_no_other():
    found = pandas_function(4, options={"experts": "ar"})(table())
    wrong = found[found.error != ""]
    assert wrong.item_id.tolist() == ["c"] and "nan" in wrong.error.iloc[0]
    assert (found.groupby("item_id").size()[list("abdef")] == 4).all()


def test_ray_gives_what_one_process_gives():
    ray = pytest.importorskip("ray")
    import statecast.ray

    try:
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, ignore_reinit_error=True)
    except Exception as error:
        pytest.skip(f"no local Ray can be started here: {error}")
    try:
        dataset = ray.data.from_pandas(table()).repartition(4)
        found = statecast.ray.forecast(dataset, 4, options={"experts": "ar"}, concurrency=2).to_pandas()
    finally:
        ray.shutdown()
    alone = statecast.Forecaster(experts="ar").predict_df(table()[lambda df: df.item_id != "c"], 4)
    found = sorted_(found[found.error == ""])
    assert np.allclose(found["0.9"].astype(float), sorted_(alone)["0.9"])


def test_dask_takes_the_same_function():
    dask = pytest.importorskip("dask.dataframe")
    function = pandas_function(4, options={"experts": "ar"})
    parts = dask.from_pandas(table(), npartitions=1)
    found = parts.map_partitions(function, meta=function(table().iloc[:60]).iloc[:0]).compute(scheduler="threads")
    assert len(found) == 5 * 4 + 1
