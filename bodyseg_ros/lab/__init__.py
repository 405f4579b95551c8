"""The lab: training, conversion and measuring of networks.

Training: train_config, photo_folders, labeled, labels, teacher, keras_network, losses, trainer; of portrait networks:
portrait_*, fake_quantization. Measuring: evaluation, keypoint_ap, validation, timing_*. Writing files: conversion,
export, tfjs_writer, onnx_writer. Used by the command only, not by the library or the robot.
"""
