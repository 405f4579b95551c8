"""The mailbox keeps the newest, or everything, and never more than it may."""

from __future__ import annotations

import threading

from bodyseg_ros.ros.nodes.mailbox import Mailbox
from bodyseg_ros.ros.nodes.worker import Worker


def test_the_newest_wins_and_the_older_are_counted() -> None:
    box: Mailbox[int] = Mailbox()
    for item in range(5):
        box.put(item)
    assert box.take() == 4
    assert box.dropped == 4


def test_what_a_bad_item_replaced_is_taken_after_it() -> None:
    box: Mailbox[str] = Mailbox()
    box.put("good")
    box.put("bad")
    assert box.take() == "bad"
    box.unusable()
    assert (box.take(), box.dropped) == ("good", 0)
    box.used()
    box.unusable()
    assert not box.waiting, "it is given once"


def test_what_a_bad_item_replaced_does_not_take_a_newer_ones_place() -> None:
    box: Mailbox[str] = Mailbox()
    for item in ("good", "bad"):
        box.put(item)
    box.take()
    box.put("newer")
    box.unusable()
    assert box.take() == "newer"
    box.unusable()  # the newer one was bad too
    assert box.take() == "good"


def test_what_a_good_item_replaced_is_gone() -> None:
    box: Mailbox[str] = Mailbox()
    for item in ("old", "good"):
        box.put(item)
    box.take()
    box.used()
    box.put("bad")
    box.take()
    box.unusable()
    assert not box.waiting


def test_keeping_all_keeps_the_order_and_lets_the_giver_wait() -> None:
    box: Mailbox[int] = Mailbox(keep_all=True, slots=2)
    giver = threading.Thread(target=lambda: [box.put(item) for item in range(50)])
    giver.start()
    assert [box.take() for _ in range(50)] == list(range(50))
    giver.join()
    assert box.dropped == 0


def test_closing_frees_a_giver_and_a_taker() -> None:
    full: Mailbox[int] = Mailbox(keep_all=True, slots=1)
    full.put(1)
    giver = threading.Thread(target=full.put, args=(2,))
    empty: Mailbox[int] = Mailbox()
    taken: list[int | None] = []
    taker = threading.Thread(target=lambda: taken.append(empty.take()))
    giver.start()
    taker.start()
    full.close()
    empty.close()
    giver.join(10)
    taker.join(10)
    assert not giver.is_alive()
    assert taken == [None]
    full.put(3)
    assert full.take() is None


def test_a_worker_outlives_what_its_work_raises() -> None:
    done, failed, finished = [], [], threading.Event()

    def handle(item: int) -> None:
        if item == 1:
            raise ValueError("one")
        done.append(item)
        if item == 2:
            finished.set()

    worker = Worker(Mailbox(keep_all=True, slots=3), handle, failed.append, "worker")
    for item in range(3):
        worker.mailbox.put(item)
    assert finished.wait(10)
    worker.stop()
    assert done == [0, 2]
    assert [str(err) for err in failed] == ["one"]
