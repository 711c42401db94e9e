"""Pulsebox on real kernels: the rig and the tests that use it."""
