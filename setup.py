"""For pip alone; colcon reads CMakeLists.txt. What is the same for everybody stands in pyproject.toml."""

from setuptools import find_packages, setup

_MESSAGES = "bodyseg_ros.graph.definitions.bodyseg_ros"

setup(
    packages=[*find_packages(include=["bodyseg_ros", "bodyseg_ros.*"]), "bodyseg_ros.models", _MESSAGES],
    # Model cards and messages lie beside the package, where a ROS user looks for them, and inside it once installed.
    package_dir={"bodyseg_ros.models": "models", _MESSAGES: "msg"},
)
