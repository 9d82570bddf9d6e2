"""Forecasters under the interfaces of other packages, against these packages."""

import numpy as np
import pandas as pd
import pytest

import statecast

WAVE = np.sin(0.4 * np.arange(96))


def test_sktime_finds_no_fault():
    pytest.importorskip("sktime")
    from sktime.utils.estimator_checks import check_estimator

    from statecast.adapters.sktime import StatecastForecaster

    results = check_estimator(StatecastForecaster, raise_exceptions=False, verbose=False)
    failed = {name: result for name, result in results.items() if result != "PASSED"}
    assert not failed and len(results) > 100


def test_sktime_forecasts_intervals():
    pytest.importorskip("sktime")
    from statecast.adapters.sktime import StatecastForecaster

    series = pd.Series(WAVE, index=pd.period_range("2020-01", periods=96, freq="M"))
    forecaster = StatecastForecaster(experts="ar").fit(series, fh=[1, 3])
    found = forecaster.predict()
    assert list(found.index.astype(str)) == ["2028-01", "2028-03"]
    assert np.allclose(found, np.sin(0.4 * np.array([96, 98])), atol=0.1)
    interval = forecaster.predict_interval(coverage=0.9)
    assert (interval.iloc[:, 0] <= interval.iloc[:, 1]).all()


def test_darts_forecasts_with_covariates():
    pytest.importorskip("darts")
    from darts import TimeSeries

    from statecast.adapters.darts import StatecastModel

    random = np.random.default_rng(0)
    push = random.uniform(-1, 1, 106)
    x = np.zeros(106)
    for t in range(105):
        x[t + 1] = 0.5 * x[t] + push[t]
    series, covariates = TimeSeries.from_values(x[:100]), TimeSeries.from_values(push)
    model = StatecastModel(experts="linear").fit(series, future_covariates=covariates)
    assert np.allclose(model.predict(6).values()[:, 0], x[100:], atol=0.1)
    assert model.predict(6, num_samples=50).n_samples == 50
    plain = StatecastModel(experts="ar").fit(TimeSeries.from_values(WAVE))
    history = plain.historical_forecasts(TimeSeries.from_values(WAVE), start=0.9, forecast_horizon=2, retrain=True)
    assert len(history) > 3


def test_gluonts_evaluates_it():
    pytest.importorskip("gluonts")
    from gluonts.dataset.common import ListDataset
    from gluonts.evaluation import Evaluator, make_evaluation_predictions

    from statecast.adapters.gluonts import StatecastPredictor

    dataset = ListDataset([{"start": "2026-01-01", "target": WAVE}, {"start": "2026-01-01", "target": WAVE[:60]}], freq="D")
    predictor = StatecastPredictor(6, options={"experts": "ar"})
    forecasts, observed = make_evaluation_predictions(dataset, predictor, num_samples=50)
    scores, _ = Evaluator(num_workers=0)(observed, forecasts)
    assert scores["MASE"] < 0.3
    both = ListDataset([{"start": "2026-01-01", "target": np.stack([WAVE, -WAVE])}], freq="D", one_dim_target=False)
    assert next(iter(predictor.predict(both))).samples.shape == (100, 6, 2)


def test_streams_are_followed():
    from statecast.adapters.streaming import StreamForecaster

    stream = StreamForecaster(experts="ar", samples=50)
    with pytest.raises(statecast.StatecastError, match="fit"):
        stream.predict()
    stream.partial_fit(WAVE[:80])
    for t in range(80, 90):
        assert abs(stream.predict()[0, 0] - WAVE[t]) < 0.1
        stream.partial_fit(WAVE[t])
    assert stream.n_rows_ == 90 and stream.predict_quantiles([0.1, 0.9], 3).shape == (2, 3, 1)
    usual = stream.score_samples(WAVE[90])
    assert stream.score_samples([3.0])[0] < usual[0] - 3
    sklearn = pytest.importorskip("sklearn.base")
    assert sklearn.clone(stream).get_params() == stream.get_params()


def test_fev_scores_a_task_on_local_data(tmp_path):
    fev = pytest.importorskip("fev")
    from statecast.adapters.fev import StatecastModel

    random = np.random.default_rng(0)
    rows = []
    for name in ("a", "b"):
        push = random.uniform(-1, 1, 80)
        x = np.zeros(80)
        for t in range(79):
            x[t + 1] = 0.5 * x[t] + push[t]
        dates = pd.date_range("2026-01-01", periods=80, freq="D")
        rows.append({"id": name, "timestamp": list(dates), "target": x, "push": push})
    path = tmp_path / "series.parquet"
    pd.DataFrame(rows).to_parquet(path)
    task = fev.Task(
        dataset_path=str(path), horizon=5, num_windows=2, eval_metric="SQL", quantile_levels=[0.1, 0.5, 0.9],
        known_dynamic_columns=["push"],
    )
    model = StatecastModel(experts="linear")
    summary = task.evaluation_summary(model.fit_predict(task), model_name="statecast")
    blind = StatecastModel(experts="persistence")
    worse = task.evaluation_summary(blind.fit_predict(task), model_name="persistence")
    assert summary["test_error"] < 0.2 * worse["test_error"] and model.inference_time > 0
