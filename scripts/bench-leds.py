"""`make bench`, fourth part: what the LEDs cost. Writes the part "LEDs" of docs/measured.md.

The player (firmware/pulsebox/benches/leds.rs) blinks an LED whose files lie in memory, in real time. Beside it two ways
in which people blink one, on the same file and with the same edges: a shell loop with `sleep`, and Python with
`time.sleep`. CPU is user and system time of the process and its children. About three minutes, and the build.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import bench
from bench import PAGE, ROOT, say, verdict

AIM = 0.001  # of a core
SECONDS = 20
SHELL = """
end=$((SECONDS + $2))
while [ $SECONDS -lt $end ]; do
    for blink in 1 2 3 4 5 6 7 8 9; do
        echo 1 >"$1"; sleep 0.25
        echo 0 >"$1"; sleep 0.35
    done
    sleep 1.45
done
"""
PYTHON = """
import sys, time
path, end = sys.argv[1], time.monotonic() + float(sys.argv[2])
def show(level, seconds):
    with open(path, "w") as file:
        file.write(level)
    time.sleep(seconds)
begun = time.process_time()
while time.monotonic() < end:
    for blink in range(9):
        show("1", 0.25)
        show("0", 0.35)
    time.sleep(1.45)
print(time.process_time() - begun)
"""


def ours():
    """Every line of the Rust bench."""
    profile = os.environ.get("PULSEBOX_BENCH_PROFILE", "bench")
    command = ["cargo", "bench", "--locked", "--quiet", "--profile", profile, "-p", "pulsebox", "--bench", "leds"]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, timeout=3600)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def shell(path):
    """CPU seconds of a shell loop, its `sleep`s counted, and how long it ran."""

    def children():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before, begun = children(), time.monotonic()
    subprocess.run(["bash", "-c", SHELL, "bash", path, str(SECONDS)], check=True, timeout=SECONDS * 3)
    return children() - before, time.monotonic() - begun


def python(path):
    """CPU seconds of a loop in Python, without its start, and how long it ran."""
    begun = time.monotonic()
    command = [sys.executable, "-c", PYTHON, path, str(SECONDS)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=SECONDS * 3)
    return float(done.stdout), time.monotonic() - begun


def part(lines, peers):
    """The part of docs/measured.md."""
    worst = max(line["cpu"] / line["seconds"] for line in lines)
    profile = os.environ.get("PULSEBOX_BENCH_PROFILE", "bench")
    built = "" if profile == "bench" else f" Built with the profile `{profile}`, hardly optimised."
    rows = [
        f"| Pulsebox: {line['what']} | {line['edges']:.1f} | {line['cpu'] / line['seconds'] * 100:.4f} % |" for line in lines
    ]
    rows += [f"| {name}: nine blinks, pause | {18 / 6.85:.1f} | {used / lasted * 100:.4f} % |" for name, (used, lasted) in peers]
    return "\n".join(
        [
            "## LEDs",
            "",
            f"Made by `scripts/bench-leds.py` on {time.strftime('%Y-%m-%d')}: {bench.machine()}. One LED of the kernel's class, its files in memory,",
            f"{SECONDS} s each in real time.{built} The shell's `sleep` is a process each time.",
            "",
            "| | edges a second | of one core |",
            "|---|---:|---:|",
            *rows,
            "",
            "| aim | measured | |",
            "|---|---|---|",
            f"| under {AIM * 100:.1f} % of a core | {worst * 100:.4f} % at most | {verdict(worst < AIM)} |",
            "",
        ]
    )


def main():
    say("the player")
    lines = ours()
    if not lines:
        sys.exit("bench: the player said nothing")
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        say("a shell loop, and Python")
        peers = [("a shell loop with `sleep`", shell(file.name)), ("a loop in Python", python(file.name))]
    text = part(lines, peers)
    bench.put("LEDs", text)
    print(f"\n{text}")
    say(f"written: {PAGE.relative_to(ROOT)}, part LEDs")


if __name__ == "__main__":
    main()
