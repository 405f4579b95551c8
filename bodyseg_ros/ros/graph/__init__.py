"""The port to ROS 2, its adapters, and message conversion.

port.py is what a node sees: topics, services, parameters, time. Adapters: rclpy_graph, dds_graph, zenoh_graph,
fake_graph; open_graph.py chooses one. names.py and node_parameters.py read ROS arguments as rcl does;
image_messages.py, cloud_messages.py and headers.py convert messages; definitions/ holds message types for machines
without ROS.
"""

from .open_graph import open_graph
from .port import Graph
from .qos import LATCHED, RELIABLE, SENSOR, Qos, mismatch

__all__ = ["LATCHED", "RELIABLE", "SENSOR", "Graph", "Qos", "mismatch", "open_graph"]
