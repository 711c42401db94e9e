"""`make bench`: what a check costs, beside the tools people would use instead. Writes docs/measured.md.

Everything runs here, on loopback, one after the other, against the same simulated cameras (simcam); CPU is what
the kernel counted for the process, user and system. About ten minutes. The clock of the wall is not measured: how
long a check takes is the camera's doing.
"""

import json
import os
import platform
import resource
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "tmp" / "bench"
PAGE = ROOT / "docs" / "measured.md"
TICKS = os.sysconf("SC_CLK_TCK")  # CPU ticks a second in /proc/PID/stat
CONTROL_PORT = 18790
VIDEO = ["--width", "1280", "--height", "720", "--fps", "25", "--gop-ms", "2000"]  # as cameras come from the box
WARM_UP = 20  # seconds until start-up is over: all cameras checked once
SIDE_BY_SIDE = 16  # cameras
ROUNDS = 2  # of OpenCV over the cameras, since the kernel counts in hundredths of a second
SIZES = [50, 100, 200, 500]  # cameras, at one check in 15 s each
HEARTBEAT = 15  # seconds
DISK_CAMERAS = 10
DISK_FIRST = 90  # seconds: the first flush makes tables and cameras, once in a file's life
DISK_SECONDS = int(os.environ.get("PULSEBOX_BENCH_DISK_SECONDS", 600))  # whole minutes: the history is flushed once a minute

# Name, command, what it does.
ONE_SHOT = [
    (
        "`ffprobe -show_streams`",
        "ffprobe -v error -rtsp_transport tcp -show_streams URL",
        "a process a check; says what the stream is",
    ),
    (
        "`ffmpeg -frames:v 1`",
        "ffmpeg -v error -rtsp_transport tcp -i URL -frames:v 1 -f null -",
        "a process a check; one picture decoded",
    ),
]
OURS = "one process; one picture decoded and judged, 1 s of video measured, history written"


def say(text):
    print(f"bench: {text}", flush=True)


def build():
    """Builds as a release is, and gives the folder of the binaries."""
    cargo = ["cargo", "build", "--locked", "--quiet", "--profile", "bench", "--bin", "pulsebox", "--bin", "simcam"]
    subprocess.run(cargo, cwd=ROOT, check=True)
    listed = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"], cwd=ROOT, check=True, capture_output=True
    )
    return Path(json.loads(listed.stdout)["target_directory"]) / "release"


@contextmanager
def running(command, **options):
    """A process that is ended kindly, then by force."""
    process = subprocess.Popen([str(word) for word in command], **options)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def cameras_now():
    """What simcam says of its cameras, or None while it starts."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{CONTROL_PORT}/cameras", timeout=5) as answer:
            return json.load(answer)
    except OSError:
        return None


@contextmanager
def cameras(binaries, count):
    """So many healthy 720p cameras; gives their URLs."""
    command = [binaries / "simcam", "--cameras", count, "--control", f"127.0.0.1:{CONTROL_PORT}", *VIDEO]
    with running(command, stdout=subprocess.DEVNULL) as simcam:
        deadline = time.monotonic() + 30
        while (listed := cameras_now()) is None:
            if simcam.poll() is not None or time.monotonic() > deadline:
                sys.exit("bench: the simulated cameras did not start: is another bench running?")
            time.sleep(0.1)
        yield [camera["url"] for camera in listed]


def checks_done():
    """Sessions that ended with TEARDOWN, over all cameras."""
    return sum(camera["stats"]["teardowns"] for camera in cameras_now())


@contextmanager
def pulsebox(binaries, urls, heartbeat, name):
    """Pulsebox on these cameras; gives its process."""
    folder = WORK / name
    subprocess.run(["rm", "-rf", folder], check=True)
    folder.mkdir(parents=True)
    listed = "".join(f'  - {{ name: "camera {n}", url: "{url}" }}\n' for n, url in enumerate(urls))
    config = folder / "pulsebox.yaml"
    port = 18791 + (os.getpid() + len(urls)) % 1000
    config.write_text(
        f'heartbeat_seconds: {heartbeat}\nchecks_at_once: 200\nweb: {{ listen: "127.0.0.1:{port}" }}\nstreams:\n{listed}'
    )
    command = [binaries / "pulsebox", "run", "--config", config, "--data", folder / "data"]
    with (folder / "log").open("wb") as log, running(command, stdout=log, stderr=log) as process:
        yield process
        if process.poll() is not None:
            sys.exit(f"bench: pulsebox ended by itself: see {folder / 'log'}")


def cpu(pid):
    """CPU seconds of a process so far, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def figure(pid, file, key):
    """The number after `key` in /proc/PID/FILE."""
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    raise KeyError(key)


def resident(pid):
    """Resident memory in MB: the peak since the start, and now."""
    return tuple(figure(pid, "status", key) * 1024 / 1e6 for key in ("VmHWM:", "VmRSS:"))


def watch(pid, seconds):
    """CPU seconds and checks over so many seconds."""
    used, done = cpu(pid), checks_done()
    time.sleep(seconds)
    return cpu(pid) - used, checks_done() - done


def one_shot(command, urls):
    """Runs `command` for each URL; CPU seconds a run and the highest peak of resident memory in MB."""
    used, peak = 0.0, 0
    for url in urls:
        words = [url if word == "URL" else word for word in command]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"bench: {command[0]} failed on a healthy camera")
        used += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss)
    return used / len(urls), peak * 1024 / 1e6


def opencv(urls):
    """The same for OpenCV in one process; its first look, which loads the codecs, is not counted."""
    command = ["/usr/bin/python3", ROOT / "scripts" / "bench-opencv.py"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with running(command, **pipes) as process:

        def answer(expected):
            if process.stdout.readline().strip() != expected:
                sys.exit("bench: OpenCV failed on a healthy camera")

        def look(url):
            process.stdin.write(url + "\n")
            process.stdin.flush()
            answer("ok")

        answer("ready")
        look(urls[0])
        used = cpu(process.pid)
        for url in urls * ROUNDS:
            look(url)
        return (cpu(process.pid) - used) / (ROUNDS * len(urls)), resident(process.pid)[0]


def side_by_side(binaries):
    """Rows (name, CPU milliseconds a check, peak MB, what it did)."""
    with cameras(binaries, SIDE_BY_SIDE) as urls:
        say(f"{SIDE_BY_SIDE} cameras, side by side: pulsebox")
        with pulsebox(binaries, urls, 5, "side-by-side") as process:
            time.sleep(WARM_UP)
            used, done = watch(process.pid, 40)
            ours = ("Pulsebox", used / done * 1e3, resident(process.pid)[0], OURS)
        rows = [ours]
        for name, command, did in ONE_SHOT:
            say(name)
            used, peak = one_shot(command.split(), urls)
            rows.append((name, used * 1e3, peak, did))
        say("OpenCV")
        used, peak = opencv(urls)
        rows.append(("OpenCV `VideoCapture`", used * 1e3, peak, "one long-lived process; one picture decoded"))
        return rows


def growth(binaries):
    """Rows (cameras, share of one core in percent, CPU milliseconds a check, checks, checks due, (peak MB, MB))."""
    rows = []
    for count in SIZES:
        say(f"{count} cameras")
        with cameras(binaries, count) as urls, pulsebox(binaries, urls, HEARTBEAT, f"cameras-{count}") as process:
            time.sleep(WARM_UP)
            seconds = 2 * HEARTBEAT
            used, done = watch(process.pid, seconds)
            rows.append((count, used / seconds * 100, used / done * 1e3, done, 2 * count, resident(process.pid)))
    return rows


def disk(binaries):
    """Bytes a day for 10 cameras every 15 s: those of the flushes, and those with the log folded into the file at
    the end, which is more than a box does: it folds about once a day what it wrote to the same pages all day."""
    say(f"disk, {DISK_FIRST + DISK_SECONDS} s")

    def ended():
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_oublock * 512  # as /proc/PID/io counts

    with cameras(binaries, DISK_CAMERAS) as urls:
        ended_before = ended()
        with pulsebox(binaries, urls, HEARTBEAT, "disk") as process:
            time.sleep(DISK_FIRST)
            first = figure(process.pid, "io", "write_bytes:")
            time.sleep(DISK_SECONDS)
            flushed = figure(process.pid, "io", "write_bytes:") - first
        with_fold = ended() - ended_before - first
    return flushed * 86400 / DISK_SECONDS, with_fold * 86400 / DISK_SECONDS


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}"


def verdict(holds):
    return "met" if holds else "**missed**"


def put(name, text):
    """Puts a part into the page, in the place of the one before."""
    page = PAGE.read_text()
    before, _, rest = page.partition(f"## {name}\n")
    _, mark, after = rest.partition("\n## ")
    PAGE.write_text(before.rstrip("\n") + "\n\n" + text + (mark + after if mark else ""))


def page(rows, sizes, written):
    """docs/measured.md."""
    ours, theirs = rows[0], rows[-1]
    flushed, with_fold = written
    hundred = next(row for row in sizes if row[0] == 100)
    spread = max(row[2] for row in sizes) / min(row[2] for row in sizes)
    out = [
        "# What it costs",
        "",
        f"Made by `make bench` on {time.strftime('%Y-%m-%d')}: {machine()}. Cameras: simcam on loopback, RTSP over TCP,",
        "H.264, 1280 × 720, 25 frames a second, a key frame every 2 s. CPU is user and system time of the process.",
        "",
        "| aim | measured | |",
        "|---|---|---|",
        f"| a tenth of OpenCV's CPU a check at most, with the picture decoded | {ours[1] / theirs[1]:.2f} of it | {verdict(ours[1] <= theirs[1] / 10)} |",
        f"| 40 MB resident with 100 cameras at most | {hundred[5][0]:.0f} MB at the peak | {verdict(hundred[5][0] <= 40)} |",
        f"| CPU in proportion to cameras, up to 500 | CPU a check varies by {spread:.2f} to 1 | {verdict(spread <= 1.5)} |",
        f"| 15 MB written to disk a day at most, 10 cameras every 15 s | {with_fold / 1e6:.1f} MB | {verdict(with_fold <= 15e6)} |",
        "",
        f"## Side by side, {SIDE_BY_SIDE} cameras",
        "",
        "| | CPU a check | of OpenCV's | peak resident | what it did |",
        "|---|---:|---:|---:|---|",
        *(f"| {name} | {ms:.1f} ms | {ms / theirs[1]:.2f} | {peak:.0f} MB | {did} |" for name, ms, peak, did in rows),
        "",
        f"## More cameras, a check every {HEARTBEAT} s each",
        "",
        "| cameras | of one core | CPU a check | checks done / due | resident at the end | at the peak |",
        "|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {count} | {share:.1f} % | {ms:.1f} ms | {done} / {due} | {now:.0f} MB | {peak:.0f} MB |"
            for count, share, ms, done, due, (peak, now) in sizes
        ),
        "",
        "## Disk",
        "",
        f"Bytes that the kernel counted as written by the process (`write_bytes` in `/proc/PID/io`) in {DISK_SECONDS} s",
        f"with {DISK_CAMERAS} cameras, after the first {DISK_FIRST} s, reckoned up to a day: {flushed / 1e6:.1f} MB by the flushes, and",
        f"**{with_fold / 1e6:.1f} MB** with the last flush and the log folded into the file at the end, as if a box folded it that",
        "often; it does about once a day. Hourly and daily work is not in it, but in the test named in docs/history.md.",
        "",
    ]
    return "\n".join(out)


def main():
    binaries = build()
    text = page(side_by_side(binaries), growth(binaries), disk(binaries))
    PAGE.write_text(text)
    print(f"\n{text}")
    say(f"written: {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
