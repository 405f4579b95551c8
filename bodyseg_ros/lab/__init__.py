"""The lab: for whoever makes weights, converts models or measures.

Training: train_config, photo_folders, labelled, labels, teacher, keras_network, losses, trainer. Measuring: evaluation,
keypoint_ap, validation, timing_*. Writing files: conversion, export, tfjs_writer, onnx_writer. The command calls it;
the library and the robot do not.
"""
