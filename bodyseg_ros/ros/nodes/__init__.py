"""The ROS 2 nodes: bodyseg, compositor, camera, privacy_camera and recorder.

The base class for nodes with a camera is in frame_node.py. A frame passes through mailbox.py, worker.py or overlap.py,
node_model.py and outputs.py (one row per topic). Parameters are in node_settings.py; live_settings.py holds those that
may change between two frames. shared.py lets several cameras share one network.
"""
