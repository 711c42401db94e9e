"""Pictures that are not coded, from the kernel's own driver to what a person sees: are the colours right?

`vivid` paints eight bars, as a webcam; what `pulsebox check --picture` makes of each raw form is looked at outside.
"""

import io
import json

import pytest
from PIL import Image

BARS = (
    (255, 255, 255), (255, 255, 0), (0, 255, 255), (0, 255, 0), (255, 0, 255), (255, 0, 0), (0, 0, 255), (0, 0, 0),
)  # fmt: skip
FULL_COLOUR_BARS, ALL_WHITE = 1, 6
BAYER = tuple("BA81 GBRG GRBG RGGB BG10 GB10 BA10 RG10 BG12 GB12 BA12 RG12 BYR2 GB16 GR16 RG16".split())
# Of JPEG, and of chroma at half the size.
TOLERANCE = 10


@pytest.fixture
def vivid(virt):
    """The node of a webcam that shows the bars and nothing else."""
    virt.ask("modprobe -r vivid 2>/dev/null; modprobe vivid n_devs=1 node_types=0x1 input_types=0 && udevadm settle", 120)
    entry = virt.ask("grep -l vivid /sys/class/video4linux/video*/name | sort -V | head -1")
    node = f"/dev/{entry.split('/')[4]}"
    virt.ask(f"v4l2-ctl -d {node} -c test_pattern={FULL_COLOUR_BARS},osd_text_mode=2")
    yield node
    virt.ask("modprobe -r vivid", 60)


def seen(machine, url) -> tuple[dict, Image.Image]:
    """What a check says, and its picture."""
    ended = machine.run(f"rm -f /tmp/seen.jpg; pulsebox check '{url}' --json --timeout 60 --picture /tmp/seen.jpg", 120)
    assert ended.text, ended.errors.decode(errors="replace")
    told = json.loads(ended.text)
    assert told["verdict"] == "ok", told
    return told, Image.open(io.BytesIO(machine.console.get("/tmp/seen.jpg"))).convert("RGB")


def bars_of(picture) -> list[tuple[int, int, int]]:
    width, height = picture.size
    return [picture.getpixel(((2 * bar + 1) * width // 16, height * 3 // 4)) for bar in range(8)]


@pytest.mark.parametrize("form", ["YUYV", "NV12", *BAYER])
def test_every_raw_form_shows_its_colours(virt, vivid, form):
    told, picture = seen(virt, f"v4l2://{vivid}?format={form}&size=640x360&fps=10")
    stream = told["stream"]
    assert (stream["codec"], stream["width"], stream["height"], told["decoded"]) == ("raw", 640, 360, True)
    assert stream["profile"] == form if form in ("YUYV", "NV12") else stream["profile"].startswith("Bayer ")
    assert picture.size == ((320, 180) if form in BAYER else (640, 360))
    for shown, painted in zip(bars_of(picture), BARS, strict=True):
        off = max(abs(a - b) for a, b in zip(shown, painted, strict=True))
        assert off <= TOLERANCE, f"{form}: {shown} in the place of {painted}"


def test_a_bayer_picture_that_is_all_white_has_no_tint(virt, vivid):
    virt.ask(f"v4l2-ctl -d {vivid} -c test_pattern={ALL_WHITE}")
    url = f"v4l2://{vivid}?format=RGGB&size=640x360&fps=10"
    ended = virt.run(f"pulsebox check '{url}' --json --timeout 60 --picture /tmp/white.jpg", 120)
    # A picture without anything in it is told as what it is.
    assert json.loads(ended.text)["verdict"] == "covered"
    picture = Image.open(io.BytesIO(virt.console.get("/tmp/white.jpg"))).convert("RGB")
    assert all(level >= 250 for pixel in bars_of(picture) for level in pixel), bars_of(picture)
