"""A model of the pendulum for `statecast ... --simulator 'python3 examples/pendulum_model.py'`.

Reads and writes lines of JSON as docs/simulators.md says. The length may be given, in metres:
1 is that of the recording, another makes the model wrong.
"""

import json
import math
import sys

LENGTH = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
GRAVITY, MASS, STEP = 10.0, 1.0, 0.05


def following(cosine, sine, speed, torque):
    """Cosine and sine of the angle and its rate, one time step later."""
    angle = math.atan2(sine, cosine)
    gravity = 1.5 * GRAVITY / LENGTH * math.sin(angle)
    speed += STEP * (gravity + 3.0 / (MASS * LENGTH**2) * torque)
    speed = min(max(speed, -8.0), 8.0)
    angle += STEP * speed
    return [math.cos(angle), math.sin(angle), speed]


names = json.loads(sys.stdin.readline())
assert len(names["channels"]) == 3 and len(names["actions"]) == 1, names
for line in sys.stdin:
    asked = json.loads(line)
    rows = zip(asked["states"], asked["actions"])
    following_rows = [following(*state, *action) for state, action in rows]
    print(json.dumps({"id": asked["id"], "next": following_rows}), flush=True)
