"""`make powercut N=100 [SEED=…]`: power cuts at random moments, until harm is done or all are survived."""

import argparse
import random
import sys

from vm.rig.console import ConsoleError
from vm.rig.cuts import Harm, PowerCuts
from vm.rig.machine import MachineError
from vm.rig.packages import PackageError
from vm.rig.paths import say


def main() -> int:
    """The command line: 0 where every cut was survived."""
    parser = argparse.ArgumentParser(description="Cuts the power of the appliance at random moments.")
    parser.add_argument("count", type=int, nargs="?", default=100)
    parser.add_argument("--seed", type=int, default=None, help="the same moments again, as far as a host's pace allows")
    parser.add_argument("--machine", choices=("virt", "raspi3b"), default="virt")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.randrange(1 << 32)
    say(f"{given.count} power cuts, seed {seed}")
    cuts = PowerCuts(seed, given.machine)
    try:
        say(str(cuts.run(given.count)))
        return 0
    except (Harm, MachineError, PackageError, ConsoleError, OSError) as error:
        say(str(error))
        say(f"until then: {cuts.tally}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
