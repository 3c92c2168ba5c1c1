"""The operator's page: a web server that shows the camera and takes what the operator points at.

No ROS in here: nodes/operator_node.py stands between this and the graph.
"""
