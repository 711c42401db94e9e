"""A Home Assistant to talk to: started, set up and asked as a person's browser does it, over HTTP and WebSocket."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import aiohttp

HERE = Path(__file__).resolve().parent
# What anything may take on a machine with two busy cores before the test gives up.
PATIENCE = 40
# A condition that no event announces is looked at again after this long.
LOOK_AGAIN = 0.5
# More than the longest test sees.
EVENTS_KEPT = 10_000
# What this cut-down core says of itself at each start.
OWN_COMPLAINTS = ("homeassistant.bootstrap", "homeassistant.loader", "aiohttp_fast_zlib")

CONFIGURATION = """
http:
  server_host: 127.0.0.1
  server_port: {port}
phone:
automation: !include automations.yaml
"""

# Stands for the app on somebody's phone: what it is to show becomes an event.
PHONE = """
async def async_setup(hass, config):
    async def show(call):
        hass.bus.async_fire("phone", dict(call.data))

    hass.services.async_register("notify", "mobile_app_phone", show)
    return True
"""


class HomeAssistant:
    def __init__(self, folder, port):
        self.folder = folder
        self.base = f"http://127.0.0.1:{port}"
        self._loop = asyncio.new_event_loop()
        self._process = self._session = self._socket = self._token = None
        self._number = self._read_to = 0
        phone = folder / "custom_components" / "phone"
        phone.mkdir(parents=True)
        (phone / "__init__.py").write_text(PHONE)
        manifest = {"domain": "phone", "name": "Phone", "version": "1.0.0", "dependencies": [], "documentation": "", "codeowners": []}
        (phone / "manifest.json").write_text(json.dumps(manifest))
        (folder / "automations.yaml").write_text("[]\n")
        (folder / "configuration.yaml").write_text(CONFIGURATION.format(port=port))

    def start(self):
        """Starts it; the first time, also makes its first user."""
        env = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        with (self.folder / "output").open("ab") as output:
            command = [sys.executable, HERE / "core.py", self.folder]
            self._process = subprocess.Popen(command, stdout=output, stderr=output, env=env)
        self.events = []
        self._read_to = 0  # the log begins anew
        self._run(self._open())

    def stop(self):
        if self._process is None:
            return
        self._run(self._close())
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def join(self, broker):
        """Sets its MQTT integration up, as its settings page does."""
        other = {"set_client_cert": False, "set_ca_cert": "off", "transport": "tcp"}
        flow = self.call("POST", "/api/config/config_entries/flow", {"handler": "mqtt"})
        data = {"broker": "127.0.0.1", "port": broker.port, "other_settings": other}
        made = self.call("POST", f"/api/config/config_entries/flow/{flow['flow_id']}", data)
        assert made["type"] == "create_entry", made

    def call(self, method, path, body=None):
        """Its HTTP API: JSON as such, anything else as (content type, bytes)."""
        return self._run(self._call(method, path, body))

    def ask(self, kind, **more):
        """One command of its WebSocket API; gives the result."""
        return self._run(self._ask(kind, **more))

    def listen(self, broker, topic):
        """From now on, what comes on `topic` is among the events."""
        ready = f"test/ready/{self._number}"
        broker.publish(ready, "yes")
        # Home Assistant subscribes a moment after it said so, in order: when the second is heard, the first is too.
        self.ask("mqtt/subscribe", topic=topic)
        self.ask("mqtt/subscribe", topic=ready)
        self.until("the broker was asked for it", lambda: self.heard(ready))
        broker.publish(ready, "")

    def heard(self, topic):
        """What came on a topic that is listened to, oldest first."""
        return [event["payload"] for event in self.events if event.get("topic") == topic]

    def act(self, action, entity, **more):
        """What a person does: `button.press`, `switch.turn_on`, …"""
        domain, service = action.split(".")
        self.call("POST", f"/api/services/{domain}/{service}", {"entity_id": entity, **more})

    def states(self):
        return {state["entity_id"]: state for state in self.ask("get_states")}

    def state(self, entity):
        """The state's text; none where there is no such entity."""
        return self.states().get(entity, {}).get("state")

    def attributes(self, entity):
        return self.states().get(entity, {}).get("attributes", {})

    def entities(self):
        """Its registry of entities made by MQTT, by unique id."""
        rows = self.ask("config/entity_registry/list")
        return {row["unique_id"]: row for row in rows if row["platform"] == "mqtt"}

    def devices(self):
        """Its registry of devices, by the identifier that MQTT gave."""
        rows = self.ask("config/device_registry/list")
        return {identifier: row for row in rows for domain, identifier in row["identifiers"] if domain == "mqtt"}

    def until(self, what, condition, seconds=PATIENCE):
        """Waits until `condition()` holds, and gives what it gave. Looks again at each event."""
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            left = deadline - time.monotonic()
            assert left > 0, f"in {seconds} s it never came to be that {what}; complaints: {self.complaints()}"
            self._run(self._wait(min(left, LOOK_AGAIN)))
        return found

    def complaints(self):
        """Warnings and errors in its log since they were last asked for, those of this cut-down core apart."""
        log = (self.folder / "home-assistant.log").read_bytes()
        # Whole lines: of one that is being written, the name of who complains may be missing.
        whole = log.rfind(b"\n") + 1
        new, self._read_to = log[self._read_to : whole].decode(errors="replace"), whole
        records = re.split(r"^(?=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", new, flags=re.M)
        bad = [record for record in records if re.search(r" (WARNING|ERROR|CRITICAL) ", record[:60])]
        return [record for record in bad if not any(f"[{name}" in record for name in OWN_COMPLAINTS)]

    def _run(self, work):
        return self._loop.run_until_complete(asyncio.wait_for(work, PATIENCE * 2))

    async def _open(self):
        self._session = aiohttp.ClientSession()
        deadline = time.monotonic() + PATIENCE * 2
        while True:
            try:
                async with self._session.get(f"{self.base}/api/onboarding"):
                    break
            except aiohttp.ClientError as error:
                assert self._process.poll() is None and time.monotonic() < deadline, f"Home Assistant did not start: {error}"
                await asyncio.sleep(0.1)
        if self._token is None:
            self._token = await self._first_user()
        self._socket = await self._session.ws_connect(f"{self.base}/api/websocket", max_msg_size=0)
        await self._socket.receive_json()
        await self._socket.send_json({"type": "auth", "access_token": self._token})
        answer = await self._socket.receive_json()
        assert answer["type"] == "auth_ok", answer
        await self._ask("subscribe_events")

    async def _first_user(self):
        client = f"{self.base}/"
        person = {"name": "Tester", "username": "tester", "password": "garden path 7", "client_id": client, "language": "en"}
        made = await self._call("POST", "/api/onboarding/users", person)
        form = {"grant_type": "authorization_code", "code": made["auth_code"], "client_id": client}
        async with self._session.post(f"{self.base}/auth/token", data=form) as answer:
            return (await answer.json())["access_token"]

    async def _close(self):
        await self._socket.close()
        await self._session.close()

    async def _call(self, method, path, body):
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        async with self._session.request(method, self.base + path, json=body, headers=headers) as answer:
            if answer.content_type != "application/json":
                return answer.content_type, await answer.read()
            found = await answer.json()
            assert answer.status < 400, f"{method} {path}: {answer.status} {found}"
            return found

    async def _ask(self, kind, **more):
        self._number += 1
        number = self._number
        await self._socket.send_json({"id": number, "type": kind, **more})
        while True:
            message = await self._receive()
            if message["type"] == "result" and message["id"] == number:
                assert message["success"], f"{kind}: {message}"
                return message["result"]

    async def _receive(self):
        return self._note(await self._socket.receive_json())

    async def _wait(self, seconds):
        try:
            message = await self._socket.receive(timeout=seconds)
        except TimeoutError:
            return
        assert message.type == aiohttp.WSMsgType.TEXT, f"Home Assistant hung up: {message}"
        self._note(message.json())

    def _note(self, message):
        if message["type"] == "event":
            self.events.append(message["event"])
            del self.events[:-EVENTS_KEPT]
        return message
