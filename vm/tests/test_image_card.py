"""The card as a file, and what the rig reads of it from outside: no machine is switched on."""

import struct
import subprocess
import zlib

import pytest

from vm.rig.card import GIB, Card, CardError
from vm.rig.environment import newest
from vm.rig.system import bundle, certificate


@pytest.fixture(scope="module")
def card():
    return Card.new()


def test_files_of_the_first_partition_are_put_read_and_removed(card):
    assert "boot.scr" in card.names()
    content = bytes(range(256)) * 40
    card.put("pulsebox.yaml.txt", content)
    assert card.read("pulsebox.yaml.txt") == content and "pulsebox.yaml.txt" in card.names()
    card.put("pulsebox.yaml.txt", b"shorter")
    assert card.read("pulsebox.yaml.txt") == b"shorter"
    card.remove("pulsebox.yaml.txt")
    with pytest.raises(CardError):
        card.read("pulsebox.yaml.txt")


def test_the_card_has_the_systems_place_and_no_data_yet(card):
    table = card.partitions
    assert sorted(table) == [1, 2, 3]
    assert card.peek(2, 0, 4) == b"hsqs" and card.path.stat().st_size == 2 * GIB
    assert card.environment() == {}


def test_a_copy_goes_its_own_way(card):
    other = card.copy()
    other.poke(2, 0, b"gone")
    assert (other.peek(2, 0, 4), card.peek(2, 0, 4)) == (b"gone", b"hsqs")


def test_a_card_whose_size_qemu_would_refuse_is_refused():
    with pytest.raises(CardError, match="power of two"):
        Card.new(size=3 * GIB)


def copy_of_words(counter: int, words: bytes) -> bytes:
    data = words.ljust(0x4000 - 5, b"\0")
    return struct.pack("<IB", zlib.crc32(data), counter) + data


def test_of_u_boots_two_copies_the_newer_whole_one_counts():
    old, new = copy_of_words(255, b"BOOT_ORDER=A B\0\0"), copy_of_words(0, b"BOOT_ORDER=B A\0BOOT_A_LEFT=3\0\0")
    assert newest(old, new) == newest(new, old) == {"BOOT_ORDER": "B A", "BOOT_A_LEFT": "3"}
    assert newest(old, b"\1" + new[1:]) == {"BOOT_ORDER": "A B"}
    assert newest(bytes(0x4000), bytes(0x4000)) == {}


def test_a_bundle_is_signed_for_its_board_and_another_keys_is_refused():
    made = bundle("9.9.9", {"/etc/rig-was-here": b"yes"}, remove=["/etc/issue"])
    strange = bundle("9.9.8", key="other", board="pulsebox-other")
    told = verified(made)
    assert "Compatible:" in told.stdout and "pulsebox-qemu" in told.stdout and "9.9.9" in told.stdout, told
    refused = verified(strange)
    assert refused.returncode != 0 and "signature" in refused.stderr.lower(), refused


def verified(path):
    keyring = certificate("ours")[0]
    return subprocess.run(["rauc", "info", f"--keyring={keyring}", path], capture_output=True, text=True, timeout=120)
