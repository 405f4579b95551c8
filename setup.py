"""For pip alone; colcon reads CMakeLists.txt. What is the same for everybody stands in pyproject.toml."""

from pathlib import Path

from setuptools import Extension, find_namespace_packages, find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

_DEFINITIONS = "bodyseg_ros.ros.graph.definitions"
_MESSAGES = f"{_DEFINITIONS}.bodyseg_ros"
#: The live page's files, which are no Python.
_PAGE = "bodyseg_ros.web.page"

#: No contraction: the kernels give the same pixels as NumPy. No traps: comparisons may be done several at a time.
_FLAGS = ["-std=gnu11", "-O3", "-ffp-contract=off", "-fno-trapping-math", "-fno-math-errno"]


class _Library(build_ext):
    """The kernels are loaded by ctypes, so one library serves every Python: its name bears none."""

    def get_ext_filename(self, fullname: str) -> str:
        """Return the path without Python's version."""
        return f"{fullname.replace('.', '/')}.so"

    def copy_extensions_to_source(self) -> None:
        """Put the library into a checkout; one that bears a Python's name would be loaded before it."""
        for older in Path("bodyseg_ros/kernels").glob("_kernels.*-*.so"):
            older.unlink()
        super().copy_extensions_to_source()


class _Wheel(bdist_wheel):
    """One wheel per platform, for every Python."""

    def get_tag(self) -> tuple[str, str, str]:
        """Return the tags of Python, ABI and platform."""
        return "py3", "none", super().get_tag()[2]


setup(
    cmdclass={"build_ext": _Library, "bdist_wheel": _Wheel},
    packages=[
        *find_packages(include=["bodyseg_ros", "bodyseg_ros.*"]),
        *find_namespace_packages(include=[_DEFINITIONS, f"{_DEFINITIONS}.*"]),
        "bodyseg_ros.models",
        _MESSAGES,
        _PAGE,
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
