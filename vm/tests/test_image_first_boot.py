"""First boots with each kind of pulsebox.yaml on the card: what LED, page and STATUS.TXT say, and what is left on the card.

Where the card is read, the machine is off: its plug was pulled.
"""

import re
import shlex
from statistics import median

from vm.rig.appliance import Appliance
from vm.rig.card import Card
from vm.rig.gpio import Pins

# Nobody listens there, so that the camera is down soon.
CAMERA = """\
heartbeat_seconds: 5
streams:
  - name: Gate
    url: rtsp://admin:geheim-gate@10.0.2.2:9/live
    alarm: { failures: 1 }
"""
AWAY = "rtsp://admin:geheim-gate@"
# Another password: what a PC leaves behind when it saves a file anew is out of the box's reach (docs/configuration.md).
WRONG_KEY = CAMERA.replace("    url:", "    ur:").replace("geheim-gate", "geheim-before")
WIFI = 'network:\n  name: barn\n  wifi: { ssid: "Back yard \\"7\\"", password: geheim-wifi, country: DE }\n'
SECRETS = (b"geheim-gate", b"geheim-wifi")
# The router of the same room, made inside: an access point that gives addresses. The radio has a network of its own, as
# another machine's would have.
ACCESS_POINT = r"""
set -e
mkdir -p /run/router
cat >/run/router/wifi <<'END'
country=DE
network={
    ssid="Back yard "7""
    mode=2
    frequency=2437
    key_mgmt=WPA-PSK
    proto=RSN
    pairwise=CCMP
    psk="geheim-wifi"
}
END
cat >/run/router/dhcp <<'END'
interface wlan1
start 192.168.77.10
end 192.168.77.20
lease_file /run/router/leases
pidfile /run/router/pid
option subnet 255.255.255.0
END
cat >/run/router/run <<'END'
until ip link show wlan1; do sleep 0.2; done
ip address add 192.168.77.1/24 dev wlan1
ip link set wlan1 up
: >/run/router/leases
ap=/usr/lib/rig/ap
run=
[ ! -d $ap ] || run="$ap/ld-linux-aarch64.so.1 --library-path $ap $ap/"
${run}wpa_supplicant -i wlan1 -D nl80211 -c /run/router/wifi &
exec /usr/lib/rig/busybox udhcpd -f /run/router/dhcp
END
systemd-run --unit router --collect -p PrivateNetwork=yes sh /run/router/run
modprobe mac80211_hwsim radios=2
until [ -e /sys/class/net/wlan1/phy80211/name ]; do sleep 0.2; done
iw phy "$(cat /sys/class/net/wlan1/phy80211/name)" set netns "$(systemctl show -P MainPID router)"
"""
IN_THE_ROOM = "/usr/lib/rig/busybox nsenter -n -t $(systemctl show -P MainPID router) "
# Another box of the same name there: what answers for names, with nothing of this box' own /run.
NAMESAKE = r"""
systemd-run --unit namesake --collect -p NetworkNamespacePath=/proc/$(systemctl show -P MainPID router)/ns/net \
    -p 'TemporaryFileSystem=/run/systemd /run/dbus' -E SYSTEMD_LOG_TARGET=console -E SYSTEMD_LOG_LEVEL=debug \
    /usr/lib/systemd/systemd-resolved
until journalctl -u namesake | grep -q 'barn.local IN A .* successfully probed'; do sleep 1; done
"""
# In the network that QEMU makes, where the box would be given 10.0.2.15.
FIXED_ADDRESS = "10.0.2.77"
FIXED = {"address": f"{FIXED_ADDRESS}/24", "gateway": "10.0.2.2", "dns": ["10.0.2.3"]}
GREEN, RED = 27, 17


def started(appliance, name: str | None, content: str, kind: str = "virt") -> Appliance:
    """A fresh card with this file on it, started until the page answers and this test may ask."""
    card = Card.new()
    if name is not None:
        card.put(name, content.encode())
        assert all(secret in left(card) for secret in SECRETS if secret in content.encode()), "this test would see one"
    box = appliance(card, kind)
    box.until_up()
    box.until_healthy(900)
    box.claim()
    return box


def started_again(box: Appliance, name: str, content: str) -> None:
    """The same card with another file put on it by a PC."""
    box.card.put(name, content.encode())
    box.power_on()
    box.until_up()
    box.until_healthy(900)
    box.sign_in()


def shown(box: Appliance, row: str) -> None:
    """Waits until the LED's row is this one. The rig's virt has no LED: `overall` is the card's row by the same table."""
    box.until(f"the LED says {row}", lambda: box.get("/api/system")["overall"] == row, 240)


def status(box: Appliance, *words: str) -> str:
    """STATUS.TXT as a PC reads it, once it holds all these `words` on the card; the box is off then."""
    text = " && ".join(f"grep -sqF -e {shlex.quote(one)} /boot/firmware/STATUS.TXT" for one in words)
    box.until(f"STATUS.TXT says {words}", lambda: box.run(text).code == 0, 300)
    # What is renamed into place was synced before.
    box.cut()
    told = box.card.read("STATUS.TXT").decode()
    assert all(one in told for one in words) and "\n" not in told.replace("\r\n", ""), told
    return told


def left(card: Card) -> bytes:
    """The boot partition, byte by byte."""
    return card.peek(1, 0, card.partitions[1].length)


def imported(box: Appliance) -> dict:
    return box.get("/api/system")["host"]["appliance"]["import"]


def looked_up_name(box: Appliance) -> str:
    """The name by which the box is found; the box itself looks once a minute."""
    return box.ask("systemctl start pulsebox-network-name; cat /run/box/name").strip().removeprefix("name=")


def in_force(box: Appliance) -> str:
    return box.ask("cat /data/pulsebox/pulsebox.yaml")


def is_taken(card: Card) -> None:
    """Of the person's file only what holds no password is left, not even in the partition's free space."""
    assert [name for name in card.names() if "pulsebox" in name.lower()] == ["pulsebox.taken.yaml"]
    assert b"***:***@10.0.2.2:9" in card.read("pulsebox.taken.yaml")
    raw = left(card)
    assert not [secret for secret in SECRETS if secret in raw], "a password is still on the card"


def test_a_bad_file_is_named_with_its_place_until_the_person_has_corrected_it(appliance):
    box = started(appliance, "pulsebox.yaml", "")
    shown(box, "file_refused")
    assert imported(box)["state"] == "refused"
    told = status(box, "pulsebox.yaml:1:1: the file is empty")
    assert "Correct the file" in told, told
    assert box.card.read("pulsebox.yaml") == b"", "it stays as it was"

    started_again(box, "pulsebox.yaml", WRONG_KEY)
    shown(box, "file_refused")
    assert imported(box)["state"] == "refused"
    told = status(box, "pulsebox.yaml:4:5: there is no key `ur`")
    assert "Correct the file" in told and "geheim" not in told, told
    assert box.card.read("pulsebox.yaml") == WRONG_KEY.encode(), "it stays as it was"

    started_again(box, "pulsebox.yaml", CAMERA)
    shown(box, "camera_down")
    assert imported(box)["state"] == "taken" and AWAY in in_force(box)
    assert box.ask("stat -c '%u:%g %a' /data/pulsebox/pulsebox.yaml").strip() == "900:900 600"
    told = status(box, "Gate: down", "http://pulsebox.local/", "Last error:   none")
    assert "10.0.2.2:9" not in told, told
    is_taken(box.card)


def test_the_box_joins_the_wireless_network_of_a_file_from_windows_and_gives_way_to_a_box_of_its_name(appliance):
    box = started(appliance, "Pulsebox.yaml.txt", (CAMERA + WIFI).replace("\n", "\r\n"))
    assert imported(box)["state"] == "taken" and AWAY in in_force(box)
    assert box.ask("hostname").strip() == "barn"
    box.ask(ACCESS_POINT, 180)

    def address() -> str | None:
        found = re.search(r"inet (192\.168\.77\.\d+)/24", box.run("ip -4 address show dev wlan0").text)
        return found and found[1]

    try:
        by_wifi = box.until("an address by Wi-Fi", address, 240)
    except AssertionError:
        print(box.run("journalctl -u pulsebox-wifi -u router -u systemd-networkd -n 80 --no-pager; networkctl list").text)
        raise
    page = box.ask(f"{IN_THE_ROOM} /usr/lib/rig/busybox wget -T 60 -q -O - http://{by_wifi}/ | head -c 2000", 90)
    assert "<title>Pulsebox" in page, page
    assert box.ask("stat -c %a /run/wpa_supplicant/wpa_supplicant-wlan0.conf").strip() == "600"
    shown(box, "camera_down")

    # A password with a mistake: nobody who has only the wireless network could confirm that.
    box.call("PATCH", "/api/settings", {"network.wifi.password": "geheim-wrong"})
    box.until("the wireless network is lost", lambda: box.get("/api/network")["wifi"] != "up", 100)
    box.until("the former password", lambda: "geheim-wrong" not in in_force(box), 240)
    box.until("the wireless network", lambda: box.get("/api/network")["wifi"] == "up", 120)

    # It comes again to a room where another box has its name meanwhile.
    box.ask("systemctl stop pulsebox-wifi")
    box.ask(NAMESAKE, 180)
    box.ask("systemctl start pulsebox-wifi")

    def number() -> str | None:
        name = looked_up_name(box)
        return name if re.fullmatch(r"barn\d+", name) else None

    name = box.until("a name with a number", number, 180)
    box.until("the page says it", lambda: box.get("/api/network")["name"] == name, 60)
    told = status(box, f"http://{name}.local/", f"http://{by_wifi}/")
    assert "geheim" not in told, told
    is_taken(box.card)


def test_without_a_file_the_box_starts_and_a_network_that_nobody_confirms_is_taken_back(appliance):
    box = started(appliance, None, "")
    shown(box, "nothing_yet")
    assert imported(box)["state"] == "none"
    names = box.ask("hostname; resolvectl mdns")
    assert names.startswith("pulsebox\n") and re.search(r"Link .*: yes", names), names
    assert looked_up_name(box) == "pulsebox"
    state, failed = box.until_settled(900)
    assert not failed.strip(), failed

    box.call("PATCH", "/api/settings", {"network.name": "shed"})
    box.until("the new name", lambda: box.ask("hostname").strip() == "shed", 90)
    assert 0 < box.get("/api/network")["trial"]["seconds_left"] <= 120
    box.until("its being told", lambda: looked_up_name(box) == "shed", 60)
    told = status(box, "http://shed.local/")
    assert re.search(r"^ +http://10\.0\.2\.\d+/\r$", told, re.M) and "Cameras:      none yet" in told, told

    # The plug is pulled before anybody has confirmed it.
    box.power_on()
    box.until_up()
    box.until_healthy(900)

    def is_as_before() -> bool:
        return "shed" not in in_force(box) and box.ask("hostname").strip() == "pulsebox"

    box.until("the former name", is_as_before, 240)

    # An address of its own, confirmed where the box is to be found then, outlasts the plug.
    box.call("PATCH", "/api/settings", {"network.ethernet": FIXED})
    box.follow(FIXED_ADDRESS)
    box.until_healthy(110)
    assert box.get("/api/network")["trial"] is not None
    box.call("POST", "/api/network/keep")
    box.cut()
    box.power_on()
    box.until_up()
    box.follow(FIXED_ADDRESS)
    box.until_healthy(900)
    told = box.get("/api/network")
    assert (told["addresses"], told["trial"]) == ([FIXED_ADDRESS], None)


def test_a_pi_without_a_file_pulses_green_slowly(appliance):
    pi = started(appliance, None, "", "raspi3b")
    pi.until("the LED says nothing_yet", lambda: pi.get("/api/leds")["shows"] == "nothing_yet", 400)
    pins = Pins(pi)
    assert pins.is_output(GREEN) and pins.is_output(RED)
    edges = pins.edges(26, GREEN, RED)
    assert {edge.line for edge in edges} == {GREEN} and not pins.level(RED)
    # A line that cannot be dimmed is lit for one second of four. A busy host is late now and then, not on the whole.
    lasted = [(edge.level, after.at - edge.at) for edge, after in zip(edges, edges[1:])]
    lit, dark = ([seconds for level, seconds in lasted if level is wanted] for wanted in (True, False))
    assert len(lit) >= 4 and abs(median(lit) - 1) < 0.2 and abs(median(dark) - 3) < 0.2, lasted
    told = status(pi, "http://pulsebox.local/")
    assert "Cameras:      none yet" in told, told
