# bodyseg_ros in a ROS 2 workspace, on rclpy. From the root of the repository:
#   docker build -f docker/rclpy.Dockerfile -t bodyseg_ros:rclpy --build-arg DISTRIBUTION=jazzy .
#   docker run --rm --network host --ipc host bodyseg_ros:rclpy ros2 launch bodyseg_ros bodyseg.launch.py image:=/camera/image_raw
ARG DISTRIBUTION=jazzy
FROM ros:${DISTRIBUTION}-ros-base
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
COPY . /ws/src/bodyseg_ros
# hadolint ignore=DL3008,SC1091
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-pip python3-venv \
    && rosdep update --rosdistro "${ROS_DISTRO}" \
    && source "/opt/ros/${ROS_DISTRO}/setup.bash" \
    && /ws/src/bodyseg_ros/scripts/workspace.sh /ws \
    && rm -rf /var/lib/apt/lists/*
ENTRYPOINT ["/bin/bash", "-c", "source /ws/venv/bin/activate && source /ws/install/setup.bash && exec \"$@\"", "--"]
CMD ["ros2", "launch", "bodyseg_ros", "bodyseg.launch.py"]
