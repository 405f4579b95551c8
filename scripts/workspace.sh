#!/usr/bin/env bash
# Prepares a ROS 2 workspace that holds this package: what rosdep has from the distribution, the rest in a virtual
# environment beside it that sees the system's packages, then colcon. Safe to run again; each step is said before it is
# done.
#
#     scripts/workspace.sh [WORKSPACE] [FURTHER PIP REQUIREMENTS …]     # with ROS sourced; WORKSPACE: two folders up
set -euo pipefail

package=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
workspace=$(cd "${1:-$package/../..}" && pwd)
shift || true
venv=$workspace/venv
say() { printf '== %s\n' "$*"; }

[ -n "${ROS_DISTRO:-}" ] || { echo "ROS is not sourced: source /opt/ros/<distribution>/setup.bash first." >&2; exit 1; }

if command -v rosdep > /dev/null; then
  say "rosdep: what the distribution packages"
  rosdep install --from-paths "$package" -y --ignore-src
else
  say "rosdep is not installed, so what package.xml names must be here already"
fi

say "a virtual environment that sees the system's packages: $venv"
python3 -m venv --system-site-packages "$venv"
touch "$venv/COLCON_IGNORE"

needed=("pydantic>=2.6,<3" "typer>=0.12,<1" "rich>=13" "platformdirs>=4" "pillow>=10.1" "ai-edge-litert>=1.2,<3" "av" "rosbags>=0.10,<0.12")
# The distribution's OpenCV and cv_bridge are built for its NumPy: another major version breaks their import.
if numpy=$("$venv/bin/python" -c 'import numpy; print(numpy.__version__.split(".")[0])' 2> /dev/null) && [ "$numpy" -lt 2 ]; then
  needed+=("numpy<2" "ml_dtypes<0.6")
fi
"$venv/bin/python" -c 'import cv2' 2> /dev/null || needed+=("opencv-python-headless>=4.8,<5")
say "pip, into it: ${needed[*]} $*"
"$venv/bin/python" -m pip install --quiet "${needed[@]}" "$@"
"$venv/bin/python" -c 'import cv2, numpy, pydantic; print("== OpenCV", cv2.__version__, "NumPy", numpy.__version__, "pydantic", pydantic.__version__)'

say "colcon build"
(cd "$workspace" && colcon build --packages-select bodyseg_ros)

say "done. In each shell: source $venv/bin/activate && source $workspace/install/setup.bash"
