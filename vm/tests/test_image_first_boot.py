"""First boot with each kind of pulsebox.yaml on the card: what LED row, page and STATUS.TXT say, and what is left on the card.

Where the card is read, the machine is off: its plug was pulled.
"""

import re

import pytest

from vm.rig.appliance import Appliance
from vm.rig.card import Card

# Nobody listens there, so that the camera is down soon.
CAMERA = """\
heartbeat_seconds: 5
streams:
  - name: Gate
    url: rtsp://admin:geheim-gate@10.0.2.2:9/live
    alarm: { failures: 1 }
"""
AWAY = "rtsp://admin:geheim-gate@"
SECRETS = (b"geheim-gate", b"geheim-wifi")
# Another machine of the same room, made inside: an access point that gives addresses.
ACCESS_POINT = r"""
mkdir -p /run/systemd/network /run/rig-ap
printf '[Match]\nName=wlan1\n[Network]\nAddress=192.168.77.1/24\nDHCPServer=yes\nLinkLocalAddressing=no\n' \
    >/run/systemd/network/10-rig-ap.network
printf 'country=DE\nnetwork={\nssid="Back yard "7""\nmode=2\nfrequency=2437\nkey_mgmt=WPA-PSK\nproto=RSN\npairwise=CCMP\npsk="geheim-wifi"\n}\n' \
    >/run/rig-ap/ap.conf
modprobe mac80211_hwsim radios=2
for n in $(seq 50); do [ -e /sys/class/net/wlan1 ] && break; sleep 0.2; done
networkctl reload
systemd-run --unit rig-ap --collect wpa_supplicant -i wlan1 -D nl80211 -c /run/rig-ap/ap.conf
"""


def started(appliance, name: str | None, content: bytes) -> Appliance:
    """A fresh card with this file on it, started until the page answers and this test may ask."""
    card = Card.new()
    if name is not None:
        card.put(name, content)
        assert all(secret in left(card) for secret in SECRETS if secret in content), "this test would see one"
    box = appliance(card)
    box.until_up(400)
    box.until_healthy(300)
    box.claim()
    return box


def shown(box: Appliance, row: str) -> None:
    """Waits until the LED's row is this one. The rig's virt has no LED: `overall` is the card's row by the same table."""
    box.until(f"the LED says {row}", lambda: box.get("/api/system")["overall"] == row, 120)


def status(box: Appliance, words: str) -> str:
    """STATUS.TXT as a PC reads it, once it holds `words` on the card; the box is off then."""
    text = "grep -sqF -e '{}' /boot/firmware/STATUS.TXT".format(words.replace("'", "'\\''"))
    box.until(f"STATUS.TXT says {words}", lambda: box.run(text).code == 0, 240)
    # What is renamed into place was synced before.
    box.cut()
    told = box.card.read("STATUS.TXT").decode()
    assert words in told and "\n" not in told.replace("\r\n", ""), told
    return told


def left(card: Card) -> bytes:
    """The boot partition, byte by byte."""
    return card.peek(1, 0, card.partitions[1].length)


def imported(box: Appliance) -> dict:
    return box.get("/api/system")["host"]["appliance"]["import"]


@pytest.mark.parametrize("name, ends", [("pulsebox.yaml", "\n"), ("Pulsebox.yaml.txt", "\r\n")])
def test_a_good_file_is_in_force_and_its_passwords_leave_the_card(appliance, name, ends):
    box = started(appliance, name, CAMERA.replace("\n", ends).encode())
    shown(box, "camera_down")
    assert imported(box)["state"] == "taken"
    kept = box.ask("stat -c '%u:%g %a' /data/pulsebox/pulsebox.yaml; cat /data/pulsebox/pulsebox.yaml")
    assert kept.startswith("900:900 600") and AWAY in kept
    told = status(box, "Gate: down")
    assert "http://pulsebox.local/" in told and "Last error:   none" in told and "10.0.2.2:9" not in told, told
    assert [name for name in box.card.names() if "pulsebox" in name.lower()] == ["pulsebox.taken.yaml"]
    assert b"***:***@10.0.2.2:9" in box.card.read("pulsebox.taken.yaml")
    raw = left(box.card)
    assert not [secret for secret in SECRETS if secret in raw], "a password is still on the card"


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "pulsebox.yaml:1:1: the file is empty"),
        (b"streams:\n  - name: Gate\n    ur: rtsp://a:geheim-gate@h/\n", "pulsebox.yaml:3:5: there is no key `ur`"),
    ],
    ids=["empty", "wrong-key"],
)
def test_a_bad_file_is_named_with_its_place_and_changes_nothing(appliance, content, message):
    box = started(appliance, "pulsebox.yaml", content)
    shown(box, "nothing_yet")
    told = imported(box)
    assert told["state"] == "refused" and told["message"].startswith(message), told
    text = status(box, message)
    assert "Correct pulsebox.yaml" in text and "geheim" not in text, text
    assert box.card.read("pulsebox.yaml") == content, "it stays as it was"


def test_without_a_file_the_box_starts_and_says_where_its_page_is(appliance):
    box = started(appliance, None, b"")
    shown(box, "nothing_yet")
    assert imported(box)["state"] == "none"
    names = box.ask("hostname; cat /run/box/name; resolvectl mdns")
    assert names.startswith("pulsebox") and "name=pulsebox" in names and re.search(r"Link .*: yes", names), names
    state, failed = box.until_settled()
    assert not failed.strip(), failed
    told = status(box, "http://pulsebox.local/")
    assert re.search(r"^ +http://10\.0\.2\.\d+/\r$", told, re.M) and "Cameras:      none yet" in told, told


def test_the_box_joins_the_wireless_network_of_the_file(appliance):
    wifi = 'network:\n  name: barn\n  wifi: { ssid: "Back yard \\"7\\"", password: geheim-wifi, country: DE }\n'
    box = started(appliance, "pulsebox.yaml", (CAMERA + wifi).encode())
    assert box.ask("hostname").strip() == "barn"
    box.ask(ACCESS_POINT, 60)

    def address() -> str:
        found = re.search(r"192\.168\.77\.\d+", box.run("ip -4 addr show dev wlan0").text)
        return found[0] if found else ""

    try:
        ours = box.until("an address by Wi-Fi", address, 120)
    except AssertionError:
        print(box.run("journalctl -u pulsebox-wifi -u rig-ap -n 60 --no-pager; networkctl list").text)
        raise
    box.until("the page's address", lambda: ours in box.get("/api/network")["addresses"], 60)
    private = box.ask("stat -c %a /run/wpa_supplicant/wpa_supplicant-wlan0.conf").strip()
    assert private == "600"
    told = status(box, "http://barn.local/")
    assert "geheim" not in told
    raw = left(box.card)
    assert not [secret for secret in SECRETS if secret in raw], "a password is still on the card"


def test_a_network_that_nobody_confirms_is_taken_back_on_the_box(appliance):
    box = started(appliance, "pulsebox.yaml", b"network: { name: barn }\n")
    box.call("PATCH", "/api/settings", {"network.name": "shed"})
    box.until("the new name", lambda: box.ask("hostname").strip() == "shed", 60)
    assert 0 < box.get("/api/network")["trial"]["seconds_left"] <= 120
    box.restart()
    box.until("the former name", lambda: box.ask("hostname").strip() == "barn", 180)
    assert "barn" in box.ask("cat /data/pulsebox/pulsebox.yaml")
