"""The port to ROS 2, its adapters, and messages to types and back.

port.py is what a node sees: topics, services, parameters, time. Adapters: rclpy_graph, dds_graph, zenoh_graph,
fake_graph; open_graph.py chooses one. names.py and node_parameters.py read ROS arguments as rcl does;
image_messages.py and
headers.py convert messages; definitions/ holds the message types that a machine without ROS lacks.
"""

from .open_graph import open_graph
from .port import Graph
from .qos import LATCHED, RELIABLE, SENSOR, Qos, mismatch

__all__ = ["LATCHED", "RELIABLE", "SENSOR", "Graph", "Qos", "mismatch", "open_graph"]
