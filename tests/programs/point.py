"""A point mass under a force, as an environment program: x' = x + 0.1 v, v' = 0.9 v + 0.1 u; beyond 3 it is lost."""

import json
import random
import sys

DESCRIPTION = {
    "name": "point",
    "observations": [{"name": "x", "unit": "m"}, {"name": "v", "unit": "m/s"}],
    "actions": [{"name": "u", "unit": "N", "low": -1, "high": 1}],
    "time_limit": 40,
    "dt": 0.1,
}

x = v = 0.0
for line in sys.stdin:
    request = json.loads(line)
    if request["request"] == "describe":
        reply = DESCRIPTION
    elif request["request"] == "reset":
        start = random.Random(request["seed"])
        x, v = start.uniform(-1, 1), start.uniform(-0.5, 0.5)
        reply = {"observation": [x, v]}
    else:
        (u,) = request["action"]
        assert -1 <= u <= 1
        x, v = x + 0.1 * v, 0.9 * v + 0.1 * u
        reply = {"observation": [x, v], "reward": -x * x - 0.01 * u * u, "terminated": abs(x) > 3, "truncated": False}
    print(json.dumps(reply), flush=True)
