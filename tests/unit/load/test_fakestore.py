"""The fake server's store: versions, merge patches, watches and what they can be resumed from."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fixtures.load.fakestore import Refusal, Selection, Store, Watcher


class Listener:
    """A watch that keeps what it was sent."""

    def __init__(self, selection: Selection | None = None, *, bookmarks: bool = False) -> None:
        self.lines: list[bytes] = []
        self.ended = False
        self.watcher = Watcher(selection or Selection(), self.lines.append, self._end, bookmarks)

    def _end(self) -> None:
        self.ended = True

    @property
    def events(self) -> list[tuple[str, str]]:
        """Type and resourceVersion (of an error: its code) of each event."""
        decoded: list[dict[str, Any]] = [orjson.loads(line) for line in self.lines]
        return [
            (e["type"], str(e["object"].get("code") or e["object"]["metadata"]["resourceVersion"]))
            for e in decoded
        ]


def thing(name: str, **more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": name}, **more}


@pytest.fixture
def store() -> Store:
    return Store(history=4)


def test_a_watch_without_a_version_begins_with_all_there_is(store: Store) -> None:
    """Such a watch MUST be sent every object as ADDED, then what happens."""
    first = store.create("things", "ns", thing("a"))
    listener = Listener()
    store.watch("things", listener.watcher, "")
    store.touch("things", first)
    store.delete("things", first)
    assert listener.events == [("ADDED", "2"), ("MODIFIED", "3"), ("DELETED", "4")]


def test_a_watch_goes_on_where_it_was(store: Store) -> None:
    """A watch from a version MUST be sent what came after it, of what it selects, and nothing twice."""
    a = store.create("things", "ns", thing("a"))
    store.create("things", "other", thing("b"))
    listener = Listener(Selection(namespace="ns"))
    store.touch("things", a)
    store.watch("things", listener.watcher, "2")
    store.create("things", "ns", thing("c"))
    assert listener.events == [("MODIFIED", "4"), ("ADDED", "5")]


def test_a_version_that_is_no_longer_known_is_refused(store: Store) -> None:
    """The answer MUST be 410 once an event after that version has been forgotten, and not before."""
    a = store.create("things", "ns", thing("a"))
    for _ in range(4):
        store.touch("things", a)
    store.watch("things", Listener().watcher, "2")
    with pytest.raises(Refusal) as refusal:
        store.watch("things", Listener().watcher, "1")
    assert (refusal.value.status, refusal.value.reason) == (410, "Expired")


@pytest.mark.parametrize(("expire", "told"), [(False, []), (True, [("ERROR", "410")])])
def test_watches_are_closed(store: Store, expire: bool, told: list[tuple[str, str]]) -> None:
    """A closed watch MUST hear nothing more, and can be resumed unless its history was thrown away."""
    a = store.create("things", "ns", thing("a"))
    listener, again = Listener(), Listener()
    store.watch("things", listener.watcher, "2")
    assert store.close_watches("things", expire=expire) == 1
    assert store.close_watches("others") == 0
    store.touch("things", a)
    assert listener.ended
    assert listener.events == told
    if expire:
        with pytest.raises(Refusal):
            store.watch("things", again.watcher, "2")
    else:
        store.watch("things", again.watcher, "2")
        assert again.events == [("MODIFIED", "3")]


def test_bookmarks_go_to_who_wants_them(store: Store) -> None:
    """A bookmark MUST carry the store's version, and only reach watches that allow bookmarks."""
    wants, wants_not = Listener(bookmarks=True), Listener()
    for listener in (wants, wants_not):
        store.watch("things", listener.watcher, "1")
    store.create("others", "ns", thing("a"))
    store.bookmark()
    assert wants.events == [("BOOKMARK", "2")]
    assert wants_not.events == []


def test_a_merge_patch_changes_what_it_names(store: Store) -> None:
    """null MUST remove, maps merge, the rest replace; identity stays, a changed spec makes a generation."""
    obj = store.create("things", "ns", thing("a", spec={"x": 1, "y": {"z": 2}}, status={"s": [1, 2]}))
    uid = obj["metadata"]["uid"]
    store.merge("things", obj, {"metadata": {"uid": "mine", "labels": {"l": "1"}}, "status": {"s": [3]}})
    assert obj["metadata"]["generation"] == 1
    store.merge("things", obj, {"spec": {"x": None, "y": {"w": 3}}})
    assert obj["spec"] == {"y": {"z": 2, "w": 3}}
    assert obj["status"] == {"s": [3]}
    assert obj["metadata"]["labels"] == {"l": "1"}
    assert (obj["metadata"]["uid"], obj["metadata"]["generation"]) == (uid, 2)


def test_selectors_choose(store: Store) -> None:
    """A list MUST hold what its selectors name; selectors nobody wrote code for MUST be refused."""
    store.create("things", "ns", thing("a"))
    labelled = store.create("things", "ns", thing("b"))
    labelled["metadata"]["labels"] = {"l": "1", "m": "2"}
    parse = Selection.parse
    assert store.select("things", parse("ns", "", "metadata.name=b", "")) == [labelled]
    assert store.select("things", parse("ns", "", "", "l=1,m==2")) == [labelled]
    assert store.select("things", parse("ns", "", "", "l=2")) == []
    for fields, labels in (("status.phase=Running", ""), ("", "l!=1"), ("", "l")):
        with pytest.raises(Refusal) as refusal:
            parse("ns", "", fields, labels)
        assert refusal.value.status == 400


def test_names_are_taken_once(store: Store) -> None:
    """A second object of a name MUST be refused with 409, one without a name with 422."""
    store.create("things", "ns", thing("a"))
    store.create("things", "other", thing("a"))
    with pytest.raises(Refusal) as refusal:
        store.create("things", "ns", thing("a"))
    assert (refusal.value.status, refusal.value.reason) == (409, "AlreadyExists")
    with pytest.raises(Refusal) as refusal:
        store.create("things", "ns", {"metadata": {}})
    assert refusal.value.status == 422
    assert store.create("things", "ns", {"metadata": {"generateName": "g-"}})["metadata"]["name"][:2] == "g-"
