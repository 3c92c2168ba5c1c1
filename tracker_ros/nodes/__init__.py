"""ROS 2, and nothing but ROS 2: the only room that imports rclpy and messages."""
