"""A policy of the pendulum for `--policy 'command:python3 examples/pendulum_policy.py'`.

Reads and writes lines of JSON as docs/policies.md says: swings the pendulum up by its energy, and
holds it where it is nearly upright.
"""

import json
import math
import sys


def torque(cosine, sine, speed):
    """The torque, at most 2 to either side."""
    if cosine > 0.9:
        return min(max(-12.0 * math.atan2(sine, cosine) - 3.0 * speed, -2.0), 2.0)
    # Of the energy at rest upright, 15: push with the motion while there is less, against it while there is more.
    energy = speed**2 / 2 + 15.0 * cosine
    return math.copysign(2.0, speed if energy < 15.0 else -speed)


for line in sys.stdin:
    rows = json.loads(line)["observations"]
    print(json.dumps({"actions": [[torque(*row)] for row in rows]}), flush=True)
