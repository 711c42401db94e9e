"""A few power cuts at random moments. `make powercut N=100` makes many."""

import random

from vm.rig.cuts import PowerCuts
from vm.rig.paths import say

CUTS = 3


def test_the_power_goes_at_any_moment_and_nothing_that_was_told_is_lost(yard):
    yard.stop()
    seed = random.randrange(1 << 32)
    say(f"power cuts, seed {seed}")
    say(str(PowerCuts(seed).run(CUTS)))
