# bodyseg_ros without ROS, heard by rmw_zenoh. From the root of the repository:
#   docker build -f docker/zenoh.Dockerfile -t bodyseg_ros:zenoh .
#   docker run --rm --network host --ipc host bodyseg_ros:zenoh node --ros-args -r image:=/camera/image_raw
ARG PYTHON=3.14
FROM python:${PYTHON} AS build
COPY . /src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /src

FROM python:${PYTHON}-slim
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(echo /wheels/*.whl)[zenoh,video]" && rm -r /wheels
ENTRYPOINT ["bodyseg"]
CMD ["node", "--runtime", "zenoh"]
