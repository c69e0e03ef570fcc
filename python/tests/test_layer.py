"""Tests of ChannelLayer over the socket, with a small server."""

import os
import sys
import threading
import unittest
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import fake  # noqa: E402

import asgibox  # noqa: E402
from asgibox import _remote  # noqa: E402


class Calls(unittest.TestCase):
    def setUp(self) -> None:
        self.calls: List[Dict[str, Any]] = []
        self.answers: Dict[str, List[Dict[str, Any]]] = {}
        self.server = fake.Server(self.answer)
        self.addCleanup(self.server.close)
        self.layer = asgibox.ChannelLayer(socket=self.server.path)
        self.addCleanup(self.layer.close)

    def answer(self, peer: fake.Peer, head: Dict[str, Any]) -> Optional[Dict[str, Any]]:
        """Records a call, and gives the next answer that the test has prepared for it."""
        self.calls.append({k: v for k, v in head.items() if k != "id"})
        prepared = self.answers.get(head["call"])
        return prepared.pop(0) if prepared else None

    def test_the_calls_of_asgi_1(self) -> None:
        layer = self.layer
        self.answers = {
            "new_channel": [{"channel": "x?abc"}], "group_add": [{}], "group_discard": [{}], "group_leave": [{}],
            "group_channels": [{"channels": ["a", "b"]}], "send_group": [{}], "flush": [{}],
            "statistics": [{"messages_count": 3}, {"messages_count": 1}],
        }  # fmt: skip
        layer.send("a", {"text": "é", "bytes": b"\xff", "list": (1, 2)})
        self.assertEqual(layer.receive(["a"]), ("a", {"text": "é", "bytes": b"\xff", "list": [1, 2]}))
        self.assertEqual(layer.receive_many(("a", "b")), (None, None))
        self.assertEqual(layer.new_channel("x?"), "x?abc")
        layer.group_add("g", "a")
        layer.group_discard("g", "a")
        layer.group_leave("a")
        self.assertEqual(layer.group_channels("g"), ["a", "b"])
        layer.send_group("g", {"n": 1})
        layer.flush()
        self.assertEqual(layer.global_statistics(), {"messages_count": 3})
        self.assertEqual(layer.channel_statistics("a"), {"messages_count": 1})
        self.assertEqual(
            self.calls,
            [
                {"call": "send", "channel": "a", "message": {"text": "é", "bytes": b"\xff", "list": [1, 2]}},
                {"call": "receive", "channels": ["a"]},
                {"call": "receive", "channels": ["a", "b"]},
                {"call": "new_channel", "pattern": "x?"},
                {"call": "group_add", "group": "g", "channel": "a"},
                {"call": "group_discard", "group": "g", "channel": "a"},
                {"call": "group_leave", "channel": "a"},
                {"call": "group_channels", "group": "g"},
                {"call": "send_group", "group": "g", "message": {"n": 1}},
                {"call": "flush"},
                {"call": "statistics"},
                {"call": "statistics", "channel": "a"},
            ],
        )
        self.assertEqual((layer.extensions, layer.expiry, layer.group_expiry, layer.capacity), (["groups"], 60, 86400, 1000))

    def test_a_string_is_a_list_of_one(self) -> None:
        self.server.put("a", {"n": 1})
        self.assertEqual(self.layer.receive_many("a", block=True), ("a", {"n": 1}))

    def test_errors_are_attributes(self) -> None:
        full = {"error": "ChannelFull", "detail": "channel a is full"}
        self.answers = {"send": [full, {"error": "MessageTooLarge", "detail": "x"}, {"error": "Strange", "detail": "y"}]}
        with self.assertRaisesRegex(self.layer.ChannelFull, "channel a is full"):
            self.layer.send("a", {})
        with self.assertRaises(self.layer.MessageTooLarge):
            self.layer.send("a", {})
        with self.assertRaisesRegex(asgibox.LayerError, "Strange: y"):
            self.layer.send("a", {})
        self.assertEqual(len(self.server.peers), 1, "an error must not cost the connection")

    def test_send_waits_while_the_channel_is_full(self) -> None:
        full = {"error": "ChannelFull", "detail": ""}
        self.answers = {"send": [full, full, full]}
        self.layer.send("a", {"n": 1}, wait=60)
        self.assertEqual(self.layer.receive("a"), ("a", {"n": 1}))

    def test_invalid_messages_are_reported_with_their_path(self) -> None:
        loop: Dict[str, Any] = {}
        loop["again"] = loop
        for message, problem in [
            ({"headers": [["a", object()]]}, r"headers\[0\]\[1\]: .*object"),
            ({"x": float("nan")}, "x: nan"),
            ({"x": [{"a": "\ud800"}]}, r"x\[0\].a: a text has the character '\\ud800'"),
            ({"x": {"\ud800": 1}}, "x: the key '\\\\ud800' is not valid UTF-8"),
            ({"k" * 1000: {"k" * 1000: [1 << 64]}}, r"^k{100}\.k{100}\[0\]: an integer has more than 64 bits"),
            (loop, "nested deeper"),
        ]:
            with self.assertRaisesRegex(asgibox.InvalidMessage, problem):
                self.layer.send("a", message)
        self.assertEqual(self.calls, [])

    def test_a_short_list_of_too_many_values_is_refused(self) -> None:
        many: List[Any] = [1]
        for _ in range(90):
            many = [many, many]
        text = "x" * 100000
        for value in (many, [text] * 20, [text.encode()] * 20, [{text: 1}] * 20, [bytearray(100000)] * 20):
            with self.assertRaisesRegex(asgibox.MessageTooLarge, "longer than the server's --max-message"):
                self.layer.send("a", {"x": value})
        self.assertEqual(self.calls, [])

    def test_names_must_be_texts(self) -> None:
        many: List[Any] = [1]
        for _ in range(90):
            many = [many, many]
        for names in (5, None, [5], many, {}, b"a", iter(int, 1)):
            with self.assertRaisesRegex(asgibox.LayerError, "receive takes the name"):
                self.layer.receive(names)  # type: ignore[arg-type]
        self.assertEqual(self.calls, [])
        self.answers["send"] = [{"error": "BadRequest", "detail": "channel must be given as a text"}]
        with self.assertRaisesRegex(asgibox.LayerError, "channel must be"):
            self.layer.send(None, {"content": b""})  # type: ignore[arg-type]

    def test_times_must_be_numbers(self) -> None:
        for value in ("x", float("nan"), float("inf"), True, None):
            with self.assertRaisesRegex(asgibox.LayerError, "it must be a number of seconds"):
                self.layer.send("a", {}, delay=value or "x")  # type: ignore[arg-type]
            with self.assertRaisesRegex(asgibox.LayerError, "it must be a number of seconds"):
                self.layer.send("a", {}, wait=value or "x")  # type: ignore[arg-type]
        self.assertEqual(self.calls, [])

    def test_a_reply_that_is_no_dict(self) -> None:
        self.server.put("http.request", fake.request(reply_channel="r!1"))
        self.layer.receive("http.request", block=True)
        self.answers["send"] = [{"error": "InvalidMessage", "detail": "a message is a dict"}]
        with self.assertRaisesRegex(asgibox.InvalidMessage, "a message is a dict"):
            self.layer.send("r!1", [1])  # type: ignore[arg-type]

    def test_keys_must_be_text(self) -> None:
        for message in ({1: "a"}, {"a": [{None: 1}]}, {"a": {"b": {2.5: 1}}}):
            with self.assertRaisesRegex(asgibox.InvalidMessage, "is no text"):
                self.layer.send("a", message)  # type: ignore[arg-type]
        self.assertEqual(self.calls, [])

    def test_the_reply_to_a_request_is_not_waited_for(self) -> None:
        self.server.put("http.request", fake.request(reply_channel="r!1"))
        self.layer.receive("http.request", block=True)
        reply = {"status": 200, "content": b"x"}
        self.layer.send("r!1", {"status": 200, "content": b"", "more_content": True})
        self.layer.send("other", {})
        with self.assertRaises(asgibox.InvalidMessage):
            self.layer.send("r!1", {"status": object()})
        self.assertEqual([c.get("quiet") for c in self.calls[1:]], [None, None])
        self.layer.send("r!1", reply)
        self.layer.send("r!1", reply)
        self.assertEqual(self.calls[-2], {"call": "send", "quiet": True, "channel": "r!1", "message": reply})
        self.assertEqual(self.calls[-1], {"call": "send", "channel": "r!1", "message": reply})

    def test_a_reply_is_sent_before_the_program_ends(self) -> None:
        self.server.put("http.request", fake.request(reply_channel="r!1"))
        self.layer.receive("http.request", block=True)
        self.layer.send("r!1", {"status": 200})
        self.layer.sync()
        self.assertEqual(self.server.queues["r!1"], [{"status": 200}])

    def test_threads_have_connections_of_their_own(self) -> None:
        got: List[Tuple[Any, Any]] = []
        threads = [threading.Thread(target=lambda: got.append(self.layer.receive("a", block=True))) for _ in range(5)]
        for t in threads:
            t.start()
        for n in range(5):
            self.server.put("a", {"n": n})
        for t in threads:
            t.join()
        self.assertEqual(sorted(m["n"] for _, m in got), [0, 1, 2, 3, 4])

    def test_blocking_receive_has_a_timeout(self) -> None:
        self.answers = {"receive": [{"channel": None, "message": None}]}
        self.assertEqual(self.layer.receive("a", block=True, timeout=0), (None, None))
        self.assertEqual(self.calls[0]["timeout"], 0)

    def test_a_forked_process_connects_itself(self) -> None:
        self.layer.send("a", {"n": 1})
        pid = os.fork()
        if pid == 0:
            try:
                self.layer.send("a", {"n": 2})
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        self.layer.send("a", {"n": 3})
        self.assertEqual([self.layer.receive("a")[1] for _ in range(3)], [{"n": 1}, {"n": 2}, {"n": 3}])
        self.assertEqual(len(self.server.peers), 2)

    def test_without_a_server(self) -> None:
        for name in ("ASGIBOX_SOCKET", "ASGIBOX_URL"):
            if name in os.environ:
                self.skipTest("a server is running")
        with self.assertRaisesRegex(asgibox.ServerLost, "pass url"):
            asgibox.ChannelLayer().send("a", {})
        with self.assertRaisesRegex(asgibox.ServerLost, "cannot connect"):
            asgibox.ChannelLayer(socket=self.server.path + "x").send("a", {})


class Remote(unittest.TestCase):
    def test_an_invalid_message_is_found_as_over_the_socket(self) -> None:
        with mock.patch.object(_remote.HTTPConnection, "_request", return_value={}) as request:
            layer = asgibox.ChannelLayer(url="http://127.0.0.1:1")
            for message, problem in (
                ({"x": [{"a": "\ud800"}]}, r"x\[0\].a: a text has the character '\\ud800'"),
                ({"x": {"\ud800": 1}}, "x: the key '\\\\ud800' is not valid UTF-8"),
            ):
                with self.assertRaisesRegex(asgibox.InvalidMessage, problem):
                    layer.send("a", message)
            layer.send("a", {"x": "é"})
        self.assertEqual(request.call_args[0][2], '{"channel":"a","message":{"x":"é"}}'.encode("utf-8"))


class Channels11(unittest.TestCase):
    """Stands in for Channels 1.1: the calls that its runworker and its Channel, Group and
    Message make of a layer."""

    def test_runworker(self) -> None:
        server = fake.Server()
        self.addCleanup(server.close)
        # channels.asgi.ChannelLayerManager makes the backend from a dotted path and CONFIG.
        module, _, name = "asgibox.ChannelLayer".rpartition(".")
        layer = getattr(sys.modules[module], name)(**{"socket": server.path})
        self.addCleanup(layer.close)
        # Its wrapper looks at these before a worker runs.
        self.assertIn("groups", layer.extensions)
        self.assertNotIn("twisted", layer.extensions)
        server.put("websocket.receive", {"reply_channel": "r!1", "text": "hi"})
        # channels.worker.Worker.run
        channel, content = layer.receive_many(["http.request", "websocket.receive"], block=True)
        self.assertEqual((channel, content["text"]), ("websocket.receive", "hi"))
        try:  # channels.message.PendingMessageStore.send_all
            layer.send(content["reply_channel"], {"text": "hello"})
        except layer.ChannelFull:
            self.fail("full")
        self.assertEqual(server.message("r!1"), {"text": "hello"})
        # channels.worker.Worker with block=False, as its tests and runserver do.
        self.assertEqual(layer.receive_many(["http.request"], block=False), (None, None))


if __name__ == "__main__":
    unittest.main()
