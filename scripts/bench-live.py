"""`make bench`, second part: what live views cost. Writes the part "Live" of docs/measured.md.

One simulated camera; 1, 50 and 200 viewers of its live view over WebSocket, each read by `simcam viewers`; then
ffmpeg as people use it with JSMpeg: one process that decodes the stream and encodes it anew as MPEG-1, before any
viewer is served. CPU is what the kernel counted for the process, user and system. About two minutes.
"""

import json
import sys
import time
import urllib.request
from contextlib import contextmanager

import bench
from bench import PAGE, VIDEO, WORK, build, cameras, cpu, resident, running, say, verdict

VIEWERS = [1, 50, 200]
SECONDS = 20  # measured, once all have a picture
PORT = 18789
PASSWORD = "only for the bench"
JSMPEG = "ffmpeg -v error -rtsp_transport tcp -i URL -an -c:v mpeg1video -b:v 2000k -bf 0 -f mpegts -y /dev/null"
AIM_CORE = 0.1  # of a core, 200 viewers
AIM_FIRST_MS = 300  # to the first picture, a GOP being in hand


def call(path, body, **headers):
    """POST of JSON; gives the answer's headers and text."""
    origin = f"http://127.0.0.1:{PORT}"
    headers |= {"Content-Type": "application/json", "Origin": origin, "Connection": "close"}
    request = urllib.request.Request(origin + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers, answer.read()


def read_token():
    """Claims the box as soon as it answers; gives an access token."""
    deadline = time.monotonic() + 30
    while True:
        try:
            headers, _ = call("/api/claim", {"password": PASSWORD})
            break
        except OSError as problem:
            if time.monotonic() > deadline:
                sys.exit(f"bench: pulsebox does not let us in: {problem}")
            time.sleep(0.2)
    cookie = headers["Set-Cookie"].split(";")[0]
    _, token = call("/api/tokens", {"name": "bench", "scope": "read"}, Cookie=cookie)
    return json.loads(token)["token"]


@contextmanager
def pulsebox(binaries, url):
    """Pulsebox on this camera; gives its process and a token."""
    folder = WORK / "live"
    bench.subprocess.run(["rm", "-rf", folder], check=True)
    folder.mkdir(parents=True)
    config = folder / "pulsebox.yaml"
    web = f'web: {{ listen: "127.0.0.1:{PORT}", sockets: {max(VIEWERS)} }}'
    config.write_text(f'{web}\nstreams:\n  - {{ id: cam, name: cam, url: "{url}" }}\n')
    command = [binaries / "pulsebox", "run", "--config", config, "--data", folder / "data"]
    with (folder / "log").open("wb") as log, running(command, stdout=log, stderr=log) as process:
        yield process, read_token()
        if process.poll() is not None:
            sys.exit(f"bench: pulsebox ended by itself: see {folder / 'log'}")


def ours(binaries, url, count):
    """Cores used, peak memory in MB, and what the viewers saw."""
    say(f"{count} viewers")
    with pulsebox(binaries, url) as (process, token):
        live = f"ws://127.0.0.1:{PORT}/api/streams/cam/live"
        command = [binaries / "simcam", "viewers", live, "--viewers", count, "--seconds", SECONDS, "--token", token]
        with running(command, stdout=bench.subprocess.PIPE, text=True) as viewers:
            if viewers.stdout.readline().strip() != "watching":
                sys.exit("bench: not all viewers got a picture")
            used, start = cpu(process.pid), time.monotonic()
            time.sleep(SECONDS - 1)
            cores = (cpu(process.pid) - used) / (time.monotonic() - start)
            line = viewers.stdout.readline()
        if not line:
            sys.exit("bench: a viewer was cut off")
        return cores, resident(process.pid)[0], json.loads(line)


def jsmpeg(url):
    """Cores used by one transcode, and its peak memory in MB."""
    say("ffmpeg, one transcode to MPEG-1")
    command = [url if word == "URL" else word for word in JSMPEG.split()]
    with running(command) as process:
        time.sleep(5)
        used, start = cpu(process.pid), time.monotonic()
        time.sleep(SECONDS)
        if process.poll() is not None:
            sys.exit("bench: ffmpeg failed on a healthy camera")
        return (cpu(process.pid) - used) / (time.monotonic() - start), resident(process.pid)[0]


def ms(figure):
    return "" if figure is None else f"{figure:.1f} ms"


def part(rows, transcode, video):
    """The part of docs/measured.md."""
    cores, memory = transcode
    most = rows[-1]
    slowest = max(seen["first_picture_ms"]["most"] for _, _, _, seen in rows[1:])
    out = [
        "## Live",
        "",
        f"Made by `scripts/bench-live.py` on {time.strftime('%Y-%m-%d')}: {bench.machine()}. One camera ({video}), its live",
        f"view watched over WebSocket for {SECONDS} s; beside it ffmpeg as for JSMpeg, which decodes and encodes the stream once",
        "(`-c:v mpeg1video -b:v 2000k`) before it has served anybody. First picture: from the viewer's `start` to the last byte",
        "of its first key frame; the first viewer waits for the camera, the others find a GOP in hand.",
        "",
        "| aim | measured | |",
        "|---|---|---|",
        f"| {most[0]} viewers under a tenth of a core | {most[1]:.3f} of a core | {verdict(most[1] < AIM_CORE)} |",
        f"| first picture within {AIM_FIRST_MS} ms where a GOP is in hand | {slowest:.0f} ms at most | {verdict(slowest <= AIM_FIRST_MS)} |",
        "",
        "| | of one core | of ffmpeg's | peak resident | frames a viewer, of due | left out | first picture: first viewer | others, median | at most |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    due = SECONDS * int(VIDEO[VIDEO.index("--fps") + 1])
    for count, used, peak, seen in rows:
        first, frames = seen["first_picture_ms"], seen["frames"]
        out.append(
            f"| Pulsebox, {count} viewer{'s' if count > 1 else ''} | {used * 100:.1f} % | {used / cores:.2f} | {peak:.0f} MB "
            f"| {frames['least']} to {frames['most']} / {due} | {seen['skipped']} | {first['first']:.0f} ms | {ms(first['median'])} | {ms(first['most'])} |"
        )
    out += [f"| ffmpeg, one transcode, no viewer yet | {cores * 100:.1f} % | 1.00 | {memory:.0f} MB | | | | | |", ""]
    return "\n".join(out)


def main():
    binaries = build()
    with cameras(binaries, 1) as (url,):
        rows = [(count, *ours(binaries, url, count)) for count in VIEWERS]
        transcode = jsmpeg(url)
    text = part(rows, transcode, "RTSP, H.264, 1280 × 720, 25 frames a second, a key frame every 2 s")
    bench.put("Live", text)
    print(f"\n{text}")
    say(f"written: {PAGE.relative_to(bench.ROOT)}, part Live")


if __name__ == "__main__":
    main()
