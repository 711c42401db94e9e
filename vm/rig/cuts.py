"""Power cuts at random moments: each boot looks whether the last cut did harm, and brings the next one.

A cut is a copy of the card while QEMU stands still: what the card had taken at that instant, and nothing else. So one
boot is cut while it goes on to its end, and the copy is what the next boot starts from. Half of the cuts fall into the
first `BOOT` seconds from power-on, the others into what comes after; some are made by killing QEMU.
"""

import random
import threading
import time
from dataclasses import dataclass, field

from vm.rig.api import ApiError
from vm.rig.appliance import Appliance
from vm.rig.card import Card
from vm.rig.paths import say
from vm.rig.simcam import Simcam

CAMERA = "gate"
# A camera's incident begins or ends within this, in seconds.
TURN = 120
# The card is new, and a Pi's clock is not set.
SINCE = "2020-01-01T00:00:00Z"


class Harm(AssertionError):
    """What a cut has destroyed: the seed, the number of the cut, and what is missing."""


@dataclass
class Tally:
    """What the cuts did, for the last line."""

    cuts: int = 0
    while_starting: int = 0
    while_running: int = 0
    by_kill: int = 0
    data: dict[str, int] = field(default_factory=dict)
    incidents: int = 0
    boots: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        boots = sorted(self.boots)
        middle = f"{boots[len(boots) // 2]:.0f} s from power-on to the page" if boots else "no boot"
        data = ", ".join(f"{state} {count}" for state, count in sorted(self.data.items()))
        return (
            f"{self.cuts} cuts: {self.while_starting} while starting, {self.while_running} while running, "
            f"{self.by_kill} by killing QEMU; {len(boots)} boots, {middle}; data partition: {data}; "
            f"{self.incidents} incidents, all kept"
        )


class PowerCuts:
    """`PowerCuts(seed).run(100)`. `harm` ends it; the card of that moment is kept and named."""

    def __init__(self, seed: int, kind: str = "virt") -> None:
        self._random = random.Random(seed)
        self._seed, self._kind = seed, kind
        self._told: set[int] = set()
        # Of a box that was claimed; and whether it is sure that the last cuts came after that.
        self._token: str | None = None
        self._claimed = False
        self._typical = 40.0
        self.tally = Tally()

    def run(self, count: int) -> Tally:
        """So many cuts, and a last boot that looks at the last one. The first cut ends a box that told of an incident."""
        with Simcam(1, "--protocol", "http-mjpeg", "--width", "320", "--height", "180", "--fps", "5") as cameras:
            card = Card.new()
            card.put("pulsebox.yaml", _configuration(cameras.urls[0]))
            for number in range(count + 1):
                card = self._boot(number, card, cameras, is_last=number == count)
        if not self._told:
            raise RuntimeError("no incident was told: nothing was there to be lost")
        return self.tally

    def _boot(self, number: int, card: Card, cameras: Simcam, *, is_last: bool) -> Card:
        is_first = number == 0
        where = "start" if self._random.random() < 0.5 and not is_first else "run"
        by_kill = where == "run" and self._random.random() < 0.5
        began = self._random.uniform(0, self._typical)
        mood = "refuses" if is_first else self._random.choice(("refuses", "healthy"))
        box = Appliance(card, self._kind, name="powercut")
        known = set(self._told)
        with box:
            cut = _CutWhileStarting(box, began) if where == "start" and not is_last else None
            try:
                self._look(box, known)
            except Exception as error:
                kept = card.path.with_name(f"harm-{self._seed}-{number}.img")
                left = card.copy()
                left.path.rename(kept)
                raise Harm(f"seed {self._seed}, cut {number}: {error}\nthe card: {kept}\n{box.tail()}") from error
            self.tally.boots.append(time.monotonic() - box.powered_at)
            # Cuts while starting follow the pace of this host.
            self._typical = 0.7 * self._typical + 0.3 * self.tally.boots[-1]
            if is_last:
                return card
            self.tally.cuts += 1
            if cut is not None:
                self.tally.while_starting += 1
                say(f"cut {number + 1}: {began:.1f} s after power-on")
                return cut.card()
            self._live(box, cameras, mood)
            self.tally.while_running += 1
            self._claimed = True
            say(f"cut {number + 1}: running, {len(self._told)} incidents" + (", QEMU killed" if by_kill else ""))
            if by_kill:
                self.tally.by_kill += 1
                box.cut()
                return card
            box.monitor.command("stop")
            return card.copy()

    def _look(self, box: Appliance, known: set[int]) -> None:
        """Everything that a cut must not harm."""
        box.until_up()
        box.until_healthy(900)
        self._let_in(box)
        data = box.facts("data")
        assert data["state"] in ("ok", "new", "grown", "repaired"), data
        self.tally.data[data["state"]] = self.tally.data.get(data["state"], 0) + 1
        assert box.ask("findmnt -no SOURCE,FSTYPE /data").split() == ["/dev/mmcblk0p4", "ext4"]
        camera = box.camera(CAMERA)
        assert camera["name"] == "Gate", camera
        missing = known - _incidents(box)
        assert not missing, f"incidents that were told are gone: {missing}"
        state, failed = box.until_settled()
        assert (state, failed) == ("running", ""), f"{state}: {failed}"

    def _let_in(self, box: Appliance) -> None:
        """By the token of an earlier boot, which is never lost; claims the box where that may have come after the cut."""
        box._token = self._token
        try:
            box.get("/api/tokens")
        except ApiError as error:
            if error.status != 401 or self._claimed:
                raise AssertionError(f"who was let in before is not any more: {error}") from error
            box._token = None
            box.claim()
            self._token = box._token

    def _live(self, box: Appliance, cameras: Simcam, mood: str) -> None:
        """The box watches; now and then an incident begins or ends, and what is told of is to be kept."""
        cameras.become(0, mood)
        wanted = "down" if mood == "refuses" else "up"
        box.until(f"the camera is {wanted}", lambda: box.camera(CAMERA)["state"] == wanted, TURN)
        time.sleep(self._random.uniform(0, 10))
        self._told |= _incidents(box)
        self.tally.incidents = len(self._told)


class _CutWhileStarting:
    """Copies the card so many seconds after power-on, while the machine stands still."""

    def __init__(self, box: Appliance, seconds: float) -> None:
        self._box, self._seconds = box, seconds
        self._copy: Card | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def card(self) -> Card:
        """The copy."""
        self._thread.join(timeout=300)
        if self._copy is None:
            raise RuntimeError(f"the card was not copied: {self._error}")
        return self._copy

    def _wait(self) -> None:
        try:
            time.sleep(max(0.0, self._box.powered_at + self._seconds - time.monotonic()))
            self._box.monitor.command("stop")
            self._copy = self._box.card.copy()
            self._box.monitor.command("cont")
        except Exception as error:  # told where the copy is asked for
            self._error = error


def _incidents(box: Appliance) -> set[int]:
    try:
        return {one["id"] for one in box.get(f"/api/streams/{CAMERA}/incidents?from={SINCE}&limit=1000")}
    except ApiError as error:
        raise AssertionError(f"the history does not answer: {error}") from error


def _configuration(url: str) -> bytes:
    camera = f'{{ id: {CAMERA}, name: Gate, url: "{url}", heartbeat_seconds: 5 }}'
    return f"streams:\n  - {camera}\n".encode()
