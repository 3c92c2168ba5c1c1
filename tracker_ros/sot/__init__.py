"""Single-object trackers: one file per paper, and the monitor of their evidence."""
