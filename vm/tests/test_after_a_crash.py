"""LEDs after a daemon that was killed: nothing may go on saying that all is up. The Pi's kernel is told to keep lines
driven when their holder dies, as Raspberry Pi's own kernels are built (vm/rig/kinds.py).
"""

import pytest

from vm.rig.gpio import Pins
from vm.rig.simcam import Simcam

GREEN, RED = 27, 17
INPUT = 0
ACT = "/sys/class/leds/ACT"
# As the device tree of Debian's kernel has it.
ACT_LINE = 42
DROP_IN = "/run/systemd/system/pulsebox.service.d/late.conf"


@pytest.fixture
def pi(raspi3b):
    """ACT as on a Pi that boots from its card; a daemon that is killed is not started again so soon."""
    kept = raspi3b.ask("cat /sys/module/pinctrl_bcm2835/parameters/persist_gpio_outputs").strip()
    assert kept == "Y", "this kernel would release the lines by itself"
    raspi3b.ask("modprobe leds-gpio; modprobe ledtrig-timer; udevadm settle")
    card = raspi3b.ask(f"grep -o 'mmc[0-9]' {ACT}/trigger | head -n 1").strip()
    raspi3b.ask(f"echo {card} >{ACT}/trigger")
    raspi3b.ask(f"mkdir -p $(dirname {DROP_IN}); echo '[Service]\nRestartSec=1h' >{DROP_IN}; systemctl daemon-reload")
    yield raspi3b
    raspi3b.ask(f"rm {DROP_IN}; systemctl daemon-reload; echo none >{ACT}/trigger")


def trigger(machine) -> str:
    return machine.ask(f"cat {ACT}/trigger").split("[")[1].split("]")[0]


def all_up(box, pins) -> None:
    box.until("every camera is up", lambda: box.get("/api/leds")["shows"] == "all_up", 240)
    pins.until(GREEN, True, 20)
    assert pins.is_output(GREEN)


def test_after_a_kill_the_lines_are_dark_and_act_says_that_nothing_runs(pi, pulsebox):
    pins = Pins(pi)
    with Simcam(1, "--protocol", "http-mjpeg", "--width", "320", "--height", "180", "--fps", "5") as cameras:
        camera = f'{{ name: Gate, url: "{cameras.urls[0]}", heartbeat_seconds: 5 }}'
        box = pulsebox(pi, f"leds: {{ green: {GREEN}, red: {RED} }}\nstreams:\n  - {camera}")
        all_up(box, pins)
        assert trigger(pi) == "none" and pins.level(ACT_LINE)

        pi.ask("kill -KILL $(systemctl show -p MainPID --value pulsebox)")
        box.until("what comes after the end is done", lambda: "auto-restart" in substate(pi), 60)
        assert (pins.function(GREEN), pins.function(RED)) == (INPUT, INPUT), box.log()
        assert trigger(pi) == "timer"
        assert pi.ask(f"cat {ACT}/delay_on {ACT}/delay_off").split() == ["125", "125"], box.log()
        edges = [pins.until(ACT_LINE, level, 10) for level in (True, False, True)]
        assert edges[-1] - edges[0] < 1.0, "the kernel blinks it"

        # The next one is not taken in by what is left, and gives back what was before both.
        box.start()
        all_up(box, pins)
        assert trigger(pi) == "none"
        box.stop()
        assert (pins.function(GREEN), pins.function(RED)) == (INPUT, INPUT)
        assert trigger(pi) .startswith("mmc")


def substate(machine) -> str:
    return machine.ask("systemctl show -p SubState pulsebox")
