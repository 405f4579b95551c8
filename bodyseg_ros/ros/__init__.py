"""The robot: everything that uses ROS 2.

graph/ is the port to the middleware, its adapters, and message conversion. nodes/ are the nodes: bodyseg, compositor,
camera, privacy camera. bag.py runs the node's work on a recording; processes.py starts and stops programs;
timing_steps.py times a node's work, messages included. The library does not import this package.
"""
