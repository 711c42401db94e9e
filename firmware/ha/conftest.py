"""One house for all tests: broker, Home Assistant, cameras, box. Each test leaves it as it found it."""

from dataclasses import dataclass

import pytest

from box import Box, Broker, Cameras, free_port
from home import HomeAssistant

# What YAML, JSON, Jinja, a topic or a shell could stumble over.
ODD = """{{ 1/0 }} "Barn" 🐄 {% raw %} 'x' \\ #+/ <b>"""


@dataclass
class House:
    broker: Broker
    home: HomeAssistant
    cameras: Cameras
    box: Box
    # What the box watches, and one more camera that tests may add.
    streams: list
    spare: dict

    def has_settled(self):
        """Whether every camera is up and its picture there."""
        states = self.home.states()
        ids = [stream["id"] for stream in self.streams]
        up = all(states.get(f"sensor.{id}_state", {}).get("state") == "up" for id in ids)
        seen = all(states.get(f"image.{id}_picture", {}).get("state") not in (None, "unknown", "unavailable") for id in ids)
        return up and seen


@pytest.fixture(scope="session")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("house")
    broker, cameras = Broker(folder), Cameras(4)
    (folder / "home").mkdir()
    home = HomeAssistant(folder / "home", free_port())
    box = Box(folder / "box", broker)
    names = [("gate", "Gate"), ("barn", ODD), ("attic", "Attic"), ("spare", "Spare")]
    streams = [{"id": id, "name": name, "url": url} for (id, name), url in zip(names, cameras.urls)]
    streams[2]["heartbeat_seconds"] = 3600  # looked at only when somebody asks
    spare = streams.pop()
    house = House(broker, home, cameras, box, streams, spare)
    try:
        home.start()
        home.join(broker)
        box.configure(streams)
        box.start()
        home.until("every camera is up, with its picture", house.has_settled)
        yield house
    finally:
        box.stop()
        home.stop()
        cameras.stop()
        broker.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """With a failed test, what Pulsebox said last."""
    report = yield
    if report.failed and (house := item.funcargs.get("house")):
        report.sections.append(("Pulsebox", house.box.said()))
    return report


@pytest.fixture(autouse=True)
def nothing_to_complain_of(house):
    """After each test: neither a warning nor an error in Home Assistant's log."""
    yield
    assert house.home.complaints() == []
