"""The appliance from power-on: our card, our boot loader, our system (vm/image/differences.md says what is Debian's).

One boot on virt with ten cameras, shared by the tests that only look; each prints what it measured.
"""

import re
import time
import urllib.request

import pytest

from vm.rig import system
from vm.rig.appliance import Appliance
from vm.rig.card import Card
from vm.rig.paths import say
from vm.rig.simcam import Simcam

CAMERAS = 10
# The exposure that `systemd-analyze security` gives the daemon: 10 is anything, 0 nothing.
EXPOSURE = 2.0
# MB in use with ten cameras, without caches; the aim on a box.
MEMORY_AIM = 96
SMALL = ("--protocol", "http-mjpeg", "--width", "320", "--height", "180", "--fps", "2")

# What is mounted, and whether it may be written: docs/image.md. What systemd and the kernel mount for themselves (/proc,
# /sys, /dev, /run) is not the appliance's.
NOT_OURS = re.compile(r"^/(proc|sys|dev|run|tmp)(/|$)")
# At a first start the machine-id is systemd's own.
MOUNTS = {
    "/": ("squashfs", "ro"), "/boot/firmware": ("vfat", "ro"), "/data": ("ext4", "rw"), "/var": ("tmpfs", "rw"),
    "/etc/machine-id": ("tmpfs", "ro"),
}  # fmt: skip
# Folders that root may write to: /data, and what is in memory.
WRITABLE = re.compile(r"^/(data|run|dev|proc|sys|tmp|var)(/|$)")
# Runs a command while nobody has the boot partition mounted to be written: overlay/usr/lib/pulsebox/with-p1.
ALONE = "flock /run/box-p1.lock"


def configuration(urls: list[str]) -> bytes:
    cameras = "".join(
        f'  - {{ id: cam{number}, name: Camera {number}, url: "{url}", heartbeat_seconds: 15 }}\n'
        for number, url in enumerate(urls, 1)
    )
    return f"streams:\n{cameras}".encode()


@pytest.fixture(scope="module")
def box(yard):
    """A box that was switched on for the first time, with ten cameras in its pulsebox.yaml, and has come to rest."""
    yard.stop()
    with Simcam(CAMERAS, *SMALL) as cameras:
        card = Card.new()
        card.put("pulsebox.yaml", configuration(cameras.urls))
        with Appliance(card, name="image-boot") as box:
            box.until_up()
            box.until_healthy()
            box.page_seconds = time.monotonic() - box.powered_at
            box.claim()
            box.until("every camera has its verdict", lambda: all_up(box), 400)
            box.verdict_seconds = time.monotonic() - box.powered_at
            box.settled = box.until_settled()
            # It comes seconds after the last verdict.
            box.until("STATUS.TXT is on the card", lambda: box.run(f"{ALONE} test -s /boot/firmware/STATUS.TXT").code == 0, 200)
            yield box


def all_up(box) -> bool:
    cameras = box.get("/api/streams")
    listed = cameras["streams"] if isinstance(cameras, dict) else cameras
    return len(listed) == CAMERAS and all(camera["state"] == "up" for camera in listed)


def test_it_starts_from_its_card_to_the_slots_root(box):
    told = box.ask("cat /proc/cmdline; findmnt -no SOURCE,FSTYPE,OPTIONS /")
    assert "rauc.slot=A" in told and re.search(r"/dev/mmcblk0p2\s+squashfs\s+ro", told), told
    assert box.card.environment()["BOOT_ORDER"].split() == ["A", "B"]


def test_the_page_is_there(box):
    with urllib.request.urlopen(f"{box.page}/", timeout=60) as answer:
        page = answer.read().decode()
    assert "<title>Pulsebox" in page, page
    program = re.search(r'src="\./?(assets/[^"]+\.js)"', page)[1]
    with urllib.request.urlopen(f"{box.page}/{program}", timeout=60) as answer:
        assert "javascript" in answer.headers["Content-Type"] and len(answer.read()) > 10_000


def test_the_daemon_may_do_little(box):
    told = box.ask("systemd-analyze security --no-pager pulsebox.service", 200)
    assert "User=pulsebox" in box.ask("systemctl show -p User pulsebox"), "the appliance's own settings are in force"
    exposure = float(re.search(r"Overall exposure level for pulsebox.service: ([\d.]+)", told)[1])
    assert exposure <= EXPOSURE, told


def test_no_unit_has_failed_and_no_order_goes_in_a_circle(box):
    assert box.settled == ("running", "")
    journal = "journalctl -b --no-pager"
    assert int(box.ask(f"{journal} | wc -l")) > 50
    assert box.run(f"{journal} | grep -i 'ordering cycle'").text == ""


def test_each_unit_points_to_documentation_that_is_in_the_box(box):
    named = box.ask("grep -hro 'file:/usr/share/doc/pulsebox/.*' /usr/lib/systemd/system | sort -u").split()
    assert named
    files = [name.removeprefix("file:") for name in named]
    assert box.ask(f"for file in {' '.join(files)}; do [ -s $file ] || echo $file; done") == ""


def test_the_kernel_is_not_tainted(box):
    # 12 bits of the taint say what was loaded; Debian's modules are signed and its own.
    assert box.ask("cat /proc/sys/kernel/tainted") == "0"


def test_every_mount_is_as_the_table_says(box):
    listed = box.ask(f"{ALONE} findmnt -lno TARGET,FSTYPE,OPTIONS")
    found = {line.split()[0]: (line.split()[1], line.split()[2].split(",")[0]) for line in listed.splitlines()}
    assert {target: kind for target, kind in found.items() if not NOT_OURS.match(target)} == MOUNTS
    assert box.ask("findmnt -no SOURCE /data") == "/dev/mmcblk0p4"
    assert {"nosuid", "nodev", "noexec"} <= set(box.ask("findmnt -no OPTIONS /data").split(","))
    # It was mounted anew to be written meanwhile, and is as before.
    options = box.ask(f"{ALONE} findmnt -no OPTIONS /boot/firmware").split(",")
    assert {"ro", "dirsync", "nosuid", "nodev", "noexec", "fmask=0077", "dmask=0077"} <= set(options), options


def test_nothing_but_data_and_memory_can_be_written_not_even_by_root(box):
    tried = 'while read -r one; do (: >"$one/.rig") 2>/dev/null && { echo "$one"; rm -f "$one/.rig"; }; done </run/rig/folders; true'
    box.ask("find /boot/firmware -type d >/run/rig/folders")
    assert "/boot/firmware" in box.ask("cat /run/rig/folders").split()
    assert box.ask(f"{ALONE} sh -c '{tried}'") == ""
    box.ask("find / -xdev -type d -o -path /boot/firmware -prune -o -path /data -prune 2>/dev/null | grep '^/' >/run/rig/folders")
    wrote = box.ask(tried, 400)
    assert int(box.ask("wc -l </run/rig/folders")) > 200, "folders were tried"
    assert [line for line in wrote.splitlines() if not WRITABLE.match(line)] == []
    box.ask(": >/data/.rig && rm /data/.rig")


def test_times_of_the_start_are_told(box):
    chain = box.ask("systemd-analyze critical-chain --no-pager pulsebox.service", 120)
    told = box.ask("systemd-analyze; systemctl show -P ActiveEnterTimestampMonotonic pulsebox; systemd-analyze blame | head", 120)
    up = float(box.ask("cut -d ' ' -f 1 /proc/uptime"))
    before_kernel = time.monotonic() - box.powered_at - up
    timed = re.search(r"in ([\d.]+)s \(kernel\) \+ (?:(\d+)min )?([\d.]+)s \(userspace\)", told)
    kernel = float(timed.group(1))
    userspace = 60 * int(timed.group(2) or 0) + float(timed.group(3))
    ready = int(re.search(r"^(\d+)$", told, re.MULTILINE).group(1)) / 1e6 - kernel
    say(
        f"start on this host: to the kernel {before_kernel:.1f} s, kernel {kernel:.1f} s, systemd to the daemon ready {ready:.1f} s of its {userspace:.1f} s "
        f"(ratio {ready / userspace:.2f}); from power-on: shell {box.boot_seconds:.0f} s, page {box.page_seconds:.0f} s, "
        f"verdict on all {CAMERAS} cameras {box.verdict_seconds:.0f} s"
    )
    say(f"{told}\n{chain}")
    # Neither for a network nor for the time: cameras are watched as soon as there is one.
    assert "pulsebox-data.service" in chain and not re.search("online|time-s|wait", chain), chain


def test_memory_in_use_is_told(box):
    # Of /proc/meminfo: what cannot be had back.
    fields = dict(re.findall(r"^(\w+):\s+(\d+) kB", box.ask("cat /proc/meminfo"), re.MULTILINE))
    used = (int(fields["MemTotal"]) - int(fields["MemAvailable"])) / 1000
    daemon = int(box.ask("systemctl show -P MemoryCurrent pulsebox")) / 1e6
    say(f"memory: {used:.0f} MB in use with {CAMERAS} cameras (aim {MEMORY_AIM}), of them the daemon {daemon:.0f} MB")
    parts = ("AnonPages", "Shmem", "SUnreclaim", "Percpu", "KernelStack", "PageTables")
    say("of which " + ", ".join(f"{part} {int(fields[part]) / 1000:.0f} MB" for part in parts))
    # Debian's kernel and libraries need more.
    assert used < (300 if system.given_image() is None else MEMORY_AIM)


def test_sizes_are_told():
    root, bundle = system.sizes()
    of = "Debian's packages, little compressed" if system.given_image() is None else "Buildroot's"
    say(f"sizes ({of}): root {root / 1e6:.0f} MB of 268, update {bundle / 1e6:.0f} MB")
    assert root < 268_435_456
