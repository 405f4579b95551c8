"""For pip alone; colcon reads CMakeLists.txt. What is the same for everybody stands in pyproject.toml."""

from setuptools import Extension, find_namespace_packages, find_packages, setup

_DEFINITIONS = "bodyseg_ros.ros.graph.definitions"
_MESSAGES = f"{_DEFINITIONS}.bodyseg_ros"

#: No contraction: the kernels give the same pixels as NumPy. No traps: comparisons may be done several at a time.
_FLAGS = ["-std=gnu11", "-O3", "-ffp-contract=off", "-fno-trapping-math", "-fno-math-errno"]

setup(
    packages=[
        *find_packages(include=["bodyseg_ros", "bodyseg_ros.*"]),
        *find_namespace_packages(include=[_DEFINITIONS, f"{_DEFINITIONS}.*"]),
        "bodyseg_ros.models",
        _MESSAGES,
    ],
    # Model cards and messages lie beside the package, where a ROS user looks for them, and inside it once installed.
    package_dir={"bodyseg_ros.models": "models", _MESSAGES: "msg"},
    ext_modules=[
        Extension(
            "bodyseg_ros.kernels._kernels",
            sources=[f"bodyseg_ros/kernels/{name}.c" for name in ("instances", "maps", "poses", "resize")],
            depends=["bodyseg_ros/kernels/kernels.h"],
            extra_compile_args=_FLAGS,
            optional=True,  # without a C compiler NumPy does the kernels' work
        )
    ],
)
