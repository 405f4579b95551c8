# bodyseg_ros without ROS, heard by rmw_cyclonedds and rmw_fastrtps. From the root of the repository:
#   docker build -f docker/dds.Dockerfile -t bodyseg_ros:dds .
#   docker run --rm --network host --ipc host bodyseg_ros:dds node --ros-args -r image:=/camera/image_raw
ARG PYTHON=3.12
FROM python:${PYTHON} AS build
COPY . /src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /src

FROM python:${PYTHON}-slim
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(echo /wheels/*.whl)[dds,video]" && rm -r /wheels
ENTRYPOINT ["bodyseg"]
CMD ["node", "--runtime", "dds"]
