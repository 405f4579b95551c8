"""What viewers of the live page cost the node: 640×480 at 30 Hz, rounds with and without two viewers in turns.

    python benchmark/live_page.py [SECONDS A ROUND]

Prints the time that the node's worker spends on viewers after each frame (painting layers, handing them over), the
pictures that each viewer gets, also while a third one asks and does not read, and the node's rate. At the end, how long
the page takes to answer a photo with its mask.
"""

from __future__ import annotations

import json
import multiprocessing
import socket
import statistics
import sys
import threading
import time
import urllib.request
from typing import Any

import cv2
from skimage import data
from websockets.sync.client import connect

from bodyseg_ros.ros.graph.fake_graph import Bus, FakeGraph
from bodyseg_ros.ros.graph.headers import make_header
from bodyseg_ros.ros.graph.image_messages import image_message
from bodyseg_ros.ros.graph.qos import SENSOR, Qos
from bodyseg_ros.ros.nodes.bodyseg import BodysegNode

RATE_HZ = 30.0
ROUNDS = 4
PHOTOS = 10


def look(port: int, layer: str, seconds: float, reads: bool, answer: Any) -> None:
    """One viewer, in a process of its own; answers how many pictures came in a second."""
    with connect(f"ws://127.0.0.1:{port}/live", max_size=None) as page:
        for _ in range(2):
            page.send(json.dumps({"next": layer}))
        if not reads:
            time.sleep(seconds)
            return
        count, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            if isinstance(page.recv(timeout=5), bytes):
                count += 1
                page.send(json.dumps({"next": layer}))
        answer.put((layer, count / seconds))


def play(graph: FakeGraph, stopped: threading.Event) -> None:
    """A camera at RATE_HZ."""
    image = cv2.resize(data.astronaut(), (640, 480))
    publisher = graph.publisher("image", "sensor_msgs/msg/Image", SENSOR)
    due = time.monotonic()
    while not stopped.wait(max(0.0, due - time.monotonic())):
        due = max(due + 1 / RATE_HZ, time.monotonic())
        header = make_header(graph.messages, time.time_ns(), "camera")
        publisher.publish(image_message(graph.messages, header, image, "rgb8"))


def main(seconds: float) -> None:
    """Measure in turns and print."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    bus = Bus()
    graph = FakeGraph("bodyseg", bus, ["--ros-args", "-p", f"web_port:={port}"])
    camera = FakeGraph("camera", bus)
    # Somebody hears the overlay in every round: viewers add to that.
    camera.subscribe("/bodyseg/overlay", "sensor_msgs/msg/Image", Qos(depth=1), lambda message: None)
    node, stopped = BodysegNode(graph), threading.Event()
    took_ms: list[float] = []
    done = node._done

    def timed(context: Any) -> None:
        began = time.perf_counter()
        done(context)
        took_ms.append((time.perf_counter() - began) * 1e3)

    node._done = timed  # type: ignore[method-assign]
    threading.Thread(target=lambda: graph.spin(node), daemon=True).start()
    while "runs on" not in "".join(text for _, text in graph.said):
        time.sleep(0.1)
    threading.Thread(target=play, args=(camera, stopped), daemon=True).start()
    context = multiprocessing.get_context("spawn")
    for turn in range(ROUNDS):
        for viewers in (0, 2, 3):
            answers = context.Queue()
            chosen = [("overlay", True), ("mask", True), ("parts", False)][:viewers]
            clients = [
                context.Process(target=look, args=(port, layer, seconds, reads, answers)) for layer, reads in chosen
            ]
            for client in clients:
                client.start()
            if viewers:
                rates = dict(answers.get(timeout=60) for _ in range(2))
            else:
                time.sleep(seconds)
                rates = {}
            for client in clients:
                client.join()
            ages = took_ms[:]
            took_ms.clear()
            shown = ", ".join(f"{layer} {rate:.1f} Hz" for layer, rate in sorted(rates.items()))
            stalled = " and one that does not read" if viewers == 3 else ""
            print(
                f"turn {turn + 1}, {min(viewers, 2)} viewers{stalled}: {statistics.median(ages):.3f} ms a frame "
                f"(99 %: {statistics.quantiles(ages, n=100)[98]:.2f}); {shown or 'no pictures'}; "
                f"{node.diagnostics.latest.get('rate_hz', '?')} Hz",
                flush=True,
            )
    stopped.set()
    print(f"a photo's mask: {statistics.median(ask_masks(port)):.0f} ms (median of {PHOTOS})")
    graph.shutdown()


def ask_masks(port: int) -> list[float]:
    """Send a photo to the page as a browser does, several times; how long each answer takes, ms."""
    _, photo = cv2.imencode(".jpg", data.astronaut()[..., ::-1])
    times = []
    for _ in range(PHOTOS):
        began = time.perf_counter()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/photo?layer=mask", photo.tobytes())
        with urllib.request.urlopen(request) as answer:
            answer.read()
        times.append((time.perf_counter() - began) * 1e3)
    return times


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
