"""What tests choose at random is the same each time, so that a failure is that of a change: KOLABD_SEED chooses another run, a
number or "random"."""

import os
import random

SEED = os.environ.get("KOLABD_SEED") or "1"
SEED = random.SystemRandom().randrange(10 ** 6) if SEED == "random" else int(SEED)
