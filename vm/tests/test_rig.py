"""The rig itself: what it promises to every other test."""

import subprocess
import time
from pathlib import Path

import pytest

from vm.rig.console import CommandFailed, CommandLate
from vm.rig.machine import Machine, MachineError


def came_up(machine: Machine) -> tuple[str, str]:
    """The system's state once it has started, and the units that failed."""
    state = machine.run("systemctl is-system-running --wait", 200).text.strip()
    return state, machine.ask("systemctl --failed --no-legend --plain")


def test_systemd_comes_up_with_no_failed_unit(virt):
    assert came_up(virt) == ("running", "")


def test_a_pi_comes_up_with_its_own_lines_and_no_failed_unit(raspi3b):
    assert came_up(raspi3b) == ("running", "")
    assert "pinctrl-bcm2835" in raspi3b.ask("gpiodetect")


def test_the_newest_kernel_comes_up_with_simulated_lines(virt_backports):
    assert virt_backports.ask("uname -r") >= "7"
    virt_backports.ask("modprobe gpio-sim && modprobe -r gpio-sim")


def test_exit_code_output_and_errors_come_back_whole(virt):
    ended = virt.run("echo out; echo err >&2; exit 37")
    assert (ended.code, ended.output, ended.errors) == (37, b"out\n", b"err\n")


def test_any_bytes_pass_both_ways(virt):
    every_byte = bytes(range(256)) * 300
    virt.console.put("/tmp/bytes", every_byte)
    assert virt.console.get("/tmp/bytes") == every_byte
    assert virt.ask("stat -c %s /tmp/bytes") == str(len(every_byte))


def test_kernel_messages_do_not_mix_into_an_answer(virt):
    said = virt.ask("for i in 1 2 3; do echo \"<0>noise $i\" >/dev/kmsg; echo $i; done; echo '$(quoted) \"as is\"'")
    assert said == '1\n2\n3\n$(quoted) "as is"'
    assert b"noise 3" in virt.console_log.read_bytes()


def test_a_command_over_its_deadline_says_so_and_the_next_one_runs(virt):
    with pytest.raises(CommandLate, match=r"not done within 2 s: echo began; sleep 600\nbegan"):
        virt.run("echo began; sleep 600", seconds=2)
    assert virt.ask("pgrep -c '^sleep$' || true") == "0"


def test_a_command_that_fails_says_why(virt):
    with pytest.raises(CommandFailed, match="exit code 1: cat /nowhere\ncat: /nowhere: No such file"):
        virt.ask("cat /nowhere")


def test_the_page_answers_through_the_forwarded_port(virt, pulsebox):
    box = pulsebox(virt, "streams: []")
    assert b"<title>Pulsebox" in box.call("GET", "/")
    assert box.get("/api/streams") is not None


def test_nothing_listens_beyond_loopback(virt):
    listed = subprocess.run(["ss", "-H", "-lntup"], capture_output=True, text=True, check=True, timeout=30).stdout
    ours = [line.split()[4] for line in listed.splitlines() if f"pid={virt.process}," in line]
    assert ours, "the forwarded ports are to be seen"
    assert all(address.startswith("127.0.0.1:") for address in ours), ours


def test_a_guest_that_never_comes_up_is_killed_at_its_deadline_and_its_console_is_shown():
    machine = Machine("virt", name="never", append="systemd.mask=rig-shell.service", deadline=40)
    began = time.monotonic()
    with pytest.raises(MachineError, match=r"(?s)virt is not up after 40 s.*never\.log.*systemd") as told:
        machine.start()
    process = machine.process
    machine.stop()
    assert 39 < time.monotonic() - began < 60, told
    assert not Path(f"/proc/{process}").exists()


def test_a_guest_whose_kernel_panics_is_told_at_once():
    began = time.monotonic()
    machine = Machine("virt", name="panics", append="rdinit=/nothing root=/dev/nothing", deadline=120)
    with pytest.raises(MachineError, match="(?s)QEMU has ended.*Kernel panic"), machine:
        pass
    assert time.monotonic() - began < 100
