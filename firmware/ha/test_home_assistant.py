"""What a person sees in Home Assistant, against the real one. The words and units come from docs/home-assistant.md,
which the daemon's own tests hold against its tables."""

import json
import re
import time
from datetime import datetime

import pytest
from box import ROOT

DOCUMENTATION = (ROOT / "docs" / "home-assistant.md").read_text()


def tables():
    """The rows of the box's table and of the camera's: key, name, kind, category, class, unit."""
    box, camera = DOCUMENTATION.split("### Each camera")
    row = re.compile(r"^\| ([^|]+) \| `(\w+)` \| (\w+)(, diagnostic)? \| ([^|]+) \| ([^|]+) \| [^|]+ \|$", re.M)

    def rows(text):
        dash = lambda cell: None if cell == "–" else cell
        return [(key, name, kind, "diagnostic" if category else None, dash(cls), dash(unit)) for name, key, kind, category, cls, unit in row.findall(text)]

    return rows(box), rows(camera)


def expected(house):
    """Each entity that should be: unique id, entity id and what it is."""
    of_box, of_camera = tables()
    root = f"pulsebox_{house.box.id}"
    for key, *rest in of_box:
        yield f"{root}_{key}", f"{rest[1]}.pulsebox_{key}", rest
    for stream in house.streams:
        for key, *rest in of_camera:
            yield f"{root}_{stream['id']}_{key}", f"{rest[1]}.{stream['id']}_{key}", rest


def test_the_box_and_its_cameras_appear_with_every_entity_as_documented(house):
    registry, states = house.home.entities(), house.home.states()
    wanted = list(expected(house))
    assert len(wanted) == 16 + 3 + 3 * 14
    assert set(registry) == {unique for unique, _, _ in wanted}
    for unique, entity, (name, _, category, cls, unit) in wanted:
        entry, attributes = registry[unique], states[entity]["attributes"]
        assert (entry["entity_id"], entry["original_name"], entry["entity_category"]) == (entity, name, category)
        assert attributes.get("device_class") == cls, entity
        assert attributes.get("unit_of_measurement") == unit, entity
        assert states[entity]["state"] != "unavailable", entity


def test_devices_have_their_names_and_cameras_belong_to_the_box(house):
    devices = house.home.devices()
    root = f"pulsebox_{house.box.id}"
    assert set(devices) == {root} | {f"{root}_{stream['id']}" for stream in house.streams}
    for stream in house.streams:
        device = devices[f"{root}_{stream['id']}"]
        assert device["name"] == stream["name"]
        assert device["via_device_id"] == devices[root]["id"]
    assert devices[root]["sw_version"] and devices[root]["serial_number"] == house.box.id


def test_figures_and_words_arrive(house):
    states = house.home.until("a check has been counted", lambda: (s := house.home.states())["sensor.gate_frame_rate"]["state"] != "unknown" and s)
    state = {entity: found["state"] for entity, found in states.items()}
    assert float(state["sensor.gate_frame_rate"]) == pytest.approx(10, abs=4)
    assert float(state["sensor.gate_first_frame"]) > 0 and float(state["sensor.gate_bit_rate"]) > 0
    assert (state["sensor.gate_verdict"], state["binary_sensor.gate_connected"], state["binary_sensor.gate_problem"]) == ("ok", "on", "off")
    assert state["sensor.gate_since"].startswith("20") and state["sensor.gate_last_good_frame"].startswith("20")
    house.home.until("the box counts three", lambda: house.home.state("sensor.pulsebox_cameras_up") == "3")
    assert state["sensor.pulsebox_cameras_down"] == "0"
    assert state["sensor.pulsebox_state"] in ("all_up", "no_network")
    assert float(state["sensor.pulsebox_memory"]) > 0 and float(state["sensor.pulsebox_storage_left"]) > 0
    assert state["sensor.pulsebox_started"].startswith("20") and state["sensor.pulsebox_written_a_day"] == "unknown"
    assert states["sensor.gate_state"]["attributes"]["codec"] == "h264"
    assert states["sensor.gate_verdict"]["attributes"]["options"][:2] == ["ok", "dns"]


def test_a_camera_goes_down_and_comes_back(house):
    home = house.home
    house.cameras.become(0, "refuses")
    home.until("the gate is down", lambda: home.state("sensor.gate_state") == "down")
    states = home.states()
    assert states["sensor.gate_verdict"]["state"] == "refused"
    assert states["binary_sensor.gate_connected"]["state"] == "off", "dead, and not unavailable"
    assert states["binary_sensor.gate_problem"]["state"] == "on"
    assert "nothing listens" in states["binary_sensor.gate_problem"]["attributes"]["title"]
    assert states["binary_sensor.gate_problem"]["attributes"]["advice"]
    home.until("the box counts it", lambda: home.state("sensor.pulsebox_cameras_down") == "1")
    assert home.state("sensor.barn_state") == "up"
    house.cameras.become(0, "healthy")
    home.until("the gate is up again", lambda: home.state("sensor.gate_state") == "up")
    home.until("the box counts it", lambda: home.state("sensor.pulsebox_cameras_down") == "0")


def test_a_black_picture_is_a_problem_of_a_camera_that_is_connected(house):
    home = house.home
    house.cameras.become(0, "black")
    home.until("the gate is down", lambda: home.state("sensor.gate_state") == "down")
    assert home.state("sensor.gate_verdict") == "black"
    assert (home.state("binary_sensor.gate_connected"), home.state("binary_sensor.gate_problem")) == ("on", "on")
    house.cameras.become(0, "healthy")
    home.until("the gate is up again", lambda: home.state("sensor.gate_state") == "up")


def test_the_picture_is_a_jpeg(house):
    for stream in house.streams:
        kind, jpeg = house.home.call("GET", f"/api/image_proxy/image.{stream['id']}_picture")
        assert kind == "image/jpeg"
        assert jpeg[:3] == b"\xff\xd8\xff" and jpeg[-2:] == b"\xff\xd9" and len(jpeg) > 2000


def looks(house, id):
    """Listens; gives a function that tells when the camera was last looked at."""
    topic = f"pulsebox/{house.box.id}/cam/{id}/state"
    house.home.listen(house.broker, topic)

    def looked():
        return [json.loads(payload)["checked_at"] for payload in house.home.heard(topic)][-1]

    # It tells whole seconds: what is asked for from here on begins in a later one.
    last = datetime.fromisoformat(looked()).timestamp()
    house.home.until("another second has begun", lambda: time.time() >= last + 1)
    return looked


def test_the_button_checks_at_once(house):
    looked = looks(house, "attic")
    before = looked()
    house.home.act("button.press", "button.attic_check")
    house.home.until("the attic was looked at", lambda: looked() != before)


def test_the_box_checks_all_and_shows_itself(house):
    home = house.home
    looked = looks(house, "attic")
    results = f"pulsebox/{house.box.id}/cmd/result"
    home.listen(house.broker, results)
    before = looked()
    home.act("button.press", "button.pulsebox_check_all")
    home.until("the attic was looked at", lambda: looked() != before)
    home.act("button.press", "button.pulsebox_identify")

    def answered():
        return [json.loads(payload) for payload in home.heard(results)] == [
            {"command": command, "id": None, "ok": True} for command in ("check", "identify")
        ]

    home.until("both were answered", answered)


def test_an_update_that_waits_is_installed_from_home_assistant_and_its_progress_seen(house):
    home, box = house.home, house.box
    home.until("nothing is newer", lambda: home.state("update.pulsebox_update") == "off")
    assert home.state("sensor.pulsebox_last_start") == "power"
    attributes = home.states()["sensor.pulsebox_last_start"]["attributes"]
    assert (attributes["last_start_message"], attributes["slot"]) == ("The power was cut.", "A")

    def update():
        return home.states()["update.pulsebox_update"]

    box.tell("update", state="waiting", version="1.3.0", message="Version 1.3.0 is ready to be installed.")
    home.until("it is offered", lambda: update()["state"] == "on")
    assert (update()["attributes"]["installed_version"], update()["attributes"]["latest_version"]) == ("1.2.0", "1.3.0")
    home.act("update.install", "update.pulsebox_update")
    home.until("root's jobs are asked", lambda: box.takes("install"))
    box.tell("update", state="writing", version="1.3.0", percent=41)
    home.until("its progress is seen", lambda: update()["attributes"]["update_percentage"] == 41 and update()["attributes"]["in_progress"] is True)
    home.until("the box says so", lambda: home.state("sensor.pulsebox_state") == "updating")
    box.tell("update", state="rolled-back", version="1.3.0", message="Version 1.3.0 was tried and put back.")
    home.until("it is over", lambda: update()["state"] == "off" and update()["attributes"]["in_progress"] is False)
    assert update()["attributes"]["update_state"] == "rolled_back"
    assert update()["attributes"]["release_summary"] == "Version 1.3.0 was tried and put back."
    home.act("button.press", "button.pulsebox_restart")
    home.until("a restart is asked for", lambda: box.takes("restart"))


def test_the_switch_pauses_and_resumes(house):
    home = house.home
    assert home.state("switch.gate_pause") == "off"
    home.act("switch.turn_on", "switch.gate_pause")
    home.until("the gate is paused", lambda: home.state("sensor.gate_state") == "paused" and home.state("switch.gate_pause") == "on")
    home.until("nothing is known of it", lambda: home.state("binary_sensor.gate_problem") == "unknown")
    home.act("switch.turn_off", "switch.gate_pause")
    home.until("the gate is up again", lambda: home.state("sensor.gate_state") == "up" and home.state("switch.gate_pause") == "off")


def test_a_box_that_loses_its_power_is_unavailable_with_all_that_it_watches(house):
    home = house.home
    ours = [entity for _, entity, _ in expected(house)]
    house.box.kill()
    home.until("all is unavailable", lambda: (s := home.states()) and all(s[entity]["state"] == "unavailable" for entity in ours))
    house.box.start()
    home.until("all is back", lambda: house.has_settled() and home.state("sensor.pulsebox_cameras_up") == "3")
    assert "unavailable" not in {home.states()[entity]["state"] for entity in ours}


def test_a_renamed_camera_keeps_its_entities(house):
    home = house.home
    before = {unique: entry["entity_id"] for unique, entry in home.entities().items()}
    device = f"pulsebox_{house.box.id}_gate"
    house.box.configure([{**house.streams[0], "name": "Main gate"}, *house.streams[1:]])
    home.until("it has its new name", lambda: home.devices()[device]["name"] == "Main gate")
    assert {unique: entry["entity_id"] for unique, entry in home.entities().items()} == before
    house.box.configure(house.streams)
    home.until("it has its old name", lambda: home.devices()[device]["name"] == "Gate")


def test_an_added_camera_appears_and_a_removed_one_disappears(house):
    home = house.home
    device = f"pulsebox_{house.box.id}_spare"
    house.box.configure([*house.streams, house.spare])
    home.until("the spare one is up", lambda: home.state("sensor.spare_state") == "up")
    house.box.configure(house.streams)
    home.until("its device is gone", lambda: device not in home.devices())
    assert not [unique for unique in home.entities() if unique.startswith(f"{device}_")]
    assert not [entity for entity in home.states() if ".spare_" in entity]


def test_a_camera_that_was_removed_while_the_box_was_off_disappears_too(house):
    home = house.home
    device = f"pulsebox_{house.box.id}_spare"
    house.box.configure([*house.streams, house.spare])
    home.until("the spare one is up", lambda: home.state("sensor.spare_state") == "up")
    house.box.stop()
    house.box.configure(house.streams)
    house.box.start()
    home.until("its device is gone", lambda: device not in home.devices())
    home.until("all else is back", house.has_settled)


def test_after_a_restart_of_home_assistant_everything_is_back(house):
    home = house.home
    before = {unique: entry["entity_id"] for unique, entry in home.entities().items()}
    assert home.complaints() == []
    home.stop()
    home.start()
    home.until("all is back, pictures too", house.has_settled)
    assert {unique: entry["entity_id"] for unique, entry in home.entities().items()} == before
    test_the_picture_is_a_jpeg(house)


def automation(name):
    """An automation out of the documentation, by its alias."""
    blocks = re.findall(r"^```yaml\n(alias: .*?)^```", DOCUMENTATION, re.M | re.S)
    return next(block for block in blocks if block.startswith(f"alias: {name}\n"))


def install(house, id, text):
    """Gives Home Assistant an automation, over the API of its editor."""
    from homeassistant.util.yaml import parse_yaml

    answer = house.home.call("POST", f"/api/config/automation/config/{id}", json.loads(json.dumps(parse_yaml(text))))
    assert answer == {"result": "ok"}
    house.home.until("it is at work", lambda: any(found["attributes"].get("id") == id and found["state"] == "on" for found in house.home.states().values()))


def shown(house):
    return [event["data"] for event in house.home.events if event.get("event_type") == "phone"]


def test_the_documented_automation_sends_the_picture_of_a_camera_that_is_down(house):
    home = house.home
    text = automation("A camera is down").replace("gatecamera", "gate").replace("labcam1", "barn")
    quick = text.replace("00:02:00", "00:00:01").replace("minutes=3", "seconds=1")
    assert "seconds=1" in quick
    install(house, "down", quick)
    try:
        house.cameras.become(0, "refuses")
        told = lambda camera: [data for data in shown(house) if data["data"]["tag"] == camera]
        message = home.until("the phone was told", lambda: told("gate"))[0]
        assert message["title"] == "Gate"
        assert message["message"] == home.attributes("binary_sensor.gate_problem")["message"]
        kind, jpeg = home.call("GET", message["data"]["image"])
        assert kind == "image/jpeg" and jpeg[:3] == b"\xff\xd8\xff"

        # While the broker is away the barn goes too: that is told when it is back. The gate was, and is not told again.
        home.complaints()
        house.broker.stop()
        try:
            home.until("all is unavailable", lambda: home.state("sensor.gate_state") == "unavailable")
            house.cameras.become(1, "refuses")
        finally:
            house.broker.start()
        home.until("the phone was told of the barn", lambda: told("barn"))
        home.until("the gate is there again", lambda: home.state("sensor.gate_state") == "down")
        since = time.monotonic()
        home.until("an alarm had its time", lambda: time.monotonic() - since > 3)
        assert [len(told(camera)) for camera in ("gate", "barn")] == [1, 1]
        # But that the broker was away.
        assert [complaint for complaint in home.complaints() if "components.mqtt" not in complaint] == []
    finally:
        home.call("DELETE", "/api/config/automation/config/down")
        house.cameras.become(0, "healthy")
        house.cameras.become(1, "healthy")
        home.until("all is well again", house.has_settled)


def test_the_documented_automation_tells_that_the_box_is_gone(house):
    home = house.home
    install(house, "gone", automation("Pulsebox is gone").replace("00:05:00", "00:00:01"))
    house.box.stop()
    try:
        home.until("the phone was told", lambda: any(data["title"] == "Pulsebox is gone" for data in shown(house)))
    finally:
        home.call("DELETE", "/api/config/automation/config/gone")
        house.box.start()
        home.until("all is well again", house.has_settled)


WRONG = {
    "an unknown key at the root": lambda device: device.update(expire_after=60),
    "no origin": lambda device: device.pop("origin"),
    "a sensor without a unique id": lambda device: device["components"]["state"].pop("unique_id"),
    "a unit that its class does not have": lambda device: device["components"]["cpu_temperature"].update(unit_of_measurement="apples"),
    "a device class that there is not": lambda device: device["components"]["network"].update(device_class="trouble"),
    "a template that is none": lambda device: device["components"]["cpu"].update(value_template="{{ nothing"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_device_is_complained_of(house, wrong):
    """That the other tests can fail: the same payload as the box's, with one mistake."""
    home = house.home
    topic = f"homeassistant/device/pulsebox_{house.box.id}/config"
    home.listen(house.broker, topic)
    device = json.loads(home.heard(topic)[-1].replace(house.box.id, "deadbeef"))
    WRONG[wrong](device)
    wrong_topic = topic.replace(house.box.id, "deadbeef")
    house.broker.publish(wrong_topic, json.dumps(device))
    complaints = home.until("Home Assistant complains", home.complaints)
    assert all("components.mqtt" in complaint for complaint in complaints), complaints
    house.broker.publish(wrong_topic, "")
    if any("Invalid MQTT device discovery payload" in complaint for complaint in complaints):
        # Then there is no device, and of that it complains too.
        home.until("it has nothing to clean up", home.complaints)
    home.until("it is gone", lambda: "pulsebox_deadbeef" not in home.devices())
    home.complaints()
