"""Messages that wait for a sink: in order, on disk, through kills and full disks."""

import json

import pytest

from oddframe.errors import OutputError
from oddframe.sinks.outbox import REFUSED, Outbox
from tests.support.dying import dying_at, full_at


def take_all(outbox):
    """The numbers of all messages, each of which is taken out."""
    numbers = []
    while (queued := outbox.first()) is not None:
        numbers.append(queued.message["n"])
        outbox.remove(queued)
    return numbers


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("on_disk", [True, False])
def test_messages_come_out_in_order(tmp_path, on_disk):
    outbox = Outbox(tmp_path if on_disk else None, 100)
    for number in range(12):
        outbox.put({"n": number})
    assert len(outbox) == 12
    assert take_all(outbox) == list(range(12))
    assert outbox.first() is None
    assert files(tmp_path) == []


def test_what_waits_outlives_the_process_and_keeps_its_order(tmp_path):
    first = Outbox(tmp_path, 100)
    for number in range(5):
        first.put({"n": number, "name": "Tür"})
    first.remove(first.first())
    second = Outbox(tmp_path, 100)
    second.put({"n": 5})
    assert second.first().message == {"n": 1, "name": "Tür"}
    assert take_all(second) == [1, 2, 3, 4, 5]


def test_the_oldest_go_when_there_are_too_many(tmp_path):
    outbox = Outbox(tmp_path, 3)
    for number in range(10):
        outbox.put({"n": number})
    assert outbox.dropped == 7
    assert len(files(tmp_path)) == 3
    assert take_all(outbox) == [7, 8, 9]


def test_a_kill_at_any_moment_leaves_whole_messages(tmp_path):
    number, done = 0, False
    while not done:
        folder = tmp_path / str(number)
        with dying_at(number, folder) as watch:
            outbox = Outbox(folder, 100)
            outbox.put({"n": 0})
            outbox.put({"n": 1})
            outbox.remove(outbox.first())
            outbox.put({"n": 2})
        done = watch.count <= number
        left = take_all(Outbox(folder, 100))
        assert left in ([], [0], [0, 1], [1], [1, 2])
        assert files(folder) == []
        number += 1
    assert left == [1, 2]
    assert number > 8


def test_a_full_disk_keeps_messages_in_memory_until_there_is_room(tmp_path):
    outbox = Outbox(tmp_path, 100)
    with full_at(0, tmp_path):
        for number in range(3):
            outbox.put({"n": number})
        assert outbox.unsaved == 3
        assert files(tmp_path) == []
        outbox.remove(outbox.first())
        assert outbox.unsaved == 2
    outbox.save()
    assert outbox.unsaved == 0
    assert take_all(Outbox(tmp_path, 100)) == [1, 2]


def test_files_that_are_no_messages_are_passed_over(tmp_path):
    outbox = Outbox(tmp_path, 100)
    for number in range(4):
        outbox.put({"n": number})
    names = files(tmp_path)
    (tmp_path / names[0]).write_text("{")
    (tmp_path / names[1]).unlink()
    (tmp_path / names[2]).write_text("[]")
    (tmp_path / "notes.json").write_text("{}")
    assert take_all(Outbox(tmp_path, 100)) == [3]


def test_refused_messages_are_kept_with_the_reason(tmp_path):
    outbox = Outbox(tmp_path, 100)
    for number in range(2):
        outbox.put({"n": number})
        outbox.refuse(outbox.first(), "it answered 404")
    assert files(tmp_path) == [REFUSED]
    lines = [json.loads(line) for line in (tmp_path / REFUSED).read_text().splitlines()]
    assert [(line["message"], line["reason"]) for line in lines] == [
        ({"n": 0}, "it answered 404"),
        ({"n": 1}, "it answered 404"),
    ]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="a file stands where"):
        Outbox(tmp_path / "file" / "queue", 10)
