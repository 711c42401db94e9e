"""The appliance's whole chain on an emulated Pi 3, but for the Pi's own firmware: our U-Boot, boot.cmd, the slot's system,
the Pi's real drivers; the LED read from outside."""

from vm.rig.card import Card
from vm.rig.gpio import Pins
from vm.rig.simcam import Simcam

GREEN, RED = 27, 17


def test_a_pi_starts_by_the_same_chain_and_its_green_led_says_that_all_is_up(appliance):
    with Simcam(1, "--protocol", "http-mjpeg", "--width", "320", "--height", "180", "--fps", "2") as cameras:
        card = Card.new()
        card.put("pulsebox.yaml", configuration(cameras.urls[0]))
        pi = appliance(card, "raspi3b")
        pi.until_up()
        pins = Pins(pi)
        pi.until_healthy(900)
        pi.claim()
        pi.until("all is up", lambda: pi.get("/api/leds")["shows"] == "all_up", 900)
        pins.until(GREEN, True, 60)
        assert pins.is_output(GREEN) and pins.is_output(RED) and not pins.level(RED)
        assert "Raspberry Pi 3" in pi.ask("cat /proc/device-tree/model | tr -d '\\0'")
        assert "rauc.slot=A" in pi.ask("cat /proc/cmdline")


def configuration(url: str) -> bytes:
    return f'streams:\n  - {{ id: gate, name: Gate, url: "{url}", heartbeat_seconds: 15 }}\n'.encode()
