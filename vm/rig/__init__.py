"""The rig: real kernels in QEMU, run and read from outside. `machine.py` is the way in."""
