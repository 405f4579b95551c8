"""For pip alone; colcon reads CMakeLists.txt. Everything else stands in pyproject.toml."""

from setuptools import setup

setup()
