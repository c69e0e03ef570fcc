"""A small server that speaks the wire, for the tests of the package. It runs in the
test's process; the program under test may be a child."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
from typing import Any, Callable, Dict, List, Optional

from asgibox._wire import Connection, Head, unmark

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
START = "import sys; sys.path[0] = %r; from asgibox._host import main; main()" % PACKAGE


class Peer(Connection):
    """A connection that the server has accepted. Its calls go to a queue of its own, or
    to answer."""

    def __init__(self, server: "Server", sock: socket.socket) -> None:
        super().__init__(sock)
        self.server = server
        self.serving = False
        self.lock = threading.Lock()

    def write(self, head: Head) -> None:
        with self.lock:
            self.send(head)


class Server:
    """Accepts connections until close. Frames that are no calls of the layer are in
    frames, in the order in which they came."""

    def __init__(self, answer: Optional[Callable[[Peer, Head], Optional[Head]]] = None) -> None:
        self.folder = tempfile.mkdtemp()
        self.path = os.path.join(self.folder, "s")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.answer = answer
        self.changed = threading.Condition()
        self.peers: List[Peer] = []
        self.frames: List[Head] = []
        self.queues: Dict[str, List[Any]] = {}
        self.jobs = 0
        self.processes: List["subprocess.Popen[str]"] = []
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.accepting.join()  # or it could accept on the next socket with the same number
        self.listener.close()
        for p in self.peers:
            try:
                p.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is closed
        for process in self.processes:
            process.kill()
            process.communicate()
        os.remove(self.path)
        os.rmdir(self.folder)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            peer = Peer(self, sock)
            with self.changed:
                self.peers.append(peer)
            threading.Thread(target=self._read, args=(peer,), daemon=True).start()

    def _read(self, peer: Peer) -> None:
        try:
            while True:
                head, segments = peer.read()
                self._frame(peer, unmark(head, segments))
        except Exception:
            peer.close()
            with self.changed:
                peer.serving = False
                self.frames.append({"closed": peer})
                self.changed.notify_all()

    def _frame(self, peer: Peer, head: Head) -> None:
        name = head.get("call")
        reply: Optional[Head] = None
        if name == "hello":
            reply = {"version": 1, "server": "asgibox test", "settings": {}, "expiry": 60, "group_expiry": 86400,
                     "capacity": 1000, "max_message": 1 << 20, "extensions": ["groups"]}
        elif name == "cancel":
            reply = {"waited": False}
        elif name == "serve":
            with self.changed:
                peer.serving = True
                self.changed.notify_all()
            return
        elif name in ("ready", "failed", "uses") or name is None:
            if "id" in head:
                peer.write({"id": head["id"]})
            with self.changed:
                self.frames.append(head)
                self.changed.notify_all()
            return
        elif self.answer is not None:
            reply = self.answer(peer, head)
        if reply is None:
            reply = self._layer(head)
        if reply is not None and not (head.get("quiet") and "error" not in reply):
            peer.write(dict(reply, id=head["id"]))

    def _layer(self, head: Head) -> Optional[Head]:
        """Makes a call of a layer that has only send and receive."""
        with self.changed:
            if head["call"] == "send":
                self.queues.setdefault(head["channel"], []).append(head["message"])
                self.changed.notify_all()
                return {}
            if head["call"] == "receive":
                names = head["channels"]
                names = [names] if isinstance(names, str) else names
                for name in names:
                    if self.queues.get(name):
                        return {"channel": name, "message": self.queues[name].pop(0)}
                if not head.get("block"):
                    return {"channel": None, "message": None}
                self.changed.wait_for(lambda: any(self.queues.get(n) for n in names), 20)
            else:
                return {"error": "NotFound", "detail": "no call " + str(head["call"])}
        return self._layer(head)

    def put(self, channel: str, message: Head) -> None:
        with self.changed:
            self.queues.setdefault(channel, []).append(message)
            self.changed.notify_all()

    def wait(self, key: str, value: Any = None) -> Head:
        """Waits for a frame that has a key, perhaps with a value, and takes it."""
        found: List[Head] = []

        def look() -> bool:
            for f in self.frames:
                if key in f and (value is None or f[key] == value):
                    found.append(f)
                    self.frames.remove(f)
                    return True
            return False

        with self.changed:
            if not self.changed.wait_for(look, 20):
                raise AssertionError("no frame with %s: %r; there are %r" % (key, value, self.frames))
        return found[0]

    def message(self, channel: str) -> Head:
        """Waits for a message."""
        with self.changed:
            if not self.changed.wait_for(lambda: bool(self.queues.get(channel)), 20):
                raise AssertionError("no message on %s" % channel)
            message: Head = self.queues[channel].pop(0)
            return message

    def start(self, *arguments: str, cwd: Optional[str] = None, env: Optional[Dict[str, str]] = None) -> "subprocess.Popen[str]":
        """Starts the host as a child, as asgibox does."""
        process = subprocess.Popen(
            [sys.executable, "-c", START] + list(arguments),
            cwd=cwd,
            env=dict(os.environ, ASGIBOX_SOCKET=self.path, ASGIBOX_TOKEN="t", **(env or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
        )
        self.processes.append(process)
        return process

    def control(self) -> Peer:
        return self.peers[0]

    def job(self, message: Head, **fields: Any) -> int:
        """Sends a job to a serving connection that has none."""
        def free() -> Optional[Peer]:
            return next((p for p in self.peers if p.serving and p.job is None), None)

        with self.changed:
            assert self.changed.wait_for(lambda: free() is not None, 20), "no serving connection"
            peer = free()
            assert peer is not None
            self.jobs += 1
            peer.job = number = self.jobs
        peer.write(dict({"job": number, "channel": "http.request", "message": message, "consumer": 0, "kwargs": {}}, **fields))
        return number

    def done(self, number: int) -> Head:
        """Waits for the end of a job."""
        head = self.wait("done", number)
        with self.changed:
            for p in self.peers:
                if p.job == number:
                    p.job = None
        return head


def request(path: str = "/", **fields: Any) -> Head:
    """Returns the message of a request."""
    message = {
        "reply_channel": "test.response!c1", "http_version": "1.1", "method": "GET", "scheme": "http", "path": path,
        "query_string": b"", "root_path": "", "headers": [[b"host", b"localhost:8000"]], "body": b"",
        "body_channel": None, "client": ["127.0.0.1", 50000], "server": ["127.0.0.1", 8000],
    }
    message.update(fields)
    return message
