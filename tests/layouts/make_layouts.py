"""Small recordings as other programs write them, and what each of them says.

Writes the files beside it, `layouts.json` with what a reader must find, and the table of docs/formats.md. All hold the
same simulated swing of a pendulum, so that no one's data is copied. Needs h5py, pandas, pyarrow, scipy and zstandard.

    python tests/layouts/make_layouts.py [FOLDER]

With a folder, the files are written there, and no page is changed.
"""

import decimal
import gzip
import io
import json
import pathlib
import sys
import zipfile

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import scipy.io
import zstandard

ROOT = pathlib.Path(__file__).parent.parent.parent
HERE = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent
sys.path.insert(0, str(ROOT / "bench"))

from document import put  # noqa: E402

ROWS = 16
found = []


def swing(rows=ROWS, phase=0.0):
    """Angle, speed and torque of a pendulum, in three digits."""
    x, v, values = 0.5 + phase, 0.0, []
    for t in range(rows):
        u = round(np.sin(0.7 * t + phase), 3)
        values.append((round(x, 3), round(v, 3), u))
        v += 0.1 * (u - 2 * np.sin(x))
        x += 0.1 * v
    return np.array(values)


X, V, U = swing().T
T = np.round(0.05 * np.arange(ROWS), 2)
DAYS = pd.date_range("2024-01-25", periods=ROWS)
REWARD = np.round(-X**2, 3)


def layout(name, writer, *, states, values, actions=(), reward=False, lengths=(ROWS,), time=None, final=None, **options):
    """Notes what a file holds: names, and the first and the last row of the states of the first episode."""
    values = np.asarray(values, float)
    values = values.reshape(len(values), -1)
    first, last = values[0].tolist(), values[lengths[0] - 1].tolist()
    entry = {"file": name, "writer": writer, "states": list(states), "actions": list(actions), "reward": reward}
    entry |= {"lengths": list(lengths), "first": first, "last": last, "time": time}
    entry |= {"final": None if final is None else np.asarray(final, float).tolist()} | options
    assert not any(known["file"] == name for known in found), name
    found.append(entry)
    path = HERE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def text(name, writer, content, *, newline="\n", charset="utf-8", **expected):
    content = content.replace("\n", newline)
    layout(name, writer, **expected).write_bytes(content.encode(charset))


def table(columns, sep=",", number=str):
    return "\n".join([sep.join(number(x) for x in row) for row in zip(*columns)]) + "\n"


def comma(number):
    return str(number).replace(".", ",")


XV = np.stack([X, V], 1)
BOTH = {"states": ["x", "v"], "values": XV}
TIMED = BOTH | {"time": "t"}
STEPS = {"states": ["obs_x", "obs_v"], "values": XV, "actions": ["act_u"], "reward": True}


PADDED = {"states": ["observations_0", "observations_1"], "actions": ["actions_0", "actions_1"], "values": XV, "lengths": [10, ROWS, 7]}


def padded():
    """Three episodes of several lengths with zeros behind them, and the lengths."""
    lengths = np.array(PADDED["lengths"])
    inside = np.arange(ROWS) < lengths[:, None]
    swings = np.where(inside[..., None], XV, 0.0)
    return {"observations": swings, "actions": np.where(inside[..., None], np.stack([U, -U], 1), 0.0), "lengths": lengths}, inside


def plain_text():
    frame = pd.DataFrame({"t": T, "x": X, "v": V})
    text("pandas_index.csv", "pandas `to_csv()`", frame.to_csv(), **TIMED)
    text("pandas.csv", "pandas `to_csv(index=False)`", frame.to_csv(index=False), **TIMED)
    text("pandas_european.csv", "pandas `to_csv(sep=';', decimal=',')`", frame.to_csv(sep=";", decimal=",", index=False), **TIMED)
    text("pandas_print.txt", "pandas `to_string()`", frame.to_string() + "\n", **TIMED)
    body = table([T, X, V], ";", comma)
    text("excel_german.csv", "Excel, German, with `sep=;`", "sep=;\nt;x;v\n" + body, newline="\r\n", charset="utf-8-sig", **TIMED)
    text("excel_utf8.csv", "Excel, CSV UTF-8", "t,x,v\n" + table([T, X, V]), newline="\r\n", charset="utf-8-sig", **TIMED)
    text("excel_unicode.txt", "Excel, Unicode text (UTF-16)", "t\tx\tv\n" + table([T, X, V], "\t"), newline="\r\n", charset="utf-16", **TIMED)
    text("excel_macintosh.csv", "Excel for Mac of old (CR)", "t,x,v\n" + table([T, X, V]), newline="\r", **TIMED)
    text("tabs.tsv", "tab-separated values", "t\tx\tv\n" + table([T, X, V], "\t"), **TIMED)
    numbers = [f'"{i + 1}"' for i in range(ROWS)]
    text("r_write_csv.csv", "R `write.csv`", '"","t","x","v"\n' + table([numbers, T, X, V]), **TIMED)
    text("r_write_table.txt", "R `write.table`", '"t" "x" "v"\n' + table([numbers, T, X, V], " "), **TIMED)
    text("matlab_writetable.csv", "MATLAB `writetable`", "t,x,v\n" + table([T, X, V], ",", lambda x: f"{x:.15g}"), **TIMED)
    ascii_rows = "".join("".join(f"{x:16.7e}" for x in row) + "\n" for row in np.stack([X, V], 1))
    text("matlab_ascii.txt", "MATLAB `save -ascii`", ascii_rows, states=["c0", "c1"], values=XV)
    plain = io.StringIO()
    np.savetxt(plain, np.stack([X, V], 1))
    text("numpy_savetxt.txt", "NumPy `savetxt`", plain.getvalue(), states=["c0", "c1"], values=XV)
    named = io.StringIO()
    np.savetxt(named, np.stack([T, X, V], 1), delimiter=",", header="t,x,v")
    text("numpy_savetxt_header.csv", "NumPy `savetxt(header=...)`", named.getvalue(), **TIMED)
    text("rostopic.csv", "ROS 1 `rostopic echo -p`", "%time,field.x,field.v\n" + table([(1e9 * T).astype(int), X, V]),
         states=["field.x", "field.v"], values=XV, time="time")
    text("gnuplot.dat", "gnuplot data", "# a swing\n# t  x  v\n" + "".join(f"{t:<8}{x:<8}{v}\n" for t, x, v in zip(T, X, V)), **TIMED)
    text("gromacs.xvg", "GROMACS XVG", '# made by hand\n@    title "swing"\n@ s0 legend "x"\n' + "".join(f"{x:10.4f}  {v:10.4f}\n" for x, v in XV),
         states=["c0", "c1"], values=XV)
    text("units_below.txt", "Origin, a line of units", "Time\tx\tv\ns\trad\trad/s\n" + table([T, X, V], "\t"), **BOTH, time="Time")
    text("units_in_brackets.csv", "logger, units in brackets", "Time [s],x [rad],v [rad/s]\n" + table([T, X, V]),
         states=["x [rad]", "v [rad/s]"], values=XV, time="Time [s]")
    text("campbell_toa5.dat", "Campbell Scientific TOA5",
         '"TOA5","CR1000","CR1000","1234","CR1000.Std","CPU:a.CR1","5","Table1"\n"TIMESTAMP","RECORD","x","v"\n"TS","RN","rad","rad/s"\n"","","Smp","Avg"\n'
         + table([[f'"{d}"' for d in DAYS], range(ROWS), X, V]), **BOTH, time="TIMESTAMP")
    text("oscilloscope.csv", "oscilloscope, lines before the table",
         "Model,MSO64B\nFirmware Version,1.2\nSample Interval,5e-02\nRecord Length,16\n\nTIME,CH1,CH2\n" + table([T, X, V]), states=["CH1", "CH2"], values=XV, time="TIME")
    text("instrument.csv", "instrument, sentences before the table", "Measurement of a swing\nOperator: nobody\nt,x,v\n" + table([T, X, V]), **TIMED)
    text("yfinance.csv", "yfinance, three lines of names", "Price,Close,High\nTicker,A,A\nDate,,\n" + table([DAYS.strftime("%Y-%m-%d"), X, V]),
         states=["Close", "High"], values=XV, time="Price")
    text("comma_in_names.csv", "names that hold commas", '"t, s","x, rad","v, rad/s"\n' + table([T, X, V]),
         states=["x, rad", "v, rad/s"], values=XV, choose=["x, rad", "v, rad/s"])
    text("latin1.csv", "old Windows program, with `--encoding latin1`", "Zeit;Winkel in °;Größe\n" + table([T, X, V], ";", comma),
         charset="latin-1", states=["Winkel in °", "Größe"], values=XV, encoding="latin1", time="Zeit")
    text("psql.txt", "PostgreSQL, vertical bars", "t|x|v\n" + table([T, X, V], "|"), **TIMED)
    text("mysql.txt", "MySQL client", "t\tx\tv\tremark\n" + table([T, X, V, ["NULL"] * ROWS], "\t"), **TIMED)
    big = 1000 * (X + 2)
    text("thousands.csv", "spreadsheet, thousands with commas", "t,x\n" + "".join(f'{t},"{b:,.1f}"\n' for t, b in zip(T, big)), states=["x"], values=np.round(big, 1), time="t")
    german = [f"{b:,.1f}".translate(str.maketrans(",.", ".,")) for b in big]
    text("thousands_german.csv", "spreadsheet, German thousands", "t;x\n" + table([[comma(t) for t in T], german], ";"), states=["x"], values=np.round(big, 1), time="t")
    text("grafana.csv", "Grafana", '"Time","x","v"\n' + table([[f'"{d}"' for d in DAYS], X, V]), **BOTH, time="Time")
    text("openmodelica.csv", "OpenModelica", '"time","x","der(x)"\n' + table([T, X, V]), states=["x", "der(x)"], values=XV, time="time")
    text("wandb.csv", "Weights & Biases", '"Step","a - loss","a - loss__MIN","a - loss__MAX"\n' + table([range(ROWS), X, X, X], ",", lambda x: f'"{x}"'),
         states=["a - loss"], values=X, time="Step")
    text("monitor.csv", "Stable-Baselines3 `monitor.csv`", '#{"t_start": 1.0, "env_id": "Pendulum-v1"}\nr,l,t\n' + table([X, [200] * ROWS, T]),
         states=["r", "l"], values=np.stack([X, np.full(ROWS, 200)], 1), time="t")
    text("fred.csv", "FRED", "observation_date,GDP\n" + table([pd.date_range("2020-01-01", periods=ROWS, freq="MS").strftime("%Y-%m-%d"), X]),
         states=["GDP"], values=X, time="observation_date")
    hours = pd.date_range("2024-01-31 12:50", periods=ROWS, freq="h")
    rows = [f"{time:%Y %m %d %H %M} {x:6.3f} {v:6.3f}    MM" for time, x, v in zip(hours, X, V)]
    names = "#YY  MM DD hh mm   WSPD   WVHT   MWD\n#yr  mo dy hr mn    m/s      m  degT\n"
    text("ndbc.txt", "NDBC, the last 45 days of a buoy", names + "\n".join(rows[::-1]) + "\n", states=["WSPD", "WVHT"], values=XV, time="YY; MM; DD; hh; mm")
    text("newest_first.csv", "price history, newest first", "Date,Close\n" + table([DAYS.strftime("%m/%d/%Y")[::-1], X[::-1]]), states=["Close"], values=X, time="Date")
    text("nixtla.csv", "Nixtla, several series", "unique_id,ds,y\n" + "".join(f"{name},{d:%Y-%m-%d},{x}\n" for name in "ab" for d, x in zip(DAYS, X)),
         states=["y"], values=X, lengths=[ROWS, ROWS], time="ds")
    text("autogluon.csv", "AutoGluon", "item_id,timestamp,target\n" + "".join(f"{name},{d:%Y-%m-%d},{x}\n" for name in "ab" for d, x in zip(DAYS, X)),
         states=["target"], values=X, lengths=[ROWS, ROWS], time="timestamp")
    text("ett.csv", "ETT and other benchmarks", "date,HUFL,OT\n" + table([pd.date_range("2024-01-01", periods=ROWS, freq="h"), X, V]), states=["HUFL", "OT"], values=XV, time="date")
    text("arduino.csv", "serial log without a header", table([X, V]), states=["c0", "c1"], values=XV)
    text("gym_dataframe.csv", "DataFrame of a Gymnasium run, the last row without an action", "t,obs_x,obs_v,act_u,reward\n"
         + table([range(ROWS), X, V, [*U[:-1], ""], [*REWARD[:-1], ""]]), **STEPS | {"lengths": [ROWS - 1], "final": XV[-1]}, time="t")
    steps = "episode,t,obs_x,obs_v,act_u,reward,terminated,truncated\n"
    text("gym_steps.csv", "Gymnasium run, a row a step", steps + table([[0] * 8 + [1] * 8, [*range(8)] * 2, X, V, U, REWARD, [0] * ROWS, ([0] * 7 + [1]) * 2]),
         **STEPS | {"lengths": [8, 8]}, time="t")
    plain = ("t,x,v\n" + table([T, X, V])).encode()
    end = [0] * 7 + [1]
    rlds = [[1] + [0] * 7] * 2 + [end, end]
    rest = lambda values: [*values[:7], 0.0, *values[8:15], 0.0]
    text("rlds.csv", "RLDS time steps, the last of which hold no action", "is_first,is_last,obs_x,obs_v,act_u,reward\n"
         + table([rlds[0] + rlds[1], rlds[2] + rlds[3], X, V, rest(U), rest(REWARD)]), **STEPS | {"lengths": [7, 7], "final": XV[7]})
    text("vector_env.csv", "CleanRL, two environments in turn", "env_id,obs_x,obs_v,act_u,reward,done\n"
         + "".join(f"{e},{x},{v},{u},{r},{int(i % 8 == 7)}\n" for i, (x, v, u, r) in enumerate(zip(X, V, U, REWARD)) for e in range(2)),
         **STEPS | {"lengths": [8] * 4})
    text("binance.csv", "Binance candles", "open_time,open,close,close_time\n"
         + "".join(f"{1706140800000 + 60000 * i + i % 3},{x},{v},{1706140859999 + 60000 * i + i % 2}\n" for i, (x, v) in enumerate(zip(X, V))),
         states=["open", "close"], values=XV, time="open_time")
    text("eurostat.tsv", "Eurostat, with flags", "freq,unit,geo\\TIME_PERIOD\t" + "\t".join(f"{2000 + i} " for i in range(ROWS)) + "\n"
         + "".join(f"A,PC,{geo}\t" + "\t".join(f"{x}" + (" p" if i > 12 else " ") for i, x in enumerate(X)) + "\n" for geo in ("DE", "FR")),
         states=["value"], values=X, lengths=[ROWS, ROWS], time="time")
    layout("compressed.csv.gz", "`gzip`", **TIMED).write_bytes(gzip.compress(plain, mtime=0))
    layout("compressed.csv.zst", "`zstd`", **TIMED).write_bytes(zstandard.compress(plain))
    with zipfile.ZipFile(layout("compressed.zip", "Kaggle, a zip of one CSV", **TIMED), "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(zipfile.ZipInfo("run.csv"), plain)


def json_text():
    frame = pd.DataFrame({"t": T, "x": X, "v": V})
    lines = "".join(json.dumps(row) + "\n" for row in frame.to_dict("records"))
    text("records.jsonl", "JSON lines", lines, **TIMED)
    text("records_as.txt", "JSON lines under another ending", lines, **TIMED)
    layout("records.jsonl.gz", "JSON lines, `gzip`", **TIMED).write_bytes(gzip.compress(lines.encode(), mtime=0))
    text("pandas_records.json", "pandas `to_json(orient='records')`", frame.to_json(orient="records"), **TIMED)
    text("pandas_columns.json", "pandas `to_json()`", frame.to_json(), **TIMED)
    text("pandas_split.json", "pandas `to_json(orient='split')`", frame.to_json(orient="split"), **TIMED)
    text("pandas_table.json", "pandas `to_json(orient='table')`", frame.to_json(orient="table"), **TIMED)
    text("lists.json", "`json.dump` of a dict of lists", json.dumps({"t": T.tolist(), "x": X.tolist(), "v": V.tolist()}), **TIMED)
    text("web.json", "web service, records under a name", json.dumps({"status": "ok", "data": frame.to_dict("records")}, indent=1), **TIMED)
    seconds = [1706140800 + 15 * i for i in range(ROWS)]
    reply = [{"metric": {"__name__": "angle", "instance": name}, "values": [[t, str(x)] for t, x in zip(seconds, X)]} for name in "ab"]
    text("prometheus.json", "Prometheus, a range query", json.dumps({"status": "success", "data": {"resultType": "matrix", "result": reply}}),
         states=["value"], values=X, lengths=[ROWS, ROWS], time="time")
    days = {f"{d:%Y-%m-%d}": {"1. open": str(x), "4. close": str(v)} for d, x, v in zip(DAYS[::-1], X[::-1], V[::-1])}
    text("alpha_vantage.json", "Alpha Vantage, newest first", json.dumps({"Meta Data": {"2. Symbol": "A"}, "Time Series (Daily)": days}, indent=1),
         states=["1. open", "4. close"], values=XV, time="date")
    quotes = {"meta": {"symbol": "A"}, "timestamp": seconds, "indicators": {"quote": [{"open": X.tolist(), "close": V.tolist()}]}}
    text("yahoo_chart.json", "Yahoo, a chart", json.dumps({"chart": {"result": [quotes], "error": None}}),
         states=["open", "close"], values=XV, time="timestamp")
    rates = {f"{d:%Y-%m-%d}": {"USD": x, "GBP": v} for d, x, v in zip(DAYS, X, V)}
    text("exchange_rates.json", "Frankfurter, exchange rates", json.dumps({"base": "EUR", "rates": rates}), states=["USD", "GBP"], values=XV, time="date")
    series = [{"start": "2024-01-25", "freq": "D", "target": X.tolist(), "item_id": name, "feat_dynamic_real": [V.tolist()], "feat_static_cat": [i]}
              for i, name in enumerate(["a", "b"])]
    text("gluonts.jsonl", "GluonTS, a series a line", "".join(json.dumps(line) + "\n" for line in series),
         states=["target", "feat_dynamic_real_0"], values=XV, lengths=[ROWS, ROWS], time="time")
    hourly = {"time": pd.date_range("2024-01-25", periods=ROWS, freq="h").strftime("%Y-%m-%dT%H:%M").tolist(), "temperature_2m": X.tolist(), "rain": V.tolist()}
    text("open_meteo.json", "Open-Meteo, columns one level down", json.dumps({"latitude": 52.5, "elevation": 38.0, "hourly_units": {"time": "iso8601", "rain": "mm"}, "hourly": hourly}),
         states=["temperature_2m", "rain"], values=XV, time="time")
    text("values.json", "pandas `to_json(orient='values')`", json.dumps(XV.tolist()), states=["c0", "c1"], values=XV)
    episodes = 2 * [[{"obs": [x, v], "action": u} for x, v, u in swing()]]
    text("episodes.json", "a list of episodes of steps", json.dumps(episodes), states=["obs_0", "obs_1"], values=XV, actions=["action"], lengths=[ROWS, ROWS])
    batch = {"type": "SampleBatch", "obs": XV.tolist(), "actions": U.tolist(), "rewards": REWARD.tolist(), "eps_id": [3] * 8 + [4] * 8, "t": 2 * [*range(8)]}
    text("rllib.json", "RLlib JSON output", json.dumps(batch) + "\n", states=["obs_0", "obs_1"], values=XV, actions=["actions"],
         reward=True, lengths=[8, 8], time="t")
    rows = [{"step": i, "obs": [x, v], "action": [u], "info": {"power": u * u}} for i, (x, v, u) in enumerate(swing())]
    text("logger.jsonl", "logger, lists and objects in a line", "".join(json.dumps(row) + "\n" for row in rows),
         states=["obs_0", "obs_1"], values=XV, actions=["action_0"], time="step")
    arrays = {"observations": XV.tolist(), "actions": U[:-1, None].tolist(), "rewards": REWARD[:-1].tolist()}
    expected = {"states": ["observations_0", "observations_1"], "actions": ["actions_0"], "reward": True, "values": XV}
    text("run.json", "one run as a dict of lists", json.dumps(arrays), **expected, lengths=[ROWS - 1], final=XV[-1])
    text("episodes.jsonl", "an episode a line", 2 * (json.dumps(arrays) + "\n"), **expected, lengths=[ROWS - 1] * 2, final=XV[-1])


def numpy_files():
    steps = {"states": ["observations_0", "observations_1"], "actions": ["actions_0"], "reward": True, "values": XV}
    ends = np.zeros(ROWS, bool)
    ends[[7, 15]] = True
    np.savez_compressed(layout("d4rl.npz", "D4RL arrays", **steps, lengths=[8, 8]), observations=XV, actions=U[:, None], rewards=REWARD,
                        terminals=np.zeros(ROWS, bool), timeouts=ends)
    np.savez(layout("rollout.npz", "Gymnasium run, a state more than actions", **steps | {"lengths": [ROWS - 1], "final": XV[-1]}), observations=XV, actions=U[:-1, None],
             rewards=REWARD[:-1], terminations=np.zeros(ROWS - 1, bool))
    two = np.stack([XV, XV])
    np.savez(layout("rollouts.npz", "several runs of one length, a state more than actions", **steps | {"lengths": [ROWS - 1] * 2, "final": XV[-1]}), observations=two,
             actions=np.stack([U[:-1, None]] * 2), rewards=np.stack([REWARD[:-1]] * 2))
    np.savez(layout("steps_first.npz", "several environments, steps first, a state more", **steps | {"lengths": [ROWS - 1] * 2, "final": XV[-1]}),
             observations=two.transpose(1, 0, 2), actions=np.stack([U[:-1, None]] * 2, 1), rewards=np.stack([REWARD[:-1]] * 2, 1))
    long = np.concatenate([XV[:9], XV[:8]])
    flags = np.zeros(15, bool)
    flags[[7, 14]] = True
    np.savez(layout("joined_rollouts.npz", "runs one behind the other, each with a state more", **steps | {"lengths": [8, 7], "final": XV[8]}), observations=long,
             actions=np.concatenate([U[:8], U[:7]])[:, None], rewards=np.concatenate([REWARD[:8], REWARD[:7]]), dones=flags)
    np.savez(layout("padded.npz", "episodes padded by zeros, with their lengths", **PADDED), **padded()[0])
    starts = np.zeros(ROWS, bool)
    starts[[0, 8]] = True
    np.savez(layout("expert.npz", "Stable-Baselines expert data", states=["obs_0", "obs_1"], actions=["actions_0"], reward=True, values=XV, lengths=[8, 8]), obs=XV, actions=U[:, None],
             rewards=REWARD, episode_returns=np.array([1.0, 2.0]), episode_starts=starts)
    np.savez(layout("columns.npz", "NumPy `savez(t=..., x=...)`", **TIMED), t=T, x=X, v=V)
    np.savez(layout("control.npz", "control toolbox, a row for each state", states=["x_0", "x_1"], values=XV, actions=["u_0"], time="t"), t=T, x=XV.T, u=U[None, :])
    np.save(layout("array.npy", "NumPy `save`", states=["c0", "c1"], values=XV), XV)


def arrow_files():
    frame = pd.DataFrame({"date": DAYS, "x": X, "v": V})
    dated = BOTH | {"time": "date"}
    frame.to_parquet(layout("pandas.parquet", "pandas `to_parquet`", **dated))
    frame.set_index("date").to_parquet(layout("pandas_index.parquet", "pandas `to_parquet` with an index of dates", **dated))
    arrow = pa.table({"date": pa.array(DAYS.date, pa.date32()), "x": X, "v": V})
    pq.write_table(pa.table({"date": pa.array(DAYS), "x": X, "v": V}), layout("int96.parquet", "Hive and old Spark, times as INT96", **dated),
                   use_deprecated_int96_timestamps=True)
    pq.write_table(arrow, layout("dates.parquet", "DuckDB, dates and zstd", **dated), compression="zstd")
    money = pa.array([decimal.Decimal(str(x)) for x in X], pa.decimal128(12, 3))
    pq.write_table(pa.table({"date": pa.array(DAYS.date), "price": money}), layout("decimals.parquet", "SQL export, decimals", states=["price"], values=X, time="date"))
    nested = pa.table({"t": T, "pose": pa.array([{"x": x, "v": v} for x, v in XV])})
    pq.write_table(nested, layout("structs.parquet", "structs", states=["pose.x", "pose.v"], values=XV, time="t"))
    lists = {"observation.state": pa.array(XV.tolist(), pa.list_(pa.float32(), 2)), "action": pa.array(U[:, None].tolist(), pa.list_(pa.float32(), 1)),
             "timestamp": pa.array(T, pa.float32()), "frame_index": range(ROWS), "episode_index": [0] * ROWS, "index": range(ROWS), "task_index": [0] * ROWS}
    path = layout("lerobot/data/chunk-000/file-000.parquet", "LeRobot v3", states=["observation.state.angle", "observation.state.speed"],
                  values=XV.astype("f4"), actions=["action.torque"], time="timestamp")
    pq.write_table(pa.table(lists), path)
    info = {"codebase_version": "v3.0", "features": {
        "observation.state": {"dtype": "float32", "shape": [2], "names": {"motors": ["angle", "speed"]}},
        "action": {"dtype": "float32", "shape": [1], "names": ["torque"]}}}
    (HERE / "lerobot/meta").mkdir(exist_ok=True)
    (HERE / "lerobot/meta/info.json").write_text(json.dumps(info, indent=1) + "\n")
    variable = {"observation": pa.array(XV.tolist()), "action": pa.array(U[:, None].tolist()), "timestamp": T}
    pq.write_table(pa.table(variable), layout("lists.parquet", "lists in Parquet", states=["observation_0", "observation_1"], values=XV, actions=["action_0"], time="timestamp"))
    pa.feather.write_feather(frame, layout("pandas.feather", "pandas `to_feather` (LZ4)", **dated))
    pa.feather.write_feather(frame, layout("zstd.feather", "Feather with zstd", **dated), compression="zstd")
    with pa.OSFile(str(layout("file.arrow", "Arrow file", **dated)), "wb") as sink, pa.ipc.new_file(sink, arrow.schema) as writer:
        writer.write_table(arrow, max_chunksize=5)
    with pa.OSFile(str(layout("stream.arrows", "Arrow stream", **dated)), "wb") as sink, pa.ipc.new_stream(sink, arrow.schema) as writer:
        writer.write_table(arrow, max_chunksize=5)
    words = pa.array(["first"] * 8 + ["second"] * 8)
    for name, kind, writer in [("categories.arrow", words.dictionary_encode(), "categories in Arrow"), ("views.arrow", words.cast(pa.string_view()), "Polars `write_ipc`, views of text")]:
        labelled = pa.table({"run": kind, "x": X, "v": V})
        with pa.OSFile(str(layout(name, writer, **BOTH, lengths=[8, 8])), "wb") as sink, pa.ipc.new_file(sink, labelled.schema) as out:
            out.write_table(labelled)
    listed = pa.table({"obs": pa.array(XV.tolist(), pa.list_(pa.float64(), 2)), "action": pa.array(U[:, None].tolist())})
    with pa.OSFile(str(layout("lists.arrow", "Hugging Face datasets, lists in Arrow", states=["obs_0", "obs_1"], values=XV, actions=["action_0"])), "wb") as sink, \
            pa.ipc.new_stream(sink, listed.schema) as out:
        out.write_table(listed)


def hdf5_files():
    steps = {"states": ["observations_0", "observations_1"], "actions": ["actions_0"], "reward": True, "values": XV}

    def minari(group, rows):
        group.create_dataset("observations", data=XV[: rows + 1], chunks=True, compression="gzip")
        group.create_dataset("actions", data=U[:rows, None].astype("f4"))
        group.create_dataset("rewards", data=REWARD[:rows])
        group.create_dataset("terminations", data=np.zeros(rows, bool))
        group.create_dataset("truncations", data=np.arange(rows) == rows - 1)
        group.create_dataset("infos/power", data=U[: rows + 1] ** 2)
        group.attrs["total_steps"] = rows

    for name, lengths, writer, options in [("minari.hdf5", [10, 15], "Minari", {}), ("minari_one.hdf5", [15], "Minari, one episode", {"libver": "latest"})]:
        with h5py.File(layout(name, writer, **steps | {"lengths": lengths, "final": XV[lengths[0]]}), "w", **options) as file:
            for episode, rows in enumerate(lengths):
                minari(file.create_group(f"episode_{episode}"), rows)
    with h5py.File(layout("d4rl.hdf5", "D4RL", **steps, lengths=[8, 8]), "w") as file:
        file.create_dataset("observations", data=XV, chunks=(5, 2), compression="gzip", shuffle=True)
        file.create_dataset("actions", data=U[:, None])
        file.create_dataset("rewards", data=REWARD, fletcher32=True)
        file.create_dataset("terminals", data=np.zeros(ROWS, bool))
        file.create_dataset("timeouts", data=np.arange(ROWS) % 8 == 7)
        file.create_dataset("infos/qpos", data=X)
        file.create_dataset("metadata/algorithm", data="SAC")
    with h5py.File(layout("robomimic.hdf5", "robomimic", states=["obs/joint_0", "obs/joint_1"], actions=["actions_0"], reward=True, values=XV, lengths=[ROWS, ROWS]), "w") as file:
        for demo in range(2):
            group = file.create_group(f"data/demo_{demo}")
            group.create_dataset("obs/joint", data=XV)
            group.create_dataset("actions", data=U[:, None])
            group.create_dataset("rewards", data=REWARD)
            group.create_dataset("dones", data=np.arange(ROWS) == ROWS - 1)
        file.create_dataset("mask/train", data=np.array([b"demo_0"]))
    with h5py.File(layout("maniskill.h5", "ManiSkill", states=["obs_0", "obs_1"], actions=["actions_0"], values=XV, lengths=[ROWS - 1] * 2, final=XV[-1]), "w") as file:
        for number in range(2):
            group = file.create_group(f"traj_{number}")
            group.create_dataset("obs", data=XV)
            group.create_dataset("actions", data=U[:-1, None])
            group.create_dataset("success", data=np.zeros(ROWS - 1, bool))
    with h5py.File(layout("columns.h5", "h5py, a dataset a column", states=["v", "x"], values=XV[:, ::-1], time="t"), "w") as file:
        for name, values in [("t", T), ("x", X), ("v", V)]:
            file.create_dataset(name, data=values, dtype=">f8")
    with h5py.File(layout("padded.h5", "episodes padded by zeros, with a mask", **PADDED), "w") as file:
        arrays, inside = padded()
        for name in ["observations", "actions"]:
            file.create_dataset(name, data=arrays[name])
        file.create_dataset("mask", data=inside)
    path = layout("matlab73.mat", "MATLAB 7.3", states=["x_0", "x_1"], values=XV, actions=["u"], time="t")
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in [("t", T[None, :]), ("x", XV.T), ("u", U[None, :])]:
            file.create_dataset(name, data=values)
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def mat_files():
    expected = {"states": ["x_0", "x_1"], "values": XV, "actions": ["u"], "time": "t"}
    scipy.io.savemat(layout("matlab.mat", "MATLAB `save`", **expected), {"t": T[:, None], "x": XV, "u": U[:, None], "note": "a swing"})
    scipy.io.savemat(layout("matlab_compressed.mat", "MATLAB `save -v7`", **expected), {"t": T[None, :], "x": XV, "u": U[None, :]}, do_compression=True)
    scipy.io.savemat(layout("control.mat", "Simulink, a row for each state", **expected), {"t": T[:, None], "x": XV.T, "u": U[:, None]})
    scipy.io.savemat(layout("padded.mat", "MATLAB, episodes padded by zeros", **PADDED), padded()[0])
    scipy.io.savemat(layout("struct.mat", "MATLAB struct", states=["run.x", "run.v"], values=XV, time="run.t"), {"run": {"t": T[:, None], "x": X[:, None], "v": V[:, None]}})


def main():
    plain_text()
    json_text()
    numpy_files()
    arrow_files()
    hdf5_files()
    mat_files()
    for path in HERE.glob("*.mat"):
        # SciPy writes the date into the header.
        content = path.read_bytes()
        if content.startswith(b"MATLAB 5.0"):
            path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(116) + content[116:])
    lines = ",\n".join(json.dumps(entry) for entry in found)
    (HERE / "layouts.json").write_text(f"[\n{lines}\n]\n")
    rows = [f"| {entry['writer']} | `{pathlib.Path(entry['file']).name}` |" for entry in found]
    if len(sys.argv) == 1:
        put(ROOT / "docs/formats.md", "layouts", "\n".join(["| written by, or as | file in `tests/layouts` |", "|---|---|", *rows]))
    size = sum(path.stat().st_size for path in HERE.rglob("*") if path.is_file())
    print(f"{len(found)} layouts, {size / 1000:.0f} kB")


main()
