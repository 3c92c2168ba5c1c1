"""Detectors: what is in a picture, each box with its class. `open_detector` makes one."""
