"""The other side: a real broker, simulated cameras, and Pulsebox watching them."""

import errno
import json
import os
import random
import signal
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BINARIES = Path(os.environ.get("PULSEBOX_BINARIES", ROOT / "target" / "debug"))


def free_port():
    """A port that is free now. Below 32768: above, the kernel may hand it to anybody before it is used."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
        return port


def end(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Broker:
    """Mosquitto on loopback, open to all, remembering nothing over a restart."""

    def __init__(self, folder):
        self.port = free_port()
        self._folder = folder
        (folder / "mosquitto.conf").write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        self.start()

    def start(self):
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", self._folder / "mosquitto.conf"], stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                assert self._process.poll() is None and time.monotonic() < deadline, "mosquitto did not start"
                time.sleep(0.05)

    def publish(self, topic, payload):
        """A retained message; an empty one takes back the one that is kept."""
        command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-q", "1", "-r", "-t", topic]
        subprocess.run(command + ["-s" if payload else "-n"], input=payload.encode(), check=True, timeout=20)

    def stop(self):
        end(self._process)


class Cameras:
    """Simulated cameras, healthy at first."""

    def __init__(self, count):
        command = [BINARIES / "simcam", "--cameras", str(count), "--control", "127.0.0.1:0"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        *self.urls, self._control = [self._process.stdout.readline().split()[1] for _ in range(count + 1)]

    def become(self, number, mood):
        url = f"{self._control}/cameras/camera-{number + 1}/mood"
        urllib.request.urlopen(urllib.request.Request(url, mood.encode(), method="PUT"), timeout=20).close()

    def stop(self):
        end(self._process)


class Box:
    """`pulsebox run` as an appliance, in a folder of its own: /run and root's jobs are played by the tests."""

    def __init__(self, folder, broker):
        self._folder = folder
        self._process = None
        self._mqtt = {"enabled": True, "host": "127.0.0.1", "port": broker.port, "interval_seconds": 5}
        self._run = folder / "run"
        for needed in (folder / "data", self._run / "box", self._run / "pulsebox"):
            needed.mkdir(parents=True)
        self.tell("start", cause="power", message="The power was cut.", slot="A", version="1.2.0", undervoltage="no")

    def tell(self, name, **keys):
        """Tells a fact, as root's jobs do."""
        new = self._run / "box" / ".new"
        new.write_text("".join(f"{key}={value}\n" for key, value in keys.items()))
        new.rename(self._run / "box" / name)

    def takes(self, ask):
        """Whether root's jobs are asked for this; the ask is taken."""
        try:
            # In one step: what is asked between a look and a removal would be lost.
            (self._run / "pulsebox" / "ask" / ask).unlink()
        except FileNotFoundError:
            return False
        return True

    def said(self):
        """The end of its log, for the report of a failed test."""
        return (self._folder / "pulsebox.log").read_text(errors="replace")[-4000:]

    @property
    def id(self):
        return (self._folder / "data" / "box-id").read_text().strip()

    def configure(self, cameras):
        """Writes the file anew, in one piece, as an editor does; JSON is YAML."""
        config = {"heartbeat_seconds": 5, "web": {"listen": "127.0.0.1:0"}, "mqtt": self._mqtt, "streams": cameras}
        new = self._folder / "pulsebox.yaml.new"
        new.write_text(json.dumps(config, ensure_ascii=False))
        new.rename(self._folder / "pulsebox.yaml")

    def start(self):
        data, config = self._folder / "data", self._folder / "pulsebox.yaml"
        with (self._folder / "pulsebox.log").open("ab") as log:
            command = [BINARIES / "pulsebox", "run", "--config", config, "--data", data, "--appliance", "--run-folder", self._run]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self):
        """As a power cut would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self):
        if self._process is not None and self._process.poll() is None:
            end(self._process)
