"""The ROS 2 nodes.

bodyseg, compositor, camera and privacy_camera are the nodes; frame_node.py is what those with a camera have in common.
A frame's way: mailbox.py, worker.py or overlap.py, node_model.py, outputs.py (a row per topic). node_settings.py holds
the parameters; live_settings.py is what may change between two frames; shared.py lets several cameras use one network.
"""
