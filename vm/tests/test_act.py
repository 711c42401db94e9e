"""The Pi's own LED (ACT) behind the kernel's real LED driver on the real GPIO chip, seen from outside the guest."""

from statistics import median

import pytest

from vm.rig.gpio import Pins, runs

ACT = "/sys/class/leds/ACT"
# As the device tree of Debian's kernel has it.
LINE = 42
DEAD = "rtsp://127.0.0.1:1/x"


@pytest.fixture
def act(raspi3b):
    """The machine with its ACT as the kernel started it; the trigger is known."""
    raspi3b.ask(f"modprobe leds-gpio; modprobe ledtrig-timer; udevadm settle; ls {ACT}")
    raspi3b.ask(f"echo timer >{ACT}/trigger; echo 40 >{ACT}/delay_on; echo 60 >{ACT}/delay_off")
    return raspi3b


def trigger(machine) -> str:
    return machine.ask(f"cat {ACT}/trigger").split("[")[1].split("]")[0]


def lit(pins: Pins, seconds: float) -> list[float]:
    """How long the LED was on, each time within so many seconds."""
    return [lasted for level, lasted in runs(pins.edges(seconds, LINE), LINE) if level]


def test_act_shows_what_the_box_has_to_say_and_blinks_as_before_when_it_ends(act, pulsebox):
    pins = Pins(act)
    box = pulsebox(act, "")
    box.until("nothing is watched yet", lambda: box.get("/api/leds")["shows"] == "nothing_yet")
    leds = box.get("/api/leds")
    assert leds["lamps"] == [{"lamp": "act", "at": ACT, "dims": False, "problem": None}]
    assert leds["machine"].startswith("Raspberry Pi 3 Model B")
    assert trigger(act) == "none"
    # One second of four.
    found = lit(pins, 22)
    # A machine that is busy is late now and then, not on the whole.
    assert len(found) >= 4 and abs(median(found) - 1.0) < 0.2, found
    box.configure(f'heartbeat_seconds: 5\nstreams:\n  - {{ name: Dead, url: "{DEAD}", timeout_seconds: 1 }}\n')
    box.until("the camera is down", lambda: box.get("/api/leds")["shows"] == "camera_down")
    found = lit(pins, 8)
    assert found and median(found) < 0.6, f"short blinks: {found}"
    box.stop()
    assert trigger(act) == "timer"
    # Its delays are root's to set, and the service is not root: the kernel's own come back.
    assert act.ask(f"cat {ACT}/delay_on {ACT}/delay_off").split() == ["500", "500"]


def test_act_is_given_back_where_the_file_says_so(act, pulsebox):
    box = pulsebox(act, "")
    box.until("ACT is ours", lambda: trigger(act) == "none")
    box.configure("leds: { act: false }")
    box.until("ACT is the kernel's again", lambda: trigger(act) == "timer", 20)
    assert box.get("/api/leds")["lamps"] == []
