"""The appliance from power-on: our card, our boot loader, our system (vm/image/differences.md says what is Debian's)."""


def test_it_starts_from_its_card_to_the_slots_root(appliance):
    box = appliance()
    box.until_up()
    told = box.ask("cat /proc/cmdline; findmnt -no SOURCE,FSTYPE,OPTIONS /")
    assert "rauc.slot=A" in told and "/dev/mmcblk0p2 squashfs ro" in told.replace("  ", " "), told
    # The try was counted off, and stored, before the kernel was loaded.
    assert box.card.environment()["BOOT_A_LEFT"] == "2"
