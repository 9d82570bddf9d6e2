"""The figure of docs/method.md: how one value of a pendulum is forecast, from the weights that ship.

python method_figure.py                               # also prints the numbers that the page quotes; needs matplotlib
python method_figure.py --rows 150 --out /tmp/150.svg # after a longer context
"""

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import torch

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from digit_reading import DigitReading  # noqa: E402
from hints import EDGES, read_hints  # noqa: E402
from matplotlib.ticker import MultipleLocator  # noqa: E402
from model_reading import WIDTHS, ModelReading  # noqa: E402
from residual import hint_features  # noqa: E402
from residual_export import untrained  # noqa: E402

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parents[1] / "examples" / "pendulum.csv"
OUT = HERE.parents[1] / "docs" / "figures" / "method.svg"
STATES, ACTION, SHOWN = ("obs_cos_theta", "obs_sin_theta", "obs_theta_dot"), "act_torque", 0
EXPERTS = ("linear", "quadratic", "smoothing", "seasonal", "analogue")

FIRST, SECOND, DIGITS, RESIDUAL, PAST = "#1f77b4", "#d95f02", "#777777", "#1b9e77", "#333333"


@dataclass
class Forecast:
    """Of the next value of a channel, on its axis: what is known before, and densities by component at `x`."""

    positions: np.ndarray  # of the channel, the observed next one last
    experts: tuple  # of the two slots
    location: np.ndarray
    scale: np.ndarray
    weights: np.ndarray  # of digits, residual axis, normals of the first slot, of the second
    digits: np.ndarray  # masses of the bins of digits, in the mixture
    residual: np.ndarray
    alone: np.ndarray  # of the bins of digits, by the digit model that reads nothing else

    def parts(self, x):
        """Weighted densities of the four kinds of components, axis units."""
        z = (x - self.location[0]) / self.scale[0]
        bins = np.clip(np.searchsorted(EDGES, z, side="right") - 1, 0, len(self.residual) - 1)
        digits = self.weights[0] * 100 * self.digits[digit_bins(x)]
        residual = self.weights[1] * self.residual[bins] / np.diff(EDGES)[bins] / self.scale[0]
        slots = []
        for slot in (0, 1):
            widths = self.scale[slot] * WIDTHS
            of = self.weights[2 + slot * len(WIDTHS) :][: len(WIDTHS)]
            u = (x[:, None] - self.location[slot]) / widths
            slots.append((of * np.exp(-0.5 * u**2) / widths).sum(1) / np.sqrt(2 * np.pi))
        return [residual, digits, *slots]

    def alone_in(self, low, high):
        """Densities of digits alone in the bins between two positions, and the edges of these."""
        bins = np.arange(*digit_bins(np.array([low, high])))
        return 100 * self.alone[bins], np.append(bins, bins[-1] + 1) / 100


def digit_bins(x):
    return np.clip(np.floor(100 * x), 0, 999).astype(int)


@torch.no_grad()
def forecast(rows):
    """Of the row after so many rows."""
    with open(EXAMPLE) as file:
        table = [row for row in csv.DictReader(file) if row["episode"] == "0"][: rows + 1]
    values = np.array([[float(row[name]) for name in STATES] for row in table])
    action = np.array([[float(row[ACTION])] for row in table])
    low, high = values[:rows].min(0), values[:rows].max(0)
    positions = 1.5 + 7 * (values - low) / (high - low)
    scaled, starts = action / np.abs(action[:rows]).max(), np.arange(rows + 1) == 0
    reading = ModelReading.of(HERE.parent / "hints")
    s = reading.sequences(positions[None], scaled[None], starts[None])
    chosen = read_hints(positions[None], scaled[None], starts[None], np.zeros((1, *positions.shape), bool)).chosen
    digits, residual, gate = reading.model(s, hint_features(s))
    parts, log_weights = reading.model.mixture(s, digits, residual, gate)
    alone = DigitReading(untrained(HERE.parent / "builtin").digits, positions.T)
    alone = np.exp(np.concatenate(list(alone.logs_of_rows())))
    of = lambda tensor: tensor[SHOWN, -1].double().numpy()
    print(f"log density of the observed value: {torch.logsumexp(log_weights + parts, -1)[SHOWN, -1]:.2f}", end="")
    print(f", digits alone {np.log(100 * alone[SHOWN, -1, digit_bins(positions[-1, SHOWN])]):.2f}")
    return Forecast(
        positions=positions[:, SHOWN],
        experts=tuple(EXPERTS[e] for e in chosen[0, -1, SHOWN]),
        location=of(s.location),
        scale=of(s.scale),
        weights=np.exp(of(log_weights)),
        digits=np.exp(of(digits)),
        residual=np.exp(of(residual)),
        alone=alone[SHOWN, -1],
    )


def describe(f):
    for name, expert, location, scale in zip(("first", "second"), f.experts, f.location, f.scale):
        print(f"{name} slot: {expert}, location {location:.3f}, scale {scale:.4f}")
    z = (f.positions[-1] - f.location[0]) / f.scale[0]
    print(f"observed {f.positions[-1]:.3f}, {z:.2f} scales of the first from its location")
    of = f.weights[0], f.weights[1], f.weights[2:11].sum(), f.weights[11:].sum()
    print("weights: digits {:.3f}, residual axis {:.3f}, normals of the first {:.3f}, of the second {:.3f}".format(*of))
    print(f"bins of the residual: {f.scale[0] * np.diff(EDGES).min():.6f} wide at the centre, digits' 0.01")


def draw_past(axes, f):
    rows = len(f.positions) - 1
    axes.axhspan(1.5, 8.5, color="#f2f2f2")
    axes.text(0.3, 8.65, "largest value of the context: 8.5", fontsize=8, color=DIGITS, va="bottom")
    axes.text(0.3, 1.35, "smallest: 1.5", fontsize=8, color=DIGITS, va="top")
    axes.plot(np.arange(rows), f.positions[:-1], "o-", color=PAST, markersize=3, linewidth=0.8)
    for slot, (color, offset) in enumerate(((FIRST, -0.9), (SECOND, 0.9))):
        label = f"{f.experts[slot]}: {f.location[slot]:.2f} ± {f.scale[slot]:.2f}"
        at = rows + offset
        axes.errorbar(at, f.location[slot], f.scale[slot], fmt="_", color=color, capsize=3, markersize=9, label=label)
    axes.plot(rows, f.positions[-1], "x", color="black", markersize=6, label=f"observed: {f.positions[-1]:.2f}")
    axes.set(xlabel="row", ylabel="axis of cos θ", xlim=(-0.7, rows + 2), ylim=(0, 10))
    axes.set_title("a  past values and the hint for the next one", loc="left")
    axes.yaxis.set_major_locator(MultipleLocator(1))
    axes.legend(loc="center left", bbox_to_anchor=(0.01, 0.71), fontsize=8, framealpha=1)


def draw_densities(axes, f):
    x = np.linspace(0, 10, 4001)[:-1]
    axes.stairs(*f.alone_in(0, 10), orientation="horizontal", fill=True, color=DIGITS, alpha=0.45, label="digits alone")
    axes.plot(sum(f.parts(x)), x, color="black", linewidth=0.8, label="residual reading")
    axes.axhline(f.positions[-1], color="black", linewidth=0.6, linestyle=":")
    axes.set(xlabel="density", ylim=(0, 10))
    axes.set_title("b  density of the next value", loc="left")
    axes.set_xlim(left=0)
    axes.yaxis.set_major_locator(MultipleLocator(1))
    axes.tick_params(labelleft=False)
    axes.legend(loc="upper right", fontsize=8)


def draw_parts(axes, f, ends):
    x = np.linspace(*ends, 1801)
    residual, digits, first, second = f.parts(x)
    alone = dict(color=DIGITS, alpha=0.25, label="digits alone (bundled digit model)")
    axes.stairs(*f.alone_in(*ends), baseline=1e-9, fill=True, **alone)
    axes.plot(x, digits, color=DIGITS, linewidth=0.9, label=f"bins of digits, weight {f.weights[0]:.3f}")
    axes.plot(x, residual, color=RESIDUAL, linewidth=1.2, label=f"residual bins, {f.weights[1]:.3f}")
    axes.plot(x, first, color=FIRST, linewidth=1.2, label=f"normals around {f.experts[0]}, {f.weights[2:11].sum():.3f}")
    axes.plot(x, second, color=SECOND, linewidth=1.2, label=f"normals around {f.experts[1]}, {f.weights[11:].sum():.3f}")
    axes.plot(x, residual + digits + first + second, color="black", linewidth=1.6, label="sum: the forecast", zorder=1.9)
    axes.axvline(f.positions[-1], color="black", linewidth=0.6, linestyle=":")
    axes.text(f.positions[-1] + 0.01, 100, f"observed: {f.positions[-1]:.2f}", fontsize=8)
    axes.set(yscale="log", ylim=(1e-4, 3000), xlim=ends, ylabel="density (logarithmic)")
    axes.set_title("c  components of that density around the hint", loc="left")
    axes.tick_params(labelbottom=False)
    axes.legend(loc="upper left", fontsize=8)
    scale = f.scale[0]
    both = lambda y: (y - f.location[0]) / scale, lambda z: f.location[0] + z * scale
    scales = axes.secondary_xaxis("top", functions=both)
    scales.set_xlabel(f"residual: (value - location) / scale of the best expert, {f.experts[0]}")
    scales.xaxis.set_major_locator(MultipleLocator(5))


def draw_bins(axes, f, ends):
    axes.vlines(f.location[0] + f.scale[0] * EDGES[::10], 1.1, 1.9, color=RESIDUAL, linewidth=0.7)
    axes.vlines(np.arange(0, 10.05, 0.1), 0.1, 0.9, color=DIGITS, linewidth=0.7)
    axes.set(xlim=ends, ylim=(0, 2), xlabel="axis of cos θ")
    axes.set_yticks([0.5, 1.5], ["digits", "residual"], fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.set_title("every tenth edge of the bins", fontsize=8, loc="left", pad=2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=26, help="rows of context")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    f = forecast(arguments.rows)
    describe(f)
    plt.rcParams.update({"svg.hashsalt": "method", "font.size": 9, "axes.titlesize": 9})
    figure = plt.figure(figsize=(8, 8), layout="constrained")
    grid = figure.add_gridspec(3, 2, height_ratios=(5, 6, 0.7), width_ratios=(2.2, 1))
    draw_past(figure.add_subplot(grid[0, 0]), f)
    draw_densities(figure.add_subplot(grid[0, 1]), f)
    ends = f.location[0] + f.scale[0] * np.array([-22, 16])
    draw_parts(figure.add_subplot(grid[1, :]), f, ends)
    draw_bins(figure.add_subplot(grid[2, :]), f, ends)
    figure.savefig(arguments.out, metadata={"Date": None} if arguments.out.suffix == ".svg" else None)


if __name__ == "__main__":
    main()
