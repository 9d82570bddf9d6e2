"""A training configuration, read from TOML and checked once."""

import tomllib
from dataclasses import dataclass

from families import FAMILIES


@dataclass
class Config:
    name: str
    seed: int
    model: dict
    budget: dict
    optimizer: dict
    objective: dict
    data: dict
    validation: dict

    @property
    def hinted(self):
        """True if the model reads hints."""
        return "hinted" in self.data

    def schedule(self, tokens):
        """Factor of the learning rates: linear warm-up, stable, linear decay to zero at the end."""
        done = tokens / self.budget["tokens"]
        rise = min(1.0, (done + 1e-4) / self.budget["warm_up"])
        return rise * min(1.0, max(0.0, 1 - done) / self.budget["decay"])

    def length_shares(self, tokens):
        done = min(1.0, tokens / self.budget["tokens"])
        ends = zip(self.data["shares_at_start"], self.data["shares_at_end"])
        return [(1 - done) * start + done * end for start, end in ends]


def read_config(path, tokens=None):
    with open(path, "rb") as file:
        config = Config(**tomllib.load(file))
    if tokens:
        config.budget["tokens"] = tokens
    shape, data = config.model, config.data
    if shape["hidden"] % shape["heads"] or (shape["hidden"] // shape["heads"]) % 2:
        raise ValueError(
            f"{path}: hidden {shape['hidden']} does not give even heads ({shape['heads']} heads)"
        )
    if not len(data["lengths"]) == len(data["shares_at_start"]) == len(data["shares_at_end"]):
        raise ValueError(f"{path}: lengths and their shares differ in number")
    if max(data["lengths"]) > 1024:
        raise ValueError(f"{path}: windows are at most 1024 values")
    missing = {"follow", "axis", "value"} if config.hinted else {"crps", "own_draws", "follow"}
    missing = missing - set(config.objective)
    if missing:
        raise ValueError(f"{path}: [objective] lacks {', '.join(sorted(missing))}")
    unknown = set(data.get("shares", {})) - set(FAMILIES)
    if unknown:
        raise ValueError(f"{path}: shares of unknown families: {', '.join(sorted(unknown))}")
    return config
