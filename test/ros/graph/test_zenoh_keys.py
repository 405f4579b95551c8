"""Names on Zenoh's wire, against tokens written down by hand after rmw_zenoh's design and source."""

from __future__ import annotations

import pytest

from bodyseg_ros.errors import GraphError
from bodyseg_ros.ros.graph import LATCHED, Qos
from bodyseg_ros.ros.graph.rosbag_types import RosbagMessages
from bodyseg_ros.ros.graph.zenoh_keys import Attachment, Token, parse_token, topic_key

# Hashes as a ROS 2 Jazzy built from source writes them into share/<package>/<type>.json.
IMAGE_HASH = "RIHS01_d31d41a9a4c4bc8eae9be757b0beed306564f7526c88ea6a4588fb9582527d47"
SET_BOOL_HASH = "RIHS01_abe9e4bb6b41b40e6789712c00ec8871923e089af3f667a79992a428cff2da0a"


def test_a_topics_key() -> None:
    assert (
        topic_key(88, "/bodyseg/overlay", "sensor_msgs/msg/Image", IMAGE_HASH)
        == f"88/bodyseg/overlay/sensor_msgs::msg::dds_::Image_/{IMAGE_HASH}"
    )


def test_hashes_of_messages_and_services() -> None:
    messages = RosbagMessages()
    assert messages.type_hash("sensor_msgs/msg/Image") == IMAGE_HASH
    assert messages.type_hash("std_srvs/srv/SetBool") == SET_BOOL_HASH


@pytest.mark.parametrize(
    ("token", "key"),
    [
        (Token(2, "aac3178e", 0, 0, "NN", "/", "talker"), "@ros2_lv/2/aac3178e/0/0/NN/%/%/talker"),
        (Token(2, "aac3178e", 0, 0, "NN", "/robot1/arm", "x"), "@ros2_lv/2/aac3178e/0/0/NN/%/%robot1%arm/x"),
        (
            Token(0, "a1", 0, 7, "MP", "/", "n", "/n/mask", "sensor_msgs/msg/Image", "RIHS01_0", Qos(depth=2)),
            "@ros2_lv/0/a1/0/7/MP/%/%/n/%n%mask/sensor_msgs::msg::dds_::Image_/RIHS01_0/::,2:,:,:,,",
        ),
        (
            Token(0, "a1", 0, 8, "MS", "/", "n", "/image", "a/msg/B", "RIHS01_0", Qos(depth=1, reliable=False)),
            "@ros2_lv/0/a1/0/8/MS/%/%/n/%image/a::msg::dds_::B_/RIHS01_0/2::,1:,:,:,,",
        ),
        (
            Token(0, "a1", 0, 9, "MP", "/", "n", "/label", "a/msg/B", "RIHS01_0", LATCHED),
            "@ros2_lv/0/a1/0/9/MP/%/%/n/%label/a::msg::dds_::B_/RIHS01_0/:1:,1:,:,:,,",
        ),
        (
            Token(0, "a1", 0, 9, "SS", "/", "n", "/n/enable", "std_srvs/srv/SetBool", "RIHS01_0", Qos(depth=42)),
            "@ros2_lv/0/a1/0/9/SS/%/%/n/%n%enable/std_srvs::srv::dds_::SetBool_/RIHS01_0/::,:,:,:,,",
        ),
    ],
)
def test_tokens_are_written_and_read(token: Token, key: str) -> None:
    assert token.key == key
    assert parse_token(key) == token


@pytest.mark.parametrize(
    "key",
    ["", "0/chatter/x/y", "@ros2_lv/0/a/0/0/XX/%/%/n", "@ros2_lv/0/a/0/0/MP/%/%/n", "@ros2_lv/zero/a/0/0/NN/%/%/n",
     "@ros2_lv/0/a/0/0/MP/%/%/n/%t/a::msg::dds_::B_/h/::"],
)  # fmt: skip
def test_other_keys_are_refused(key: str) -> None:
    with pytest.raises(GraphError, match="liveliness token"):
        parse_token(key)


def test_an_attachment_is_33_bytes_little_endian() -> None:
    attachment = Attachment(1, 2, bytes(range(16)))
    packed = b"\x01" + bytes(7) + b"\x02" + bytes(7) + b"\x10" + bytes(range(16))
    assert attachment.pack() == packed
    assert Attachment.unpack(packed) == attachment
    for broken in (b"", packed[:-1], packed[:16] + b"\x11" + packed[17:]):
        with pytest.raises(GraphError, match="attachment"):
            Attachment.unpack(broken)
