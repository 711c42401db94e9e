"""Local cameras on the kernel's own V4L2, with `vivid` as the camera: what a person sees who plugs one in.

vivid is a driver in the kernel that behaves as a webcam and breaks on demand: its controls take its picture away, stop
it, make it black, disconnect it.
"""

import json
import time
import urllib.request

import pytest

# Small and seldom: the guest is emulated, and vivid paints each picture with its processor.
SMALL = "format=yuyv&size=320x180&fps=5"


class Vivid:
    """Two webcams (`nodes`), and one whose pictures come in several planes (`planar`)."""

    LOAD = "modprobe vivid n_devs=3 node_types=0x1,0x1,0x1 input_types=0,0,0 multiplanar=1,1,2"

    def __init__(self, machine):
        self.machine = machine
        machine.ask("modprobe -r vivid 2>/dev/null; " + self.LOAD + " && udevadm settle", 120)
        listed = machine.ask("grep -l vivid /sys/class/video4linux/video*/name | sort -V").split()
        *self.nodes, self.planar = [f"/dev/{path.split('/')[4]}" for path in listed]
        self.node = self.nodes[0]

    def set(self, **controls):
        words = ",".join(f"{name}={value}" for name, value in controls.items())
        self.machine.ask(f"v4l2-ctl -d {self.node} -c {words}")

    def url(self, query=SMALL, node=None):
        return f"v4l2://{node or self.node}?{query}"

    def check(self, query=SMALL, *, node=None, options="--timeout 40", run="pulsebox", seconds=90):
        """`pulsebox check` in the guest; its exit code and JSON."""
        url = self.url(query, node)
        ended = self.machine.run(f"{run} check '{url}' --json {options}", seconds)
        assert ended.text, ended.errors.decode(errors="replace")
        return ended.code, json.loads(ended.text)


@pytest.fixture
def vivid(virt):
    vivid = Vivid(virt)
    yield vivid
    virt.ask("systemctl stop 'grab*' 2>/dev/null; true")


def config(*cameras, frozen_seconds=3600):
    """pulsebox.yaml with these cameras: name and URL each. vivid paints the same first pictures whenever it is opened,
    so that only who means it calls them frozen."""
    alarm = f"{{ failures: 1, frozen_checks: 3, frozen_seconds: {frozen_seconds} }}"
    rows = [
        f'  - {{ name: {name}, url: "{url}", heartbeat_seconds: 5, timeout_seconds: 40, alarm: {alarm} }}'
        for name, url in cameras
    ]
    return "streams:\n" + "\n".join(rows)


def holders(machine, node):
    """How often the daemon has the node open now."""
    return int(machine.ask(f"ls -l /proc/$(pgrep -ox pulsebox)/fd 2>/dev/null | grep -c -- '-> {node}$' || true"))


class Watching:
    """An MJPEG view from outside, as a browser without JavaScript has it."""

    def __init__(self, box, camera, quality="low"):
        headers = {"Authorization": f"Bearer {box._token}"}
        request = urllib.request.Request(f"{box.page}/api/streams/{camera}/video?quality={quality}", headers=headers)
        self.answer = urllib.request.urlopen(request, timeout=60)

    def pictures(self, count):
        """So many JPEGs, each whole."""
        pictures = []
        while len(pictures) < count:
            line = self.answer.readline()
            assert line, "the view ended"
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
                while self.answer.readline().strip():
                    pass
                pictures.append(self.answer.read(length))
                assert pictures[-1].startswith(b"\xff\xd8") and pictures[-1].endswith(b"\xff\xd9")
        return pictures

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.answer.close()


def size(jpeg):
    """Width and height of a JPEG, from its frame header."""
    at = 2
    while jpeg[at + 1] not in (0xC0, 0xC1, 0xC2):
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return int.from_bytes(jpeg[at + 7 : at + 9], "big"), int.from_bytes(jpeg[at + 5 : at + 7], "big")


# One of each kind; test_raw.py looks at every form's colours.
@pytest.mark.parametrize("form", ["yuyv", "nv12", "BG10"])
def test_a_raw_form_gives_a_picture_over_the_rungs_of_a_device(vivid, form):
    code, found = vivid.check(f"format={form}&size=320x180&fps=5", options="--timeout 40 --picture /tmp/seen.jpg")
    assert (code, found["verdict"]) == (0, "ok"), found
    assert (found["stream"]["codec"], found["decoded"]) == ("raw", True)
    assert (found["stream"]["width"], found["stream"]["height"]) == (320, 180)
    rungs = [step["rung"] for step in found["rungs"]]
    assert rungs == ["connect", "describe", "first_packet", "first_key_frame", "picture"]
    # Four pixels of a sensor make one of the picture.
    shown = (320, 180) if form in ("yuyv", "nv12") else (160, 90)
    assert size(vivid.machine.console.get("/tmp/seen.jpg")) == shown


def test_without_options_the_cheapest_good_picture_is_chosen(vivid):
    code, found = vivid.check("", options="--timeout 60")
    assert code == 0, found
    stream = found["stream"]
    assert (stream["profile"], stream["width"], stream["height"]) == ("NV12", 1280, 720)


def test_what_is_asked_for_and_not_there_is_told_with_what_is_there(vivid):
    code, found = vivid.check("format=yuyv&size=333x222")
    assert (code, found["verdict"]) == (1, "unsupported")
    assert "333x222" in found["message"] and "320x180" in found["message"], found["message"]
    code, found = vivid.check("format=h264")
    assert (code, found["verdict"]) == (1, "unsupported")
    ended = vivid.machine.run(f"pulsebox check 'v4l2://{vivid.node}?format=gif'")
    assert ended.code == 2 and b"yuyv, nv12, mjpeg" in ended.errors


def test_what_is_no_camera_is_not_found_or_not_supported_and_nothing_else_is_opened(vivid):
    assert vivid.check(node="/dev/video77")[1]["verdict"] == "not_found"
    assert vivid.check(node="/dev/v4l/by-id/usb-gone")[1]["verdict"] == "not_found"
    code, found = vivid.check("", node=vivid.planar)
    assert (code, found["verdict"]) == (1, "unsupported")
    assert "several planes" in found["message"]
    opened = vivid.machine.run("strace -f -e trace=open,openat pulsebox check v4l2:///dev/ttyAMA0 --json", 120)
    assert json.loads(opened.text)["verdict"] == "unsupported"
    assert b"/dev/ttyAMA0" not in opened.errors.replace(b"v4l2:///dev/ttyAMA0", b"")


def test_a_device_that_pulsebox_may_not_open_says_which_group_is_missing(vivid):
    code, found = vivid.check(run="setpriv --reuid=65534 --regid=65534 --clear-groups pulsebox")
    assert (code, found["verdict"]) == (1, "auth")
    assert "group `video`" in found["message"], found["message"]


def test_a_device_in_use_is_busy_and_its_user_is_not_disturbed(vivid):
    vivid.machine.ask(f"systemd-run --collect --unit=grab v4l2-ctl -d {vivid.node} --stream-mmap=3 --stream-to=/dev/null")
    vivid.machine.ask(f"until v4l2-ctl -d {vivid.node} --set-fmt-video=width=320 2>&1 | grep -qi busy; do sleep 0.2; done")
    code, found = vivid.check()
    assert (code, found["verdict"]) == (1, "busy"), found
    assert vivid.machine.ask("systemctl is-active grab") == "active"
    vivid.machine.ask("systemctl stop grab")
    assert vivid.check()[0] == 0


def test_a_driver_that_delivers_nothing_is_no_media_at_the_deadline(vivid):
    vivid.set(percentage_of_dropped_buffers=100)
    code, found = vivid.check(options="--timeout 4")
    vivid.set(percentage_of_dropped_buffers=0)
    assert (code, found["verdict"]) == (1, "no_media"), found
    assert 3900 < found["total_ms"] < 6000
    assert [step["rung"] for step in found["rungs"]] == ["connect", "describe"]


def test_one_damaged_buffer_is_passed_over(vivid):
    vivid.set(inject_v4l2_buf_flag_error=1)
    code, found = vivid.check()
    assert (code, found["verdict"]) == (0, "ok"), found


@pytest.mark.parametrize(
    "control", ["inject_vidioc_reqbufs_error", "inject_vidioc_qbuf_error", "inject_vidioc_streamon_error"]
)
def test_a_driver_that_refuses_to_start_is_told_and_asked_again_at_the_next_check(vivid, control):
    vivid.set(**{control: 1})
    code, found = vivid.check()
    assert (code, found["verdict"]) == (1, "protocol"), found
    assert vivid.check()[1]["verdict"] == "ok"


@pytest.mark.parametrize(
    "control, verdict, words",
    [("disconnect", "not_found", "unplugged"), ("inject_fatal_streaming_error", "protocol", "could not go on")],
)
def test_a_device_that_breaks_off_while_it_streams_is_told_at_once(vivid, control, verdict, words):
    vivid.set(percentage_of_dropped_buffers=100)
    vivid.machine.ask(f"rm -f /tmp/found; systemd-run --collect --unit=grab-check sh -c \"pulsebox check '{vivid.url()}' --json --timeout 60 >/tmp/found\"")
    # It streams: the driver refuses another size.
    vivid.machine.ask(f"until v4l2-ctl -d {vivid.node} --set-fmt-video=width=640 2>&1 | grep -qi busy; do sleep 0.2; done")
    began = time.monotonic()
    vivid.set(**{control: 1})
    vivid.machine.ask("while systemctl is-active -q grab-check; do sleep 0.1; done", 60)
    found = json.loads(vivid.machine.ask("cat /tmp/found"))
    assert found["verdict"] == verdict and words in found["message"], found
    assert time.monotonic() - began < 30, "not at the deadline"
    vivid.set(percentage_of_dropped_buffers=0)
    assert vivid.check()[1]["verdict"] == "ok"


def test_a_black_picture_is_black(vivid):
    vivid.set(test_pattern=5, osd_text_mode=2)
    code, found = vivid.check()
    assert (code, found["verdict"]) == (1, "black"), found


def test_a_picture_that_stands_still_is_frozen_and_one_that_moves_again_is_up(vivid, pulsebox):
    vivid.set(test_pattern=0, osd_text_mode=2, horizontal_movement=3, vertical_movement=3)
    box = pulsebox(vivid.machine, config(("Bench", vivid.url()), frozen_seconds=0))
    box.until("frozen", lambda: box.camera("bench")["verdict"] == "frozen", 180)
    assert box.camera("bench")["state"] == "down"
    vivid.set(osd_text_mode=0, horizontal_movement=0)
    # It stays open, so that each check sees a later picture.
    with Watching(box, "bench") as view:
        view.pictures(1)
        box.until("up", lambda: view.pictures(1) and box.camera("bench")["state"] == "up", 120)


def test_a_live_view_from_outside_shows_the_camera_and_lets_go_of_it_at_the_end(vivid, pulsebox):
    vivid.set(osd_text_mode=0, horizontal_movement=0)
    box = pulsebox(vivid.machine, config(("Bench", vivid.url())))
    with Watching(box, "bench") as view:
        pictures = view.pictures(6)
    assert {size(picture) for picture in pictures} == {(320, 180)}
    assert len(set(pictures)) >= 4, "they differ"
    camera = box.until("checked", lambda: (seen := box.camera("bench"))["state"] == "up" and seen)
    assert camera["stream"]["codec"] == "raw"
    assert camera["stream"]["profile"] == "YUYV"
    # The grace for viewers who come back, and the checks in between.
    box.until("the device is closed", lambda: holders(vivid.machine, vivid.node) == 0, 60)


def test_two_cameras_and_viewers_of_one_device_share_it(vivid, pulsebox):
    vivid.set(osd_text_mode=0)
    box = pulsebox(vivid.machine, config(("One", vivid.url()), ("Two", vivid.url())))
    with Watching(box, "one") as one, Watching(box, "two") as two:
        for view in (one, two):
            assert len(view.pictures(3)) == 3
        assert holders(vivid.machine, vivid.node) == 1
        found = box.post("/api/check", {"url": vivid.url()})
        assert found["verdict"] == "ok", found
        for name in ("one", "two"):
            box.until("up", lambda name=name: box.camera(name)["state"] == "up", 60)
        # Another size at the same time is refused, and nobody is disturbed.
        found = box.post("/api/check", {"url": vivid.url("format=yuyv&size=640x360")})
        assert found["verdict"] == "busy", found
        assert "same options" in found["message"]
        assert len(one.pictures(2)) == 2


def test_a_camera_that_is_unplugged_is_down_and_comes_back_by_itself(vivid, pulsebox):
    vivid.set(osd_text_mode=0)
    url = vivid.url()
    box = pulsebox(vivid.machine, config(("Bench", url)))
    box.until("up", lambda: box.camera("bench")["state"] == "up")
    with Watching(box, "bench") as view:
        view.pictures(2)
        vivid.machine.ask("echo vivid.0 > /sys/bus/platform/drivers/vivid/unbind", 60)
        down = box.until("down", lambda: (seen := box.camera("bench"))["state"] == "down" and seen, 60)
    assert down["verdict"] == "not_found", down
    box.until("the device is let go", lambda: holders(vivid.machine, vivid.node) == 0, 30)
    vivid.machine.ask("echo vivid.0 > /sys/bus/platform/drivers/vivid/bind && udevadm settle", 60)
    box.until("up again", lambda: box.camera("bench")["state"] == "up", 90)
    with Watching(box, "bench") as view:
        assert len(view.pictures(2)) == 2


def test_a_camera_whose_driver_is_loaded_after_the_daemon_started_is_watched(virt, pulsebox):
    # As on a box where nothing was plugged in at boot: the kernel has no number for cameras yet.
    virt.ask("modprobe -r vivid uvcvideo 2>/dev/null; modprobe -r vivid videodev 2>/dev/null; true", 60)
    assert "video4linux" not in virt.ask("cat /proc/devices")
    box = pulsebox(virt, config(("Bench", f"v4l2:///dev/video0?{SMALL}")))
    box.until("nothing is plugged in", lambda: box.camera("bench")["verdict"] == "not_found")
    assert Vivid(virt).node == "/dev/video0"
    box.until("up", lambda: box.camera("bench")["state"] == "up", 120)


def test_damaged_pictures_are_told_as_lost(vivid):
    # A check counts the loss over some 0.8 s, in which a slow guest may not get to damage one.
    vivid.machine.ask(
        "systemd-run --collect --unit=grab-damage sh -c "
        f"'while sleep 0.3; do v4l2-ctl -d {vivid.node} -c inject_v4l2_buf_flag_error=1; done'"
    )
    for _ in range(10):
        code, found = vivid.check()
        assert code == 0, found
        if found["stream"]["loss_percent"] > 0:
            break
    assert 0 < found["stream"]["loss_percent"] < 90, found["stream"]
