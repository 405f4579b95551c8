"""Break one line after the other, and see whether the tests that guard it notice: what survives, no test holds.

    python benchmark/mutations.py                # every mutation: ten minutes on two cores
    python benchmark/mutations.py mirror qos     # those whose name holds one of the words
    python benchmark/mutations.py --list

Everything happens in a copy of the checkout. The end status is 1 where a mutation survives, or where its line is no
longer in the file as it stands here.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
COMPILE = ["cc", "-std=gnu11", "-O2", "-ffp-contract=off", "-fno-trapping-math", "-fno-math-errno", "-shared", "-fPIC"]


TOO_LONG_S = 120
HANGS = -1


class Mutation(NamedTuple):
    """One text, which stands once in a file, replaced by another; `tests`: what pytest is told to run."""

    name: str
    file: str
    old: str
    new: str
    tests: str


LIBRARY = [
    Mutation(
        "nms radius squared, NumPy",
        "bodyseg_ros/decode/poses.py",
        "nms_radius_squared = limits.nms_radius * limits.nms_radius",
        "nms_radius_squared = limits.nms_radius",
        "test/decode/test_behavior.py",
    ),
    Mutation(
        "nms radius squared, C",
        "bodyseg_ros/kernels/compiled.py",
        "limits.nms_radius * limits.nms_radius",
        "limits.nms_radius",
        "test/decode/test_behavior.py",
    ),
    Mutation(
        "nms radius inclusive, C",
        "bodyseg_ros/kernels/poses.c",
        "<= nms_radius_squared) return 1;",
        "< nms_radius_squared) return 1;",
        "test/decode/test_behavior.py test/kernels/test_equal.py",
    ),
    Mutation(
        "a pose's score counts fresh keypoints only, NumPy",
        "bodyseg_ros/decode/poses.py",
        "sum(joint_scores[count][fresh])",
        "sum(joint_scores[count])",
        "test/decode/test_behavior.py test/decode/test_reference.py",
    ),
    Mutation(
        "a pose's score counts fresh keypoints only, C",
        "bodyseg_ros/kernels/poses.c",
        "if (!near_any(points, count, joint, pose[joint], nms_radius_squared)) sum",
        "sum",
        "test/decode/test_behavior.py test/decode/test_reference.py",
    ),
    Mutation(
        "root threshold is inclusive",
        "bodyseg_ros/decode/poses.py",
        "(scores.astype(np.float64) >= score_threshold)",
        "(scores.astype(np.float64) > score_threshold)",
        "test/decode/test_behavior.py",
    ),
    Mutation(
        "short offsets are followed twice",
        "bodyseg_ros/decode/poses.py",
        "_OFFSET_REFINE_STEPS: Final = 2",
        "_OFFSET_REFINE_STEPS: Final = 1",
        "test/decode/test_reference.py",
    ),
    Mutation(
        "mask threshold is strict",
        "bodyseg_ros/decode/masks.py",
        "return (confidence > np.float32(threshold))",
        "return (confidence >= np.float32(threshold))",
        "test/decode/test_behavior.py",
    ),
    Mutation(
        "of equal parts the first wins",
        "bodyseg_ros/decode/masks.py",
        "parts[scores > best] = part",
        "parts[scores >= best] = part",
        "test/kernels/test_equal.py",
    ),
    Mutation(
        "a person alone owns the mask",
        "bodyseg_ros/decode/instances.py",
        "np.int16(candidates[0] + 1)",
        "np.int16(1)",
        "test/decode/test_behavior.py",
    ),
    Mutation(
        "keypoints above the score decide the owner",
        "bodyseg_ros/decode/instances.py",
        "seen = poses.keypoint_scores > np.float32(min_keypoint_score)",
        "seen = poses.keypoint_scores >= np.float32(min_keypoint_score)",
        "test/decode/test_behavior.py",
    ),
    Mutation(
        "far pixels are nobody's",
        "bodyseg_ros/decode/instances.py",
        "MAX_DISTANCE_PX2: Final = 1_000_000.0",
        "MAX_DISTANCE_PX2: Final = 1e12",
        "test/decode test/kernels/test_equal.py",
    ),
    Mutation(
        "offsets are y before x",
        "bodyseg_ros/decode/instances.py",
        "offsets[..., [joint, joint + 17]]",
        "offsets[..., [joint + 17, joint]]",
        "test/decode",
    ),
    Mutation(
        "a block is one person's only if nobody is nearer, C",
        "bodyseg_ros/kernels/instances.c",
        "(agree && farthest < second)",
        "agree",
        "test/kernels/test_equal.py test/decode",
    ),
    Mutation(
        "network size is a multiple of the stride and one",
        "bodyseg_ros/geometry.py",
        "math.floor(side / stride) * stride + 1",
        "math.floor(side / stride) * stride",
        "test/test_geometry.py test/networks/test_bodypix.py",
    ),
    Mutation(
        "halves of a pad round up",
        "bodyseg_ros/geometry.py",
        "return math.floor(value + 0.5)",
        "return math.ceil(value - 0.5)",
        "test/test_geometry.py",
    ),
    Mutation(
        "keypoints mirror at the last pixel",
        "bodyseg_ros/mirror.py",
        "width - 1 - points[..., 0]",
        "width - points[..., 0]",
        "test/test_mirror.py",
    ),
    Mutation(
        "a result knows that it is mirrored",
        "bodyseg_ros/mirror.py",
        "mirrored=not result.mirrored",
        "mirrored=True",
        "test/test_mirror.py",
    ),
    Mutation(
        "flip_horizontal mirrors",
        "bodyseg_ros/networks/flip.py",
        "asked = isinstance(settings, FlipSettings) and settings.flip_horizontal",
        "asked = False",
        "test/networks/test_bodypix.py test/networks/test_posenet.py",
    ),
    Mutation(
        "frame_skip 3 runs the network on every third frame",
        "bodyseg_ros/frame_skip.py",
        "self._skipped + 1 >= settings.frame_skip",
        "self._skipped >= settings.frame_skip",
        "test/test_frame_skip.py",
    ),
    Mutation(
        "a skipped frame's mask comes from where its pixels were",
        "bodyseg_ros/frame_skip.py",
        "origins = _trace(gray, self.gray, frame.size)",
        "origins = _trace(self.gray, gray, frame.size)",
        "test/test_frame_skip.py",
    ),
    Mutation(
        "a failed run's predecessor is not moved further",
        "bodyseg_ros/frame_skip.py",
        "self._kept = None  # until the network has answered",
        "pass",
        "test/test_frame_skip.py",
    ),
    Mutation(
        "specks below a twentieth do not count for a box",
        "bodyseg_ros/person.py",
        "_PIECE_SHARE: Final = 0.05",
        "_PIECE_SHARE: Final = 0.06",
        "test/test_person.py",
    ),
    Mutation(
        "a box ends beyond its last pixel",
        "bodyseg_ros/person.py",
        "points.max(axis=0).tolist()\n    return left, top, right + 1, bottom + 1",
        "points.max(axis=0).tolist()\n    return left, top, right, bottom + 1",
        "test/test_person.py",
    ),
    Mutation(
        "COCO run lengths are less the one before the last",
        "bodyseg_ros/coco.py",
        "rest[3:] -= runs[1:-2]",
        "rest[2:] -= runs[:-2]",
        "test/test_coco.py",
    ),
    Mutation(
        "COCO run lengths go down columns",
        "bodyseg_ros/coco.py",
        'ravel(order="F")',
        'ravel(order="C")',
        "test/test_coco.py",
    ),
    Mutation(
        "a later frame follows, the same moment does not",
        "bodyseg_ros/frame_sequence.py",
        "else 0 < gap_s <= max_gap_s",
        "else 0 <= gap_s <= max_gap_s",
        "test/test_frame_sequence.py",
    ),
    Mutation(
        "smoothing goes towards the last mask",
        "bodyseg_ros/refine/refiner.py",
        "confidence + weight * (last.confidence - confidence)",
        "confidence - weight * (last.confidence - confidence)",
        "test/refine/test_refiner.py",
    ),
    Mutation(
        "a mirrored mask takes the mirrored picture's edges",
        "bodyseg_ros/refine/refiner.py",
        "        if mirrored:\n            gray = mirror_array(gray)",
        "        if False:\n            gray = mirror_array(gray)",
        "test/refine/test_refiner.py",
    ),
    Mutation(
        "YAML's depth is limited",
        "bodyseg_ros/yaml_reader.py",
        "_MAX_DEPTH: Final = 20",
        "_MAX_DEPTH: Final = 24",
        "test/test_yaml_reader.py",
    ),
    Mutation(
        "YAML's octal numbers are read as rcl reads them",
        "bodyseg_ros/yaml_reader.py",
        '8 if integer["octal"] else 10',
        "10",
        "test/test_yaml_reader.py",
    ),
    Mutation(
        "YAML's aliases are refused",
        "bodyseg_ros/yaml_reader.py",
        "if isinstance(event, yaml.AliasEvent):",
        "if False:",
        "test/test_yaml_reader.py",
    ),
    Mutation(
        "a parameter read at start is refused live",
        "bodyseg_ros/settings.py",
        "if not by_name[name].live:",
        "if False:",
        "test/test_plan.py test/ros/graph/test_node_parameters.py",
    ),
    Mutation(
        "a plugin of another version is refused",
        "bodyseg_ros/plugins.py",
        "if version not in base.supported_versions:",
        "if False:",
        "test/test_plugins.py test/test_examples.py",
    ),
    Mutation(
        "a download's checksum is checked",
        "bodyseg_ros/catalog/download.py",
        "if wanted and digest != wanted:",
        "if False:",
        "test/catalog/test_download.py",
    ),
    Mutation(
        "a download goes on where it ended",
        "bodyseg_ros/catalog/download.py",
        'request.add_header("Range", f"bytes={here}-")',
        'request.add_header("Range", "bytes=0-")',
        "test/catalog/test_download.py",
    ),
    Mutation(
        "a download does not leave https",
        "bodyseg_ros/catalog/download.py",
        'or req.type == "https"',
        "or False",
        "test/catalog/test_download.py",
    ),
    Mutation(
        "a cached file that changed is refused",
        "bodyseg_ros/catalog/checksums.py",
        "    if sha256_of(path) != wanted:",
        "    if False:",
        "test/catalog/test_find.py",
    ),
    Mutation(
        "a file that nobody published is tried first",
        "bodyseg_ros/catalog/find.py",
        "if published.issuperset(digests):",
        "if True:",
        "test/catalog test/engines/test_trial.py",
    ),
    Mutation(
        "a trial's memory is limited",
        "bodyseg_ros/engines/trial.py",
        "return int(peak[1]) / 1024 if peak else 0.0",
        "return 0.0",
        "test/engines/test_trial.py",
    ),
    Mutation(
        "the fastest engine comes first",
        "bodyseg_ros/engines/choose.py",
        "-_speed(candidate[0], candidate[2])",
        "_speed(candidate[0], candidate[2])",
        "test/engines/test_choose.py",
    ),
    Mutation(
        "one model is used by one thread at a time",
        "bodyseg_ros/model.py",
        "        with self._one_at_a_time:\n            return at_once(self.steps(frame, wanted))",
        "        return at_once(self.steps(frame, wanted))",
        "test/test_model.py",
    ),
    Mutation(
        "refinement comes after mirroring",
        "bodyseg_ros/model.py",
        "if refined else result",
        "if False else result",
        "test/refine test/test_model.py",
    ),
    Mutation(
        "a person without a face is hidden whole",
        "bodyseg_ros/effects/hiding.py",
        "faceless[areas.reshape(person.shape)[face == 1]] = 0",
        "faceless[:] = 0",
        "test/effects/test_themes.py",
    ),
    Mutation(
        "an effect whose settings changed is made anew",
        "bodyseg_ros/effects/chain.py",
        'type(one) is effect and own in (None, getattr(one, "settings", None))',
        "type(one) is effect",
        "test/effects test/ros/nodes/test_live_effects.py",
    ),
]

ROBOT = [
    Mutation(
        "pictures are asked for as best effort",
        "bodyseg_ros/ros/graph/qos.py",
        "SENSOR = Qos(depth=1, reliable=False)",
        "SENSOR = Qos(depth=1)",
        "test/ros/graph/test_qos.py test/ros/nodes/test_bodyseg.py",
    ),
    Mutation(
        "results are offered reliably",
        "bodyseg_ros/ros/graph/qos.py",
        "RELIABLE = Qos(depth=2)",
        "RELIABLE = Qos(depth=2, reliable=False)",
        "test/ros/graph/test_qos.py test/ros/nodes/test_bodyseg.py",
    ),
    Mutation(
        "label names are latched",
        "bodyseg_ros/ros/graph/qos.py",
        "LATCHED = Qos(depth=1, latched=True)",
        "LATCHED = Qos(depth=1)",
        "test/ros/nodes/test_bodyseg.py",
    ),
    Mutation(
        "who asks for reliable hears no best effort",
        "bodyseg_ros/ros/graph/qos.py",
        "if requested.reliable and not offered.reliable:",
        "if offered.reliable and not requested.reliable:",
        "test/ros/graph/test_qos.py test/ros/graph/test_local_graph.py",
    ),
    Mutation(
        "a QoS override is of one side",
        "bodyseg_ros/ros/graph/qos.py",
        'prefix = f"qos_overrides.{topic}.{entity}."',
        'prefix = f"qos_overrides.{topic}.publisher."',
        "test/ros/graph/test_node_parameters.py test/ros/graph/test_qos.py",
    ),
    Mutation(
        "the newest frame wins",
        "bodyseg_ros/ros/nodes/mailbox.py",
        "                self._replaced = self._items.popleft()\n                self.dropped += 1",
        "                self.dropped += 1\n                return",
        "test/ros/nodes/test_mailbox.py",
    ),
    Mutation(
        "a dropped frame is counted",
        "bodyseg_ros/ros/nodes/mailbox.py",
        "                self.dropped += 1",
        "                pass",
        "test/ros/nodes/test_mailbox.py",
    ),
    Mutation(
        "dropped frames count on after deactivation",
        "bodyseg_ros/ros/nodes/frame_node.py",
        "            self._dropped_before += self._worker.dropped\n",
        "",
        "test/ros/nodes/test_bodyseg.py",
    ),
    Mutation(
        "who waits longest is served first",
        "bodyseg_ros/ros/nodes/fair_lock.py",
        "self._free and self._waiting[0] is ticket)\n            self._waiting.popleft()",
        "self._free)\n            self._waiting.remove(ticket)",
        "test/ros/nodes/test_shared.py",
    ),
    Mutation(
        "once is once",
        "bodyseg_ros/ros/graph/local_graph.py",
        "(once or now - last < every_s)",
        "(now - last < every_s)",
        "test/ros/graph/test_local_graph.py",
    ),
    Mutation(
        "each reason is logged once",
        "bodyseg_ros/ros/nodes/diagnostics.py",
        'once=True, key=re.sub(r"[0-9]+", "#", text)',
        "once=False",
        "test/ros/nodes/test_bodyseg.py",
    ),
    Mutation(
        "a stamp's nanoseconds",
        "bodyseg_ros/ros/graph/headers.py",
        "int(header.stamp.sec) * 1_000_000_000",
        "int(header.stamp.sec) * 1_000_000",
        "test/ros/graph/test_image_messages.py",
    ),
    Mutation(
        "a bag's messages keep their time",
        "bodyseg_ros/ros/bag.py",
        "self._writer.write(copies[connection.id], time_ns, raw)",
        "self._writer.write(copies[connection.id], time_ns + 1, raw)",
        "test/ros/nodes/test_bag.py",
    ),
    Mutation(
        "a bag's new topics have the picture's time",
        "bodyseg_ros/ros/bag.py",
        "output.type, made, time_ns)",
        "output.type, made, time_ns + 1)",
        "test/ros/nodes/test_bag.py",
    ),
    Mutation(
        "a raw picture is left out where people are hidden",
        "bodyseg_ros/ros/bag.py",
        "copied = not (self._hides and _SHOWS_PEOPLE.search(connection.msgtype))",
        "copied = True",
        "test/ros/nodes/test_bag.py",
    ),
    Mutation(
        "a mask's person is 255",
        "bodyseg_ros/ros/nodes/outputs.py",
        "person * np.uint8(255)",
        "person * np.uint8(254)",
        "test/ros/nodes/test_bodyseg.py",
    ),
    Mutation(
        "part labels begin at 1",
        "bodyseg_ros/ros/nodes/outputs.py",
        "{i + 1: name for i, name in enumerate(PART_NAMES)}",
        "{i: name for i, name in enumerate(PART_NAMES)}",
        "test/ros/nodes/test_bodyseg.py",
    ),
    Mutation(
        "instance labels begin at 1",
        "bodyseg_ros/ros/nodes/people_messages.py",
        "else person.index + 1",
        "else person.index",
        "test/ros/nodes/test_bodyseg.py",
    ),
    Mutation(
        "rgb JPEGs of image_transport are swapped back",
        "bodyseg_ros/ros/graph/image_messages.py",
        'and "compressed bgr" not in rest',
        "",
        "test/ros/graph/test_image_messages.py",
    ),
    Mutation(
        "people's depth is invalid",
        "bodyseg_ros/ros/nodes/depth.py",
        'invalid = depth.dtype.type(0 if depth.dtype.kind == "u" else np.nan)',
        "invalid = depth.dtype.type(0)",
        "test/ros/nodes/test_depth.py",
    ),
    Mutation(
        "depth lies under an unmirrored mask",
        "bodyseg_ros/ros/nodes/seen_people.py",
        "mirror_array(result.person) if result.mirrored else result.person",
        "result.person",
        "test/ros/nodes/test_depth.py",
    ),
    Mutation(
        "a pair's second is never older",
        "bodyseg_ros/ros/nodes/pairs.py",
        "0 <= ahead * (stamp - stamp_ns) <= self._slop_ns",
        "abs(stamp - stamp_ns) <= self._slop_ns",
        "test/ros/nodes/test_pairs.py",
    ),
    Mutation(
        "an overtaken frame is counted",
        "bodyseg_ros/ros/nodes/overlap.py",
        "self._overtaken += self._prepared is not None",
        "self._overtaken += 0",
        "test/ros/nodes/test_overlap.py",
    ),
    Mutation(
        "a late picture is not shown",
        "bodyseg_ros/ros/nodes/privacy_camera.py",
        "if abs(age) > self._settings.max_age:",
        "if False:",
        "test/ros/nodes/test_privacy_camera.py",
    ),
    Mutation(
        "a place stays covered",
        "bodyseg_ros/privacy/live_filling.py",
        "deque(maxlen=hold_frames + delay_frames + 1)",
        "deque(maxlen=delay_frames + 1)",
        "test/ros/nodes/test_privacy_camera.py",
    ),
    Mutation(
        "who is lost is covered on their way",
        "bodyseg_ros/privacy/live_filling.py",
        "if part.index < at.index and seconds < self._max_gap_s:",
        "if False:",
        "test/ros/nodes/test_privacy_camera.py",
    ),
    Mutation(
        "after a failure people are looked for anew",
        "bodyseg_ros/ros/nodes/privacy_camera.py",
        "self._interrupted = True\n        return blank(self._size, reason)",
        "return blank(self._size, reason)",
        "test/ros/nodes/test_privacy_camera.py",
    ),
    Mutation(
        "what waits is dark where a later picture fails",
        "bodyseg_ros/ros/nodes/privacy_camera.py",
        "ready = [(each, refused) for each in self._waiting]",
        "ready = [(arrival, refused)]",
        "test/ros/nodes/test_privacy_camera.py",
    ),
    Mutation(
        "one answer over the whole picture is not believed",
        "bodyseg_ros/privacy/mask_check.py",
        "if high - low < _LEAST_SPREAD:",
        "if False:",
        "test/privacy/test_mask_check.py",
    ),
    Mutation(
        "enabled: false stops the work",
        "bodyseg_ros/ros/nodes/bodyseg.py",
        " or not live.settings.enabled:",
        ":",
        "test/ros/nodes/test_bodyseg.py",
    ),
    Mutation(
        "the first remapping rule wins",
        "bodyseg_ros/ros/graph/names.py",
        "for match, replacement in self.remaps:",
        "for match, replacement in reversed(self.remaps):",
        "test/ros/graph/test_names.py",
    ),
    Mutation(
        "a camera_info of another size is not passed on",
        "bodyseg_ros/ros/nodes/camera_info.py",
        "if info is None or (info.height and info.width and size not in picture_sizes(info)):",
        "if info is None:",
        "test/ros/nodes/test_bodyseg.py",
    ),
    Mutation(
        "launch: one of two nodes starts",
        "launch/bodyseg.launch.py",
        "bodyseg([], UnlessCondition(chosen))",
        "bodyseg([], IfCondition(chosen))",
        "test/test_launch.py",
    ),
    Mutation(
        "launch: the camera's topic is remapped",
        "launch/bodyseg.launch.py",
        '            ("image", image),',
        '            ("images", image),',
        "test/test_launch.py",
    ),
    Mutation(
        "launch: the privacy camera hears the topic that is named",
        "launch/privacy.launch.py",
        'remappings=[("image", image), ',
        "remappings=[",
        "test/test_launch.py",
    ),
]

LAB_AND_COMMAND = [
    Mutation(
        "IoU is over the union",
        "bodyseg_ros/lab/evaluation.py",
        "union = np.count_nonzero(mask | truth)",
        "union = np.count_nonzero(truth)",
        "test/lab/test_evaluation.py",
    ),
    Mutation(
        "a keypoint is found within a tenth",
        "bodyseg_ros/lab/evaluation.py",
        "NEAR: Final = 0.1",
        "NEAR: Final = 0.2",
        "test/lab/test_evaluation.py",
    ),
    Mutation(
        "a label's left and right change places in a mirror",
        "bodyseg_ros/lab/labels.py",
        "MIRRORED_PARTS = [1, 0, 4, 5,",
        "MIRRORED_PARTS = [0, 1, 4, 5,",
        "test/lab/test_labels.py",
    ),
    Mutation(
        "a label's offsets turn with the picture",
        "bodyseg_ros/lab/labels.py",
        "moved_x = matrix[0, 0] * x + matrix[0, 1] * y",
        "moved_x = matrix[0, 0] * x - matrix[0, 1] * y",
        "test/lab/test_labels.py",
    ),
    Mutation(
        "an input is never overwritten",
        "bodyseg_ros/cli/run_files.py",
        "if target.resolve() in files:",
        "if False:",
        "test/cli/test_run.py",
    ),
    Mutation(
        "two inputs of one name get two files",
        "bodyseg_ros/cli/run_files.py",
        'free = f"{name}_{number}"',
        "break",
        "test/cli/test_run.py",
    ),
    Mutation(
        "nothing of an input is remembered in the next",
        "bodyseg_ros/cli/run_task.py",
        "    model.restart()\n",
        "",
        "test/cli/test_run_many.py",
    ),
    Mutation(
        "what was made by other choices is done again",
        "bodyseg_ros/cli/run_task.py",
        'content["origin"] != origin or ',
        "",
        "test/cli/test_run_many.py",
    ),
    Mutation(
        "an output that is gone is made again",
        "bodyseg_ros/cli/run_task.py",
        ' or content["outputs"] != _outputs(task)',
        "",
        "test/cli/test_run_many.py",
    ),
    Mutation(
        "lines are in the order of the inputs",
        "bodyseg_ros/cli/run_journal.py",
        "while self._waiting and self._waiting[0] in self._done:",
        "while self._waiting:",
        "test/cli/test_run_many.py",
    ),
    Mutation(
        "lines of an earlier run are left out",
        "bodyseg_ros/cli/run_journal.py",
        "or number in self._failed ",
        "",
        "test/cli/test_run_many.py",
    ),
    Mutation(
        "what was lost with a process is done again",
        "bodyseg_ros/cli/many_files.py",
        "lost.append(item)",
        "yield item, made",
        "test/cli/test_many_files.py",
    ),
    Mutation(
        "other processes end when the first dies",
        "bodyseg_ros/cli/many_files.py",
        "        parent.join()\n",
        "        return\n",
        "test/cli/test_many_files.py",
    ),
    Mutation(
        "other model files: not finished",
        "bodyseg_ros/privacy/release_report.py",
        '"sha256_model": _hash_model(plan),',
        "",
        "test/cli/test_anonymize.py",
    ),
    Mutation(
        "an output on other storage is put last",
        "bodyseg_ros/cli/storage.py",
        "key=lambda one: one.parts[0] == last",
        "key=lambda one: one.parts[0] != last",
        "test/cli/test_run_many.py",
    ),
]

MUTATIONS = [*LIBRARY, *ROBOT, *LAB_AND_COMMAND]


def copy_checkout(target: Path) -> None:
    """Every file that git knows or would add, and the compiled kernels."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    kernels = [str(path.relative_to(ROOT)) for path in (ROOT / "bodyseg_ros" / "kernels").glob("*.so")]
    for name in [*filter(None, listed), *kernels]:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def build_kernels(folder: Path) -> None:
    """Compile the copy's kernels in the place of those that were copied."""
    kernels = folder / "bodyseg_ros" / "kernels"
    for built in kernels.glob("*.so"):
        built.unlink()
    sources = sorted(map(str, kernels.glob("*.c")))
    subprocess.run([*COMPILE, *sources, "-lm", "-o", str(kernels / "_kernels.so")], check=True)


def verdict(mutation: Mutation, folder: Path, shared: Path) -> str:
    """'caught', 'SURVIVED', or why it could not be tried."""
    path = folder / mutation.file
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text.count(mutation.old) != 1:
        return f"STALE: its line stands {text.count(mutation.old)} times in the file"
    path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    tests = [name for name in mutation.tests.split() if (folder / name).exists()]
    try:
        if path.suffix == ".c":
            build_kernels(folder)
        status, failed = run_tests(tests, folder, shared)
    finally:
        path.write_text(text, encoding="utf-8")
        if path.suffix == ".c":
            build_kernels(folder)
    if status == HANGS:
        return f"caught: the tests were not done after {TOO_LONG_S} s"
    if status not in (0, 1):
        return f"BROKEN: pytest ended with status {status}"
    if not status:
        return "SURVIVED"
    if run_tests([failed], folder, shared)[0]:
        return f"BROKEN: {failed} fails as things stand"
    return f"caught by {failed.rpartition('::')[2]}"


def run_tests(tests: list[str], folder: Path, shared: Path) -> tuple[int, str]:
    """Pytest's status, and the first test that failed."""
    environment = os.environ | {"PYTHONPATH": str(folder), "BODYSEG_SHARED": str(shared)}
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as running:
        try:
            said, _ = running.communicate(timeout=TOO_LONG_S)
        except subprocess.TimeoutExpired:  # a mutation may make threads wait for each other
            os.killpg(running.pid, signal.SIGKILL)
            return HANGS, ""
    failed = re.search(r"^(?:FAILED|ERROR) (\S*::.*?)(?: - .*)?$", said, re.MULTILINE)
    return running.returncode, failed[1] if failed else ""


def main() -> int:
    """Try the mutations that were chosen."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("words", nargs="*", help="only those whose name or file holds one of these")
    arguments.add_argument("--list", action="store_true", help="show them, and do nothing")
    asked = arguments.parse_args()
    words = [word.lower() for word in asked.words]
    chosen = [m for m in MUTATIONS if not words or any(w in f"{m.name} {m.file}".lower() for w in words)]
    shared = Path(os.environ.get("BODYSEG_SHARED", ROOT.parent / "shared"))
    survivors = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if not asked.list:
            copy_checkout(folder)
        for mutation in chosen:
            began = time.monotonic()
            found = "" if asked.list else verdict(mutation, folder, shared)
            survivors += not found.startswith("caught")
            print(f"{mutation.file:<45} {mutation.name:<55} {found} ({time.monotonic() - began:.0f} s)", flush=True)
    if asked.list:
        return 0
    print(f"{len(chosen) - survivors} of {len(chosen)} mutations were caught.")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
