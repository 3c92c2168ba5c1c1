"""From message bytes to tracks, without ROS: what the nodes run live, and a replay from a bag."""
