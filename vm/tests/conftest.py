"""What the tests share: booted machines, the daemon in them, and what the console said when a test fails.

    virt, raspi3b, virt_backports, raspi3b_backports    a booted machine, shared; leave it as you found it
    pulsebox                                            pulsebox(machine, config): a running daemon, gone at the end
    yard                                                the machines; for a test that needs one of its own
    appliance                                           appliance(card, kind): the appliance, switched on; off at the end

Tests are put in the order of the machine that they use, so that each is booted once.
"""

import os
import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from vm.rig.appliance import Appliance
from vm.rig.card import Card
from vm.rig.machine import TAIL_LINES
from vm.rig.paths import LOG, REPOSITORY, said
from vm.rig.pulsebox import Pulsebox
from vm.rig.yard import Yard

MACHINES = ("virt", "virt_backports", "raspi3b", "raspi3b_backports")
BINARY = Path(os.environ.get("PULSEBOX_VM_BINARY", REPOSITORY / "target" / "pulsebox-aarch64-light"))


@pytest.fixture(scope="session")
def binary() -> Path:
    """The static binary for arm64."""
    if not BINARY.exists():
        pytest.exit(f"no {BINARY}: scripts/need binary && scripts/build-binary --light", 2)
    return BINARY


@pytest.fixture(scope="session")
def yard(binary):
    yard = Yard(binary)
    yield yard
    yard.stop()


@pytest.fixture
def virt(yard):
    return yard.machine("virt")


@pytest.fixture
def virt_backports(yard):
    return yard.machine("virt", "backports")


@pytest.fixture
def raspi3b(yard):
    return yard.machine("raspi3b")


@pytest.fixture
def raspi3b_backports(yard):
    return yard.machine("raspi3b", "backports")


@pytest.fixture
def appliance(request, yard):
    """`appliance()` is switched on with a fresh card, `appliance(card, "raspi3b")` with this one. Off at the end."""
    yard.stop()
    with ExitStack() as stack:
        request.node.appliances = []

        def switched_on(card: Card | None = None, kind: str = "virt", **more) -> Appliance:
            box = Appliance(card or Card.new(), kind, name=request.node.name, **more)
            request.node.appliances.append(box)
            return stack.enter_context(box)

        yield switched_on


@pytest.fixture
def pulsebox():
    with ExitStack() as stack:
        yield lambda machine, config, **more: stack.enter_context(Pulsebox(machine, config, **more))


# Each of these takes minutes and several starts of the appliance; together they do not fit into what is run on every
# change. `make vm-test ALL=1` runs them too, and so does naming one by -k.
LONG = re.compile(
    "test_image_causes|joins_the_wireless|without_a_file|test_image_data.*(first_start|each_step|cannot_be|"
    "larger_card)|loses_the_cameras|cut_off_three_times|any_of_its_writes"
)


def pytest_terminal_summary(terminalreporter):
    """Says what the rig said, such as times, sizes and seeds, and in plain words what was left out."""
    for one in said:
        terminalreporter.write_line(f"vm: {one}")
    left = [item.name for item in terminalreporter.stats.get("deselected", []) if LONG.search(item.nodeid)]
    if left and not os.environ.get("PULSEBOX_VM_ALL"):
        terminalreporter.write_line(f"NOT RUN, for they are long (make vm-test ALL=1): {', '.join(left)}")


def pytest_collection_modifyitems(config, items):
    if not os.environ.get("PULSEBOX_VM_ALL") and not config.option.keyword:
        long = [item for item in items if LONG.search(item.nodeid)]
        items[:] = [item for item in items if item not in long]
        config.hook.pytest_deselected(items=long)

    def machine_of(item) -> int:
        return next((rank for rank, name in enumerate(MACHINES) if name in item.fixturenames), len(MACHINES))

    items.sort(key=machine_of)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """What the machine's console said during a test goes to a file by the test's name, its end into a failure."""
    report = (yield).get_result()
    if report.when == "call" and report.failed:
        for box in getattr(item, "appliances", ()):
            report.sections.append(("console of the appliance", box.tail()))
    yard = item.funcargs.get("yard") if hasattr(item, "funcargs") else None
    if yard is None or yard.running is None:
        return
    log = yard.running.console_log
    if report.when == "setup":
        item.console_from = log.stat().st_size
        return
    if report.when == "call":
        said = log.read_bytes()[getattr(item, "console_from", 0) :]
        (LOG / f"{item.name}.log").write_bytes(said)
        if report.failed:
            last = said.decode(errors="replace").splitlines()[-TAIL_LINES:]
            report.sections.append((f"console, whole in {LOG / item.name}.log", "\n".join(last)))
