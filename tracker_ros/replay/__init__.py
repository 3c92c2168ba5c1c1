"""Bag in, tracks and score out: the nodes' own path from message to message, without a robot."""
