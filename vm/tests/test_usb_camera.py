"""A USB camera that speaks MJPEG, on the kernel's own `uvcvideo`: what a person sees who plugs one in and pulls it out."""

import json
import urllib.request

import pytest

from vm.rig.simcam import HOST_SEEN_BY_GUEST, Simcam
from vm.rig.webcam import Webcam

SIZE = (320, 180)
URL = "v4l2:///dev/v4l/by-id/usb-Rig_Paper_Webcam_R1G0001-video-index0"
CONFIG = f"""
heartbeat_seconds: 5
streams:
  - {{ name: Bench, url: "{URL}", timeout_seconds: 30, alarm: {{ failures: 1 }} }}
"""
DHT = 0xC4


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    """Twenty different JPEGs: a simulated camera's."""
    size = ("--width", str(SIZE[0]), "--height", str(SIZE[1]))
    with Simcam(1, "--protocol", "http-mjpeg", "--codec", "mjpeg", *size) as cameras:
        url = cameras.urls[0].replace(HOST_SEEN_BY_GUEST, "127.0.0.1")
        with urllib.request.urlopen(url, timeout=20) as stream:
            return list(jpegs(stream, 20))


def jpegs(stream, count):
    """Pictures out of a multipart stream, each by the length that its part says."""
    for _ in range(count):
        length = None
        while (line := stream.readline()).strip() or length is None:
            assert line, "the stream ended"
            name, _, value = line.decode().partition(":")
            if name.lower() == "content-length":
                length = int(value)
        yield stream.read(length)


@pytest.fixture
def webcam(virt, pictures):
    with Webcam(pictures, SIZE) as camera:
        plug(virt, camera)
        yield camera
    # The next one is plugged into the same place, and known by the same folder.
    virt.ask("timeout 40 sh -c 'while [ -e /dev/v4l/by-id ]; do sleep 0.1; done' && udevadm settle", 60)


def plug(machine, camera):
    camera.plug(machine)
    machine.ask("timeout 40 sh -c 'until [ -e /dev/v4l/by-id ]; do sleep 0.1; done'; udevadm settle", 60)


def watched(box):
    """A live view of the camera as MJPEG, opened."""
    headers = {"Authorization": f"Bearer {box._token}"}
    request = urllib.request.Request(f"{box.page}/api/streams/bench/video?quality=high", headers=headers)
    return urllib.request.urlopen(request, timeout=60)


def check(machine, url=URL, timeout=30):
    ended = machine.run(f"pulsebox check '{url}' --json --timeout {timeout} --picture /tmp/seen.jpg", 90)
    assert ended.text, ended.errors.decode(errors="replace")
    return json.loads(ended.text)


def test_it_is_listed_once_by_its_own_name_with_what_to_write(virt, webcam):
    listed = json.loads(virt.ask("pulsebox cameras --json"))["cameras"]
    (camera,) = [camera for camera in listed if camera["driver"] == "uvcvideo"]
    assert (camera["url"], camera["name"], camera["stable"], camera["problem"]) == (URL, "Paper Webcam", True, None)
    assert camera["formats"] == ["MJPEG 320×180 10/s"]
    assert f'url: "{URL}"' in virt.ask("pulsebox cameras")


def test_a_check_proves_its_picture(virt, webcam):
    told = check(virt)
    stream = told["stream"]
    assert told["verdict"] == "ok" and told["decoded"], told
    assert (stream["codec"], stream["width"], stream["height"]) == ("mjpeg", *SIZE)
    # Ten; an emulator that stands still gives what has waited at once.
    assert 4 < stream["fps"] < 20
    assert virt.console.get("/tmp/seen.jpg").startswith(b"\xff\xd8")


def test_a_live_view_shows_the_very_pictures_that_the_camera_sent(virt, webcam, pictures, pulsebox):
    box = pulsebox(virt, CONFIG)
    with watched(box) as stream:
        shown = list(jpegs(stream, 5))
    assert all(picture in pictures for picture in shown)
    assert len(set(shown)) > 1, "the same picture each time"


def test_unplugged_it_is_down_and_plugged_in_again_it_is_up(virt, webcam, pulsebox):
    box = pulsebox(virt, CONFIG)
    box.until("it is up", lambda: box.camera("bench")["state"] == "up")
    (listed,) = [one for one in box.get("/api/local-cameras")["cameras"] if one["url"] == URL]
    assert (listed["camera"], listed["problem"]) == ("bench", None)
    webcam.pull()
    down = box.until("it is down", lambda: (now := box.camera("bench"))["state"] == "down" and now)
    assert down["verdict"] == "not_found", down
    assert all(one["url"] != URL for one in box.get("/api/local-cameras")["cameras"])
    plug(virt, webcam)
    box.until("it is up again", lambda: box.camera("bench")["state"] == "up")


def test_unplugged_while_it_is_watched_the_view_ends_and_the_daemon_goes_on(virt, webcam, pulsebox):
    box = pulsebox(virt, CONFIG)
    with watched(box) as stream:
        next(jpegs(stream, 1))
        webcam.pull()
        while stream.read(1 << 16):
            pass
    box.until("it is down", lambda: box.camera("bench")["verdict"] == "not_found")
    assert box.is_healthy()


def test_a_camera_that_takes_requests_and_sends_nothing_gives_no_media(virt, webcam):
    webcam.is_silent = True
    told = check(virt, timeout=8)
    assert told["verdict"] == "no_media", told


def test_pictures_that_are_cut_off_are_not_shown(virt, webcam, pictures):
    webcam.pictures = [picture[: len(picture) // 2] for picture in pictures]
    told = check(virt, timeout=15)
    assert told["verdict"] == "undecodable", told


def test_a_camera_that_leaves_out_the_huffman_tables_is_shown_with_them(virt, webcam, pictures, pulsebox):
    webcam.pictures = [without_tables(picture) for picture in pictures]
    box = pulsebox(virt, CONFIG)
    with watched(box) as stream:
        (shown,) = jpegs(stream, 1)
    assert shown not in webcam.pictures and without_tables(shown) in webcam.pictures


def without_tables(picture: bytes) -> bytes:
    """The JPEG without its Huffman tables, as some webcams send it."""
    kept, at = [picture[:2]], 2
    while picture[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(picture[at + 2 : at + 4], "big")
        if picture[at + 1] != DHT:
            kept.append(picture[at:end])
        at = end
    return b"".join(kept) + picture[at:]
