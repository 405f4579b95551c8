"""A ROS 2 node of your own that gets a camera image and the mask of the same moment, and publishes the people cut out.

    ros2 run bodyseg_ros bodyseg --ros-args -r image:=/camera/image_raw        # in one terminal
    python3 examples/pair_image_and_mask.py --ros-args -r image:=/camera/image_raw   # in another

The mask has the stamp of its image, so TimeSynchronizer pairs them exactly; the image waits until its mask arrives.
"""

from __future__ import annotations

import rclpy
from cv_bridge import CvBridge
from message_filters import Subscriber, TimeSynchronizer
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

#: Images that wait for their mask: at 30 Hz, two thirds of a second.
WAITING = 20


class CutOut(Node):
    """Publishes `~/people`: the image, black where no person is."""

    def __init__(self) -> None:
        super().__init__("cut_out")
        self._bridge = CvBridge()
        self._publisher = self.create_publisher(Image, "~/people", 5)
        image = Subscriber(self, Image, "image", qos_profile=qos_profile_sensor_data)
        mask = Subscriber(self, Image, "/bodyseg/mask", qos_profile=qos_profile_sensor_data)
        self._pairs = TimeSynchronizer([image, mask], WAITING)
        self._pairs.registerCallback(self._take)

    def _take(self, image: Image, mask: Image) -> None:
        picture = self._bridge.imgmsg_to_cv2(image, "bgr8").copy()
        picture[self._bridge.imgmsg_to_cv2(mask, "mono8") == 0] = 0
        people = self._bridge.cv2_to_imgmsg(picture, "bgr8")
        people.header = image.header
        self._publisher.publish(people)


def main() -> None:
    """Run the node until Ctrl-C."""
    rclpy.init()
    node = CutOut()
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
