"""Reads and writes ROS 2 bags, mcap and sqlite3, whole and damaged ones; no ROS."""
