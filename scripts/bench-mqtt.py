"""`make bench`, third part: what publishing costs. Writes the part "MQTT" of docs/measured.md.

100 simulated cameras, a check every 15 s each, a real mosquitto on loopback. One daemon watches them with MQTT off,
one with MQTT on, by turns, so that what else the machine does falls on both; the difference is what publishing
costs. mosquitto_sub counts what was published. Beside it mosquitto_pub sends as many messages of the same size, once
as one process and once as a process a message, as scripts do it. CPU is what the kernel counted for the process.
About seven minutes.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import bench
from bench import HEARTBEAT, PAGE, ROOT, WORK, build, cameras, cpu, running, say, verdict

CAMERAS = 100
TURNS = 2  # of both
SECONDS = int(os.environ.get("PULSEBOX_BENCH_MQTT_SECONDS", 4 * HEARTBEAT))  # a turn, whole heartbeats
WARM_UP = 2 * HEARTBEAT  # all cameras are checked and all is said once
PORT = 18789
AIM = 0.02  # of a core, 100 cameras' publishing
# Small pictures: what a check costs is measured elsewhere, and would only hide what publishing costs.
SMALL = ["--width", "640", "--height", "360", "--fps", "10", "--gop-ms", "1000"]
KINDS = ["state", "attributes", "frame", "StreamPulse's status", "system"]


def program(name):
    """Debian keeps mosquitto where only root looks."""
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    if not found:
        sys.exit(f"bench: {name} is not installed: scripts/need bench")
    return found


@contextmanager
def broker(folder):
    """A mosquitto that lets anybody in; gives its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest none\n")
    with running([program("mosquitto"), "-c", config]):
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    sys.exit("bench: mosquitto does not start")
                time.sleep(0.1)
        yield port


def kind(topic):
    leaf = topic.rsplit("/", 1)[1]
    if topic == "streampulse/status":
        return "StreamPulse's status"
    return leaf if leaf in KINDS else None


@contextmanager
def counted(port, counts):
    """Adds what is published within, kept messages apart, to `counts`: kind to [messages, bytes]."""
    command = [program("mosquitto_sub"), "-p", port, "-t", "#", "-R", "-F", "%t %l"]
    heard = WORK / "mqtt" / "heard"  # a pipe would fill up
    with heard.open("w") as file, running(command, stdout=file):
        yield
    for line in heard.read_text().splitlines():
        topic, _, size = line.rpartition(" ")
        count = counts.setdefault(kind(topic) or "else", [0, 0])
        count[0] += 1
        count[1] += int(size)


def turn(binaries, urls, port, folder, counts):
    """CPU seconds of the daemon in a turn; with MQTT where there is a port."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    listed = "".join(f'  - {{ id: cam{n}, name: "Camera {n}", url: "{url}" }}\n' for n, url in enumerate(urls))
    mqtt = f"mqtt: {{ enabled: true, host: 127.0.0.1, port: {port} }}\n" if port else ""
    config = folder / "pulsebox.yaml"
    web = f'web: {{ listen: "127.0.0.1:{PORT}" }}\n'
    config.write_text(f"heartbeat_seconds: {HEARTBEAT}\nchecks_at_once: 200\n{web}{mqtt}streams:\n{listed}")
    command = [binaries / "pulsebox", "run", "--config", config, "--data", folder / "data"]
    with (folder / "log").open("wb") as log, running(command, stdout=log, stderr=log) as process:
        time.sleep(WARM_UP)
        with counted(port, counts) if port else open(os.devnull):
            used = cpu(process.pid)
            time.sleep(SECONDS)
            used = cpu(process.pid) - used
        if process.poll() is not None:
            sys.exit(f"bench: pulsebox ended by itself: see {folder / 'log'}")
    return used


def peer(port, count, size, at_once):
    """CPU seconds of mosquitto_pub for so many messages, in one process or a process each."""
    message = "x" * size
    common = [program("mosquitto_pub"), "-p", str(port), "-t", "peer/state", "-q", "1", "-r"]

    def children():
        usage = bench.resource.getrusage(bench.resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = children()
    if at_once:
        subprocess.run([*common, "-l"], input=f"{message}\n" * count, text=True, check=True, timeout=120)
    else:
        for _ in range(count):
            subprocess.run([*common, "-m", message], check=True, timeout=10)
    return children() - before


def part(off, on, counts, peers):
    """The part of docs/measured.md."""
    watched = TURNS * SECONDS
    hours = watched / 3600
    messages, size = (sum(count[n] for count in counts.values()) for n in (0, 1))
    cost = max(on - off, 0.0)
    share = cost / watched
    out = [
        "## MQTT",
        "",
        f"Made by `scripts/bench-mqtt.py` on {time.strftime('%Y-%m-%d')}: {bench.machine()}. {CAMERAS} cameras (RTSP, H.264,",
        f"640 × 360), a check every {HEARTBEAT} s each, all of them up; mosquitto on loopback, QoS 1 as set by default. Two daemons by turns,",
        f"{TURNS} × {SECONDS} s each: with MQTT off, and on. Beside them `mosquitto_pub` with as many messages of the same mean size.",
        "",
        "| aim | measured | |",
        "|---|---|---|",
        f"| {CAMERAS} cameras' publishing under {AIM * 100:.0f} % of a core | {share * 100:.2f} % of a core | {verdict(share < AIM)} |",
        "",
        "| | of one core | CPU a message |",
        "|---|---:|---:|",
        f"| Pulsebox, MQTT off | {off / watched * 100:.2f} % | |",
        f"| Pulsebox, MQTT on | {on / watched * 100:.2f} % | |",
        f"| the difference: {messages} messages, {size / 1e6:.1f} MB | {share * 100:.2f} % | {cost / messages * 1e3:.3f} ms |",
        *(f"| {name} | | {used / count * 1e3:.3f} ms |" for name, used, count in peers),
        "",
        "The kernel counts in hundredths of a second, and a check varies more than publishing costs: take the difference as its size, not",
        "as a figure to the last digit.",
        "",
        "| published | messages an hour | bytes an hour | bytes a message |",
        "|---|---:|---:|---:|",
    ]
    for name in [*KINDS, "else"]:
        if name in counts:
            number, total = counts[name]
            each = name in KINDS[:3]
            per = hours * (CAMERAS if each else 1)
            told = f"`{name}`, a camera" if each else f"`{name}`, the box" if name == "system" else f"{name}, the box"
            out.append(f"| {told} | {number / per:.0f} | {total / per / 1e3:.0f} kB | {total / number:.0f} |")
    out += [f"| all, a camera | {messages / hours / CAMERAS:.0f} | {size / hours / CAMERAS / 1e3:.0f} kB | {size / messages:.0f} |", ""]
    return "\n".join(out)


def main():
    binaries = build()
    folder = WORK / "mqtt"
    folder.mkdir(parents=True, exist_ok=True)
    used, counts = {False: 0.0, True: 0.0}, {}
    bench.VIDEO[:] = SMALL
    with broker(folder) as port, cameras(binaries, CAMERAS) as urls:
        for n in range(TURNS):
            for with_mqtt in (False, True):
                say(f"{CAMERAS} cameras, MQTT {'on' if with_mqtt else 'off'}, turn {n + 1} of {TURNS}")
                used[with_mqtt] += turn(binaries, urls, port if with_mqtt else None, folder / "box", counts)
        messages, size = (sum(count[n] for count in counts.values()) for n in (0, 1))
        if not messages:
            sys.exit(f"bench: nothing was published: see {folder / 'box' / 'log'}")
        say("mosquitto_pub")
        mean, few = size // messages, min(messages, 200)
        peers = [
            ("`mosquitto_pub -l`, one process for all", peer(port, messages, mean, True), messages),
            ("`mosquitto_pub`, a process a message", peer(port, few, mean, False), few),
        ]
    text = part(used[False], used[True], counts, peers)
    bench.put("MQTT", text)
    print(f"\n{text}")
    say(f"written: {PAGE.relative_to(ROOT)}, part MQTT")


if __name__ == "__main__":
    main()
