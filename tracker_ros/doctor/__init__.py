"""What this machine has, and what of it is known not to go together: `tracker_ros doctor`."""
