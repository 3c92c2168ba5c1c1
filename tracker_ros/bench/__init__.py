"""How long everything takes: `tracker_ros bench`."""
