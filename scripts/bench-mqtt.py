"""`make bench`, third part: what publishing costs. Writes the part "MQTT" of docs/measured.md.

First what is published: 100 simulated cameras, all of them up, a check every 15 s each, a real mosquitto on loopback;
mosquitto_sub counts. Then what a message costs: 100 addresses where nothing listens, a check every 5 s each, since such
a check costs next to nothing and hides nothing; one daemon with MQTT off and one with MQTT on, the difference being
what publishing costs. Beside it mosquitto_pub sends as many messages of the same size, once as one process and once as
a process a message, as scripts do it. CPU is what the kernel counted for the process. About five minutes.
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
SECONDS = 4 * HEARTBEAT  # measured, each time
WARM_UP = 2 * HEARTBEAT  # all cameras are checked and all is said once
PORT = 18789
AIM = 0.02  # of a core, 100 cameras' publishing
BUSY = 5  # seconds between checks where nothing listens
NOBODY = "rtsp://127.0.0.1:1/live"
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


def turn(binaries, urls, heartbeat, port, folder):
    """CPU seconds of the daemon, and what it published; with MQTT where there is a port."""
    counts = {}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    listed = "".join(f'  - {{ id: cam{n}, name: "Camera {n}", url: "{url}" }}\n' for n, url in enumerate(urls))
    mqtt = f"mqtt: {{ enabled: true, host: 127.0.0.1, port: {port} }}\n" if port else ""
    config = folder / "pulsebox.yaml"
    web = f'web: {{ listen: "127.0.0.1:{PORT}" }}\n'
    config.write_text(f"heartbeat_seconds: {heartbeat}\nchecks_at_once: 200\n{web}{mqtt}streams:\n{listed}")
    command = [binaries / "pulsebox", "run", "--config", config, "--data", folder / "data"]
    with (folder / "log").open("wb") as log, running(command, stdout=log, stderr=log) as process:
        time.sleep(WARM_UP)
        with counted(port, counts) if port else open(os.devnull):
            used = cpu(process.pid)
            time.sleep(SECONDS)
            used = cpu(process.pid) - used
        if process.poll() is not None:
            sys.exit(f"bench: pulsebox ended by itself: see {folder / 'log'}")
    return used, counts


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


def total(counts):
    """Messages and bytes."""
    return (sum(count[n] for count in counts.values()) for n in (0, 1))


def part(counts, off, on, busy, peers):
    """The part of docs/measured.md."""
    hours = SECONDS / 3600
    messages, size = total(counts)
    sent, _ = total(busy)
    each = max(on - off, 0.0) / sent
    share = each * messages / SECONDS
    out = [
        "## MQTT",
        "",
        f"Made by `scripts/bench-mqtt.py` on {time.strftime('%Y-%m-%d')}: {bench.machine()}. Published in {SECONDS} s by {CAMERAS} cameras",
        f"(RTSP, H.264, 640 × 360) that are up, a check every {HEARTBEAT} s each; mosquitto on loopback, QoS 1 as set by default:",
        "",
        "| published | messages an hour | bytes an hour | bytes a message |",
        "|---|---:|---:|---:|",
    ]
    for name in [*KINDS, "else"]:
        if name in counts:
            number, length = counts[name]
            is_camera = name in KINDS[:3]
            per = hours * (CAMERAS if is_camera else 1)
            told = f"`{name}`, a camera" if is_camera else f"{name}, the box"
            out.append(f"| {told} | {number / per:.0f} | {length / per / 1e3:.0f} kB | {length / number:.0f} |")
    out += [
        f"| all, a camera | {messages / hours / CAMERAS:.0f} | {size / hours / CAMERAS / 1e3:.0f} kB | {size / messages:.0f} |",
        "",
        f"What a message costs: {CAMERAS} addresses where nothing listens, a check every {BUSY} s each, for {SECONDS} s; {sent} messages. Beside it",
        "`mosquitto_pub` with messages of the same mean size. Only the publisher's CPU is counted, not the broker's; pictures are not in it,",
        "since there are none where nothing listens.",
        "",
        "| | CPU | CPU a message |",
        "|---|---:|---:|",
        f"| Pulsebox, MQTT off | {off:.2f} s | |",
        f"| Pulsebox, MQTT on | {on:.2f} s | {each * 1e3:.3f} ms |",
        *(f"| {name} | {used:.2f} s | {used / count * 1e3:.3f} ms |" for name, used, count in peers),
        "",
        "| aim | reckoned from both | |",
        "|---|---|---|",
        f"| {CAMERAS} cameras' publishing, a check every {HEARTBEAT} s, under {AIM * 100:.0f} % of a core | {share * 100:.2f} % of a core | {verdict(share < AIM)} |",
        "",
    ]
    return "\n".join(out)


def main():
    binaries = build()
    folder = WORK / "mqtt"
    folder.mkdir(parents=True, exist_ok=True)
    bench.VIDEO[:] = SMALL
    with broker(folder) as port:
        say(f"{CAMERAS} cameras: what is published")
        with cameras(binaries, CAMERAS) as urls:
            _, counts = turn(binaries, urls, HEARTBEAT, port, folder / "cameras")
        say("what a message costs: MQTT off")
        off, _ = turn(binaries, [NOBODY] * CAMERAS, BUSY, None, folder / "off")
        say("MQTT on")
        on, busy = turn(binaries, [NOBODY] * CAMERAS, BUSY, port, folder / "on")
        if not counts or not busy:
            sys.exit(f"bench: nothing was published: see the logs in {folder}")
        say("mosquitto_pub")
        sent, size = total(busy)
        mean, few = size // sent, min(sent, 200)
        peers = [
            ("`mosquitto_pub -l`, one process for all", peer(port, sent, mean, True), sent),
            (f"`mosquitto_pub`, a process a message, {few} of them", peer(port, few, mean, False), few),
        ]
    text = part(counts, off, on, busy, peers)
    bench.put("MQTT", text)
    print(f"\n{text}")
    say(f"written: {PAGE.relative_to(ROOT)}, part MQTT")


if __name__ == "__main__":
    main()
