"""The robot: the port to ROS 2 and its adapters, messages ↔ types, nodes, bags."""
