"""LEDs on lines of `gpio-sim`, a GPIO chip made of software behind the kernel's real interface, which shows each level
inside the guest. The kernel is the newest: it has no first GPIO interface (CONFIG_GPIO_CDEV_V1=n).
"""

import re
import statistics
from dataclasses import dataclass

import pytest

LABEL = "garden-shed"
GREEN, RED, GATE, HOGGED = 2, 5, 7, 9
LINES = 12
# Nobody listens there, so the camera is down as soon as it was looked at twice.
DEAD = "rtsp://127.0.0.1:1/x"
# What a pattern may be off by, in seconds of the guest's time.
PRECISION = 0.050


@dataclass(frozen=True)
class Chip:
    """A chip in the guest, under the label LABEL."""

    machine: object
    folder: str
    name: str

    def value(self, line: int) -> str:
        return f"{self.folder}/sim_gpio{line}/value"

    def level(self, line: int) -> int:
        """The line's physical level."""
        return int(self.machine.ask(f"cat {self.value(line)}"))

    def info(self, line: int) -> str:
        """What gpioinfo says of the line: direction, and who has it."""
        told = self.machine.ask(f"gpioinfo -c {self.name}")
        return next(one for one in told.splitlines() if re.search(rf"\bline +{line}:", one))

    def runs(self, line: int, seconds: int) -> list[tuple[int, float]]:
        """Levels and how long each lasted, in seconds of the guest's clock; the first and the last, cut off, are left
        out."""
        script = (
            f"end=$((${{EPOCHREALTIME/./}} + {seconds}000000)); last=; while ((${{EPOCHREALTIME/./}} < end)); do "
            f'read -r now <{self.value(line)}; [ "$now" = "$last" ] || {{ echo "$EPOCHREALTIME $now"; last=$now; }}; done'
        )
        edges = [line.split() for line in self.machine.ask(script, seconds * 6 + 60).splitlines()]
        times = [(float(at), int(level)) for at, level in edges]
        return [(level, after - at) for (at, level), (after, _) in zip(times[1:], times[2:])]


@pytest.fixture
def chip(virt_backports):
    machine = virt_backports
    config = "/sys/kernel/config/gpio-sim/test"
    made = f"""
        modprobe gpio-sim
        mkdir -p {config}/bank0/line{HOGGED}/hog
        echo {LABEL} >{config}/bank0/label
        echo {LINES} >{config}/bank0/num_lines
        echo garden-gate >{config}/bank0/line{HOGGED}/hog/name
        echo output-low >{config}/bank0/line{HOGGED}/hog/direction
        echo 1 >{config}/live
        udevadm settle
        echo "/sys/devices/platform/$(cat {config}/dev_name) $(cat {config}/bank0/chip_name)"
    """
    device, name = machine.ask(made).split()
    yield Chip(machine, f"{device}/{name}", name)
    machine.ask(
        f"systemctl stop pulsebox; echo 0 >{config}/live || true; "
        f"rmdir {config}/bank0/line{HOGGED}/hog {config}/bank0/line{HOGGED} {config}/bank0 {config}"
    )


def configuration(leds: str, *streams: str) -> str:
    listed = "".join(f"  - {stream}\n" for stream in streams)
    return f"heartbeat_seconds: 5\nleds: {{ {leds} }}\nstreams:\n{listed}" if streams else f"leds: {{ {leds} }}\n"


def dead(number: int, more: str = "") -> str:
    return f'{{ name: Dead {number}, url: "{DEAD}", timeout_seconds: 1{more} }}'


def lamp(box, name: str) -> dict:
    """The LED as the API has it; one that is just being taken has nothing to say yet."""
    nothing = {"problem": "", "at": ""}
    return next((one for one in box.get("/api/leds")["lamps"] if one["lamp"] == name), nothing)


def shows(box, sign: str, count: int = 0) -> None:
    def is_shown() -> bool:
        leds = box.get("/api/leds")
        return (leds["shows"], leds["count"]) == (sign, count)

    box.until(f"{sign} {count} is shown", is_shown)


def assert_rhythm(runs, *pattern: tuple[int, float]) -> None:
    """`runs` are the pattern again and again, begun anywhere; a busy host may spoil one run, not the middle of all."""
    assert len(runs) >= 2 * len(pattern), runs
    turns = [pattern[n:] + pattern[:n] for n in range(len(pattern))]

    def off(turn) -> float:
        if turn[0][0] != runs[0][0]:
            return 99.0
        each = [[abs(lasted - turn[n][1]) for _, lasted in runs[n :: len(turn)]] for n in range(len(turn))]
        return max(statistics.median(one) for one in each)

    best = min(off(turn) for turn in turns)
    assert best <= PRECISION, f"off by {best * 1000:.0f} ms: {runs}"


def test_red_blinks_for_the_cameras_that_are_down_and_the_lines_are_given_back(chip, pulsebox):
    before = chip.info(GREEN), chip.info(RED)
    assert "input" in before[1]
    config = configuration(f"green: {GREEN}, red: {RED}, chip: {LABEL}", dead(1), dead(2))
    box = pulsebox(chip.machine, config)
    shows(box, "camera_down", 2)
    assert lamp(box, "red") == {"lamp": "red", "at": f"line {RED} of {LABEL}", "dims": False, "problem": None}
    assert "output" in chip.info(RED) and "consumer=pulsebox" in chip.info(RED).replace('"', "")
    assert_rhythm(chip.runs(RED, 12), (1, 0.25), (0, 0.35), (1, 0.25), (0, 1.8))
    assert chip.level(GREEN) == 0
    box.stop()
    assert (chip.info(GREEN), chip.info(RED)) == before


def test_a_change_of_the_file_moves_an_led_and_turns_it_round(chip, pulsebox):
    box = pulsebox(chip.machine, configuration(f"green: {GREEN}, red: {RED}, chip: {LABEL}", dead(1)))
    shows(box, "camera_down", 1)
    box.configure(configuration(f"green: {GREEN}, red: {GATE}, chip: {LABEL}, active_low: true", dead(1)))
    box.until("red has moved", lambda: lamp(box, "red")["at"] == f"line {GATE} of {LABEL}", 20)
    # Lit is low now, and dark is high.
    assert_rhythm(chip.runs(GATE, 8), (0, 0.25), (1, 1.8))
    assert chip.level(GREEN) == 1
    assert "output" not in chip.info(RED) and "consumer" not in chip.info(RED)


def test_a_camera_shows_on_its_own_led_how_it_is(chip, pulsebox):
    box = pulsebox(chip.machine, configuration(f"chip: {LABEL}", dead(1, f", id: gate, led: {GATE}")))
    box.until("the camera is down", lambda: box.camera("gate")["state"] == "down")
    assert lamp(box, "gate")["problem"] is None
    assert_rhythm(chip.runs(GATE, 4), (1, 0.25), (0, 0.25))
    box.configure(configuration(f"chip: {LABEL}", dead(1, f", id: gate, led: {GATE}, paused: true")))
    box.until("the camera is paused", lambda: box.camera("gate")["state"] == "paused")
    assert chip.runs(GATE, 3) == []
    assert chip.level(GATE) == 0


def test_a_line_that_another_has_is_told_with_its_name(chip, pulsebox):
    box = pulsebox(chip.machine, configuration(f"green: {HOGGED}, red: {RED}, chip: {LABEL}"))
    problem = box.until("the line is told of", lambda: lamp(box, "green")["problem"])
    assert problem == "`garden-gate` has this line; stop it, or choose another line"
    assert lamp(box, "red")["problem"] is None
    said = f"the LED `green` does not light: line {HOGGED} of {LABEL}: `garden-gate` has this line"
    box.until("the log has it", lambda: said in box.log(200), 30)


def test_a_label_that_is_not_there_is_told_with_those_that_are(chip, pulsebox):
    box = pulsebox(chip.machine, configuration(f"green: {GREEN}, red: {LINES}, chip: garden-shod"))
    problem = box.until("the label is told of", lambda: lamp(box, "green")["problem"])
    assert "no GPIO chip is labelled `garden-shod`" in problem and f"`{LABEL}`" in problem and "`leds.chip`" in problem
    # The same file with the right label: what was wrong with the label hid that there is no such line.
    box.configure(configuration(f"green: {GREEN}, red: {LINES}, chip: {LABEL}"))
    box.until("green lights", lambda: lamp(box, "green")["problem"] is None, 20)
    told = box.until("the line is told of", lambda: lamp(box, "red")["problem"])
    assert told == f"this chip has lines 0 to {LINES - 1}; choose one of them"


def test_a_chip_that_goes_and_comes_back_is_lit_again(chip, pulsebox):
    live = "/sys/kernel/config/gpio-sim/test/live"
    box = pulsebox(chip.machine, configuration(f"green: {GREEN}, red: {RED}, chip: {LABEL}", dead(1)))
    shows(box, "camera_down", 1)
    chip.machine.ask(f"echo 0 >{live}")
    box.until("the loss is told", lambda: lamp(box, "red")["problem"], 30)
    assert box.is_healthy()
    chip.machine.ask(f"echo 1 >{live}")
    box.until("red lights again", lambda: lamp(box, "red")["problem"] is None, 60)


def test_the_demo_plays_by_name_and_says_who_has_the_lines(chip, pulsebox):
    machine = chip.machine
    file = "/tmp/demo.yaml"
    machine.console.put(file, configuration(f"green: {GREEN}, red: {RED}, chip: {LABEL}").encode())
    demo = f"pulsebox leds demo --config {file}"
    machine.ask(f"systemd-run --unit=demo {demo} --only no_network --seconds 60")
    machine.ask(f"until gpioinfo -c {chip.name} | grep -q pulsebox; do sleep 0.2; done")
    assert_rhythm(chip.runs(RED, 21), (1, 0.9), (0, 0.35), (1, 0.9), (0, 1.8))
    other = machine.run(f"{demo} --only all_up --seconds 1")
    assert other.code == 1
    assert "another Pulsebox has this line; stop it (`systemctl stop pulsebox`)" in other.text
    machine.ask("systemctl stop demo")
    assert "consumer" not in chip.info(RED)
    told = machine.ask(f"{demo} --seconds 1")
    names = re.findall(r"^([a-z_]+): ", told, re.MULTILINE)
    assert names[-11:] == [
        "identify", "updating", "storage_fault", "file_refused", "no_network", "camera_down", "camera_degraded",
        "broker_lost", "nothing_yet", "all_up", "booting",
    ]  # fmt: skip
    refused = machine.run(f"setpriv --reuid=65534 --regid=65534 --clear-groups {demo} --only all_up --seconds 1")
    assert refused.code == 1
    assert re.search(r"no permission to open /dev/gpiochip\d; add Pulsebox's user to the group `gpio`", refused.text)
