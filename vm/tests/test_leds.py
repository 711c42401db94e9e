"""LEDs on a Pi's own lines: the real pinctrl-bcm2835 drives them, and QEMU's side of the chip says what they are.

The guest's clock runs at the host's pace, so edges are timed from outside. On a busy host QEMU itself is late now and
then; it is not on the whole. So a pattern is judged by the median of many runs, and by how many blinks there were:
a player that drifts or misses a state changes those, a host that stumbles does not.
"""

from statistics import median

import pytest

from vm.rig.gpio import Pins, runs
from vm.rig.simcam import Simcam

GREEN, RED = 27, 17
# What a pattern may be off by, in seconds.
PRECISION = 0.050
INPUT = 0
LEDS = f"leds: {{ green: {GREEN}, red: {RED}, act: false }}"


@pytest.fixture
def pins(raspi3b):
    return Pins(raspi3b)


@pytest.fixture
def cameras():
    with Simcam(2, "--protocol", "http-mjpeg", "--width", "320", "--height", "180", "--fps", "5") as cameras:
        yield cameras


def configuration(leds: str, cameras: Simcam | None = None) -> str:
    urls = cameras.urls if cameras else []
    listed = "".join(
        f'  - {{ id: cam{number}, name: Camera {number}, url: "{url}", heartbeat_seconds: 5 }}\n'
        for number, url in enumerate(urls)
    )
    return f"{leds}\n" + (f"streams:\n{listed}" if listed else "streams: []\n")


def shows(box, sign: str, count: int = 0) -> None:
    def is_shown() -> bool:
        leds = box.get("/api/leds")
        return (leds["shows"], leds["count"]) == (sign, count)

    box.until(f"{sign} {count} is shown", is_shown, 240)


def lamp(box, name: str) -> dict:
    return next(one for one in box.get("/api/system")["host"]["leds"]["lamps"] if one["lamp"] == name)


def assert_lasts(found: list[float], seconds: float) -> None:
    assert found, f"nothing lasted {seconds} s"
    assert abs(median(found) - seconds) <= PRECISION, f"{median(found):.3f} s instead of {seconds}: {found}"


def test_red_blinks_for_each_camera_whose_plug_is_pulled_until_it_is_back(pins, raspi3b, pulsebox, cameras):
    box = pulsebox(raspi3b, configuration(LEDS, cameras))
    shows(box, "all_up")
    assert pins.is_output(GREEN) and pins.level(GREEN)
    assert pins.is_output(RED) and not pins.level(RED)
    assert pins.edges(3, GREEN, RED) == [], "all is well: green is solid, and nothing blinks"

    cameras.become(0, "refuses")
    shows(box, "camera_down", 1)
    assert not pins.level(GREEN)
    seen = runs(pins.edges(21, RED), RED)
    assert_lasts([lasted for level, lasted in seen if level], 0.25)
    assert_lasts([lasted for level, lasted in seen if not level], 1.8)
    # 21 s are ten periods of 2.05 s and a bit; the first and the last may be cut off.
    assert 9 <= sum(level for level, _ in seen) <= 11, seen

    cameras.become(1, "refuses")
    shows(box, "camera_down", 2)
    seen = runs(pins.edges(21, RED), RED)
    assert_lasts([lasted for level, lasted in seen if level], 0.25)
    dark = sorted(lasted for level, lasted in seen if not level)
    assert_lasts([lasted for lasted in dark if lasted < 1], 0.35)
    assert_lasts([lasted for lasted in dark if lasted > 1], 1.8)
    # Two blinks each 2.65 s.
    assert 13 <= sum(level for level, _ in seen) <= 17, seen

    cameras.become(0, "healthy")
    cameras.become(1, "healthy")
    shows(box, "all_up")
    pins.until(GREEN, True, 5)
    assert not pins.level(RED)
    assert pins.edges(3, GREEN, RED) == []


def test_identify_blinks_both_in_threes_for_ten_seconds(pins, raspi3b, pulsebox):
    box = pulsebox(raspi3b, configuration(LEDS))
    shows(box, "nothing_yet")
    pins.edges(0.5, RED)
    edges = pins.edges(14, GREEN, RED, start=lambda: box.post("/api/identify"))
    red = runs(edges, RED)
    assert_lasts([lasted for level, lasted in red if level], 0.1)
    assert_lasts([lasted for level, lasted in red if not level and lasted < 0.3], 0.1)
    assert_lasts([lasted for level, lasted in red if not level and 0.3 < lasted < 1], 0.5)
    # Three each second; what falls into a moment in which the emulator does not run is not seen.
    assert 21 <= sum(edge.level for edge in edges if edge.line == RED) <= 31, red
    together = [edge for edge in edges if edge.line == GREEN and edge.level]
    assert len(together) >= 21, "green blinks with red"
    box.until("identify is over", lambda: box.get("/api/leds")["shows"] == "nothing_yet", 20)


def test_lines_are_given_back_as_they_were(pins, raspi3b, pulsebox):
    assert (pins.function(GREEN), pins.function(RED)) == (INPUT, INPUT)
    box = pulsebox(raspi3b, configuration(LEDS))
    box.until("both lines are driven", lambda: pins.is_output(GREEN) and pins.is_output(RED), 30)
    box.stop()
    assert (pins.function(GREEN), pins.function(RED)) == (INPUT, INPUT)


def test_a_line_that_another_has_is_told_and_taken_when_it_is_free(pins, raspi3b, pulsebox):
    raspi3b.ask(f"systemd-run --collect --unit=holder -p KillSignal=SIGKILL gpioset --consumer=aquarium -c gpiochip0 {RED}=0")
    try:
        raspi3b.ask("until gpioinfo -c gpiochip0 | grep -q aquarium; do sleep 0.2; done", 120)
        box = pulsebox(raspi3b, configuration(LEDS))
        problem = box.until("the line is told of", lambda: lamp(box, "red")["problem"], 60)
        assert problem == "`aquarium` has this line; stop it, or choose another line"
        assert lamp(box, "green")["problem"] is None and pins.is_output(GREEN)
        assert box.is_healthy()
    finally:
        raspi3b.ask("systemctl stop holder")
    box.until("red is taken", lambda: lamp(box, "red")["problem"] is None and pins.is_output(RED), 60)


def test_a_chip_that_is_not_there_is_told_with_those_that_are(pins, raspi3b, pulsebox):
    box = pulsebox(raspi3b, configuration(LEDS.replace(" }", ", chip: pinctrl-bcm1234 }")))
    problem = box.until("the chip is told of", lambda: lamp(box, "green")["problem"], 60)
    assert "no GPIO chip is labelled `pinctrl-bcm1234`" in problem and "`pinctrl-bcm2835`" in problem
    assert box.is_healthy() and not pins.is_output(GREEN)
    box.until("the log has it", lambda: "the LED `green` does not light" in box.log(200), 30)
