"""The page of the box in the guest, in a real browser on this machine: a camera that is plugged in there is found on the
page, tried, added and watched. What the browser does stands in firmware/e2e/vm; screenshots are kept in
target/screenshots/vm-*.png."""

import os
import shutil
import subprocess

import pytest

from vm.rig.paths import REPOSITORY

E2E = REPOSITORY / "firmware" / "e2e"
CHROMIUM = os.environ.get("PULSEBOX_CHROMIUM", "/usr/bin/chromium")
# One capture node of the kernel's own test camera, as a webcam has one.
PLUG_IN = "modprobe vivid n_devs=1 node_types=0x1 input_types=0 && udevadm settle --timeout=60"
UNPLUG = "modprobe -r vivid"


@pytest.fixture
def camera(virt):
    virt.ask(PLUG_IN)
    yield
    virt.ask(f"{UNPLUG} 2>/dev/null; true")


def browse(page: str, spec: str, seconds: float) -> None:
    """Runs one of firmware/e2e/vm against the page; fails with what Playwright says."""
    if shutil.which("npx") is None or not os.access(CHROMIUM, os.X_OK):
        pytest.fail("no Node or no Chromium here: scripts/need test-page")
    subprocess.run([REPOSITORY / "scripts" / "install-locked", "firmware/e2e"], cwd=REPOSITORY, check=True, timeout=300)
    command = ["npx", "--no-install", "playwright", "test", "--config", "playwright.vm.config.ts", spec]
    environment = os.environ | {"PULSEBOX_VM_PAGE": page}
    ended = subprocess.run(command, cwd=E2E, env=environment, capture_output=True, text=True, timeout=seconds)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"


def test_a_camera_at_the_box_is_offered_tried_added_and_played_on_the_page(virt, pulsebox, camera):
    box = pulsebox(virt, "heartbeat_seconds: 15")
    (offered,) = box.get("/api/local-cameras")["cameras"]
    assert offered["problem"] is None and offered["camera"] is None

    browse(box.page, "local-camera", 500)

    added = box.camera("vivid")
    assert added["url"] == offered["url"]
    box.until("it is up", lambda: box.camera("vivid")["state"] == "up")
    (watched,) = box.get("/api/local-cameras")["cameras"]
    assert watched["camera"] == "vivid"
