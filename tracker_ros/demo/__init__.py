"""The demo: a scene to look at, sources of frames, and what is kept of a run. No rclpy here."""
