"""The appliance's whole chain on an emulated Pi 3, but for the Pi's own firmware: our U-Boot, boot.cmd, the slot's system,
the Pi's real drivers; the LED read from outside."""

import re

from vm.rig.card import Card
from vm.rig.gpio import Pins
from vm.rig.simcam import Simcam

GREEN, RED = 27, 17


def test_a_pi_starts_by_the_same_chain_and_its_green_led_says_that_all_is_up(appliance):
    """Slot B is empty: it is tried, the try is stored, and the next start takes A."""
    with Simcam(1, "--protocol", "http-mjpeg", "--width", "320", "--height", "180", "--fps", "2") as cameras:
        card = Card.new()
        card.put("pulsebox.yaml", configuration(cameras.urls[0]))
        card.set_environment({"BOOT_ORDER": "B A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "1"})
        pi = appliance(card, "raspi3b")
        pi.until_up()
        pins = Pins(pi)
        pi.until("green blinks fast while the box starts", lambda: len(pins.edges(2, GREEN, RED)) >= 6, 400)
        pi.until_healthy(900)
        pi.claim()
        pi.until("all is up", lambda: pi.get("/api/leds")["shows"] == "all_up", 900)
        pins.until(GREEN, True, 60)
        assert pins.edges(4, GREEN, RED) == [], "it is solid"
        assert pins.is_output(GREEN) and pins.is_output(RED) and pins.level(GREEN) and not pins.level(RED)
        assert "Raspberry Pi 3" in pi.ask("cat /proc/device-tree/model | tr -d '\\0'")
        assert "rauc.slot=A" in pi.ask("cat /proc/cmdline")
        # A is taken only where B's last try was stored.
        tries = re.findall(rb"Pulsebox: (slot . from partition \d, \d tries|slot . does not start)", pi.console_log.read_bytes())
        assert tries == [b"slot B from partition 3, 0 tries", b"slot B does not start", b"slot A from partition 2, 2 tries"]


def configuration(url: str) -> bytes:
    return f'streams:\n  - {{ id: gate, name: Gate, url: "{url}", heartbeat_seconds: 15 }}\n'.encode()
