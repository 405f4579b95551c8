"""The robot: everything that speaks ROS 2.

graph/ is the port to the middleware, its adapters, and messages to types and back. nodes/ are the nodes: bodyseg,
compositor, camera, privacy camera. bag.py runs the node's work over a recording; processes.py starts programs and ends
them; timing_steps.py times a node's work, messages included. Nothing here is imported by the library.
"""
