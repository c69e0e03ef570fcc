"""Tests of the host: a child that runs an application, with a small server."""

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
from pathlib import Path
from typing import Any, Dict, List, Optional

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import fake  # noqa: E402

HELLO = """
while True:
    _, request = layer.receive_many("http.request", block=True)
    response = {"content": "Hello World!", "status": 200}
    layer.send(request['reply_channel'], response)
"""


class HostCase(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.server = fake.Server()
        self.addCleanup(self.server.close)

    def write(self, name: str, text: str) -> str:
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(textwrap.dedent(text))
        return path

    def run_file(self, text: str, *options: str, name: str = "app.py", **env: str) -> "subprocess.Popen[str]":
        return self.server.start("run", self.write(name, text), *options, cwd=self.folder, env=env)

    def call(self, target: str, *options: str) -> "subprocess.Popen[str]":
        return self.server.start("call", target, *options, cwd=self.folder)

    def explanation(self) -> Dict[str, Any]:
        e: Dict[str, Any] = self.server.wait("call", "failed")["explanation"]
        return e

    def end(self, process: "subprocess.Popen[str]") -> str:
        """Asks a process to end, and returns what it has printed."""
        self.server.control().write({"end": True})
        out, err = process.communicate(timeout=20)
        self.assertEqual((process.returncode, err), (0, ""))
        return out


class Loops(HostCase):
    def test_four_lines(self) -> None:
        self.run_file(HELLO, name="hello.py")
        ready = self.server.wait("call", "ready")
        self.assertEqual(ready["kind"], "loop")
        self.assertEqual(ready["files"], [os.path.join(self.folder, "hello.py")])
        self.server.put("http.request", fake.request())
        self.assertEqual(self.server.message("test.response!c1"), {"content": "Hello World!", "status": 200})

    def test_the_layer_can_be_imported_everywhere(self) -> None:
        self.write("lib/rooms.py", "from asgibox import layer\ndef take(): return layer.receive('a', block=True)\n")
        self.run_file("from lib import rooms\n_, m = rooms.take()\nlayer.send('b', m)\n")
        ready = self.server.wait("call", "ready")
        self.assertIn(os.path.join(self.folder, "lib", "rooms.py"), ready["files"])
        self.server.put("a", {"n": 1})
        self.assertEqual(self.server.message("b"), {"n": 1})

    def test_the_line_of_a_send(self) -> None:
        seen: List[Any] = []

        def answer(peer: fake.Peer, head: Dict[str, Any]) -> Optional[Dict[str, Any]]:
            if head["call"] == "send":
                seen.append(head.get("at"))
            return None

        self.server.answer = answer
        self.run_file("layer.receive('a', block=True)\n\nlayer.send('b', {})\n")
        self.server.put("a", {})
        self.server.message("b")
        self.assertEqual(seen, ["app.py:3"])

    def test_retired_ends_the_program(self) -> None:
        def answer(peer: fake.Peer, head: Dict[str, Any]) -> Optional[Dict[str, Any]]:
            return {"error": "Retired", "detail": "new code"} if head["call"] == "receive" else None

        self.server.answer = answer
        process = self.run_file("while True:\n    try: layer.receive('a', block=True)\n    except Exception: pass\n")
        out, err = process.communicate(timeout=20)
        self.assertEqual((process.returncode, out, err), (0, "", ""))

    def test_an_error_of_a_running_loop(self) -> None:
        process = self.run_file("layer.receive('a')\n1 / 0\n")
        e = self.explanation()
        self.assertEqual((e["type"], e["frames"][-1]["file"], e["frames"][-1]["line"]), ("ZeroDivisionError", "app.py", 2))
        self.assertEqual(process.communicate(timeout=20), ("", ""))  # the server shows the error
        self.assertEqual(process.returncode, 1)

    def test_a_program_ends_with_its_own_status(self) -> None:
        process = self.run_file("layer.receive('a')\nraise SystemExit(3)\n")
        process.communicate(timeout=20)
        self.assertEqual(process.returncode, 3)

    def test_a_fork_may_not_use_the_layer(self) -> None:
        process = self.run_file(
            """
            import os
            if os.fork() == 0:
                import late
                layer.receive("a")
            else:
                print(os.waitstatus_to_exitcode(os.wait()[1]) if hasattr(os, "waitstatus_to_exitcode") else 1)
                layer.receive("a")
            """
        )
        self.write("late.py", "")
        out, err = process.communicate(timeout=20)
        self.assertEqual((process.returncode, out), (0, "1\n"), err)
        self.assertRegex(err, r"^asgibox: process \d+ is a fork of worker process %d, .*\n$" % process.pid)

    def test_a_loop_that_takes_too_long_is_interrupted(self) -> None:
        process = self.run_file("layer.receive('a')\nwhile True: pass\n")
        self.server.wait("call", "ready")
        self.server.control().write({"cancel": 0, "reason": "too long"})
        self.assertEqual(self.explanation()["type"], "Cancelled")
        process.communicate(timeout=20)
        self.assertEqual(process.returncode, 1)


class Loading(HostCase):
    def test_errors_have_their_frames(self) -> None:
        self.write("lib/__init__.py", "")
        self.write("lib/bad.py", "def f():\n    raise ValueError('oh')\nf()\n")
        process = self.run_file("import lib.bad\n")
        failed = self.server.wait("call", "failed")
        e = failed["explanation"]
        self.assertEqual((e["type"], e["message"]), ("ValueError", "oh"))
        self.assertEqual(
            [(f["file"], f["line"]) for f in e["frames"]], [("app.py", 1), ("lib/bad.py", 3), ("lib/bad.py", 2)]
        )
        self.assertEqual(failed["files"], [os.path.join(self.folder, n) for n in ("app.py", "lib/__init__.py", "lib/bad.py")])
        process.communicate(timeout=20)
        self.assertEqual(process.returncode, 1)

    def test_syntax_errors_have_line_and_column(self) -> None:
        self.write("other.py", "x = 1\ny = (\n")
        self.run_file("import other\n")
        e = self.explanation()
        self.assertEqual((e["type"], e["frames"][-1]["file"], e["frames"][-1]["line"]), ("SyntaxError", "other.py", 2))
        self.assertTrue(e["frames"][-1]["col"] > 0)

    def test_files_that_are_no_python(self) -> None:
        for content in (b"\x7fELF\x00\x01", b"\xff\xfe\xff", b"a\x00b"):
            with open(os.path.join(self.folder, "app.py"), "wb") as f:
                f.write(content)
            process = self.server.start("run", os.path.join(self.folder, "app.py"))
            e = self.explanation()
            self.assertEqual((e["type"], e["frames"][-1]["file"]), ("SyntaxError", "app.py"), e)
            process.communicate(timeout=20)

    def test_names_that_are_not_utf8(self) -> None:
        """The server cannot know such a file by its name, but shows it."""
        self.run_file("def f(): 1 / 0\nf()\n", name="app\udcff.py")
        frame = self.explanation()["frames"][-1]
        self.assertEqual((frame["file"], frame["line"]), ("app\\udcff.py", 1))
        process = self.run_file("layer.receive('a', block=True)\nlayer.send('b', {})\n", name="loop\udcff.py")
        self.assertIn("loop\\udcff.py", self.server.wait("call", "ready")["files"][0])
        self.server.put("a", {})
        self.assertEqual(process.communicate(timeout=20), ("", ""))
        self.run_file("from asgibox import view\ndef f(request): pass\nf.__name__ = '\\ud800'\nchannel_routing = [view('/', f)]\n")
        self.assertEqual(self.server.wait("call", "ready")["routes"][0]["name"], "\\ud800")

    def test_missing_modules_are_noted(self) -> None:
        self.run_file("import nowhere\n")
        failed = self.server.wait("call", "failed")
        self.assertEqual(failed["explanation"]["type"], "ModuleNotFoundError")
        self.assertIn(os.path.join(self.folder, "nowhere.py"), failed["files"])

    def test_a_module_that_does_not_exist(self) -> None:
        for target in ("nowhere:app", "nowhere.deep:app"):
            self.call(target)
            e = self.explanation()
            self.assertIn("there is no module nowhere", e["message"])
            self.assertIn(self.folder, e["hint"])

    def test_a_module_with_the_ending_of_its_file(self) -> None:
        self.write("web.py", "def main(environ, start_response): pass\n")
        self.call("web.py:main")
        self.assertEqual(self.explanation()["hint"], "write web:main, without .py")

    def test_a_name_that_does_not_exist(self) -> None:
        self.write("web.py", "def main(environ, start_response): pass\n")
        self.call("web:app")
        e = self.explanation()
        self.assertEqual((e["message"], e["hint"]), ("module web has no app", "it defines main"))

    def test_names_of_the_standard_library(self) -> None:
        self.run_file(HELLO, name="queue.py")
        self.assertIn("queue.py has the name of a module of Python's standard library: queue", self.explanation()["message"])
        self.call("queue:app")
        self.assertIn("queue.py has the name of a module of Python's standard library: queue", self.explanation()["message"])

    def test_no_file_replaces_a_standard_module(self) -> None:
        for name in ("json.py", "socket.py", "string.py", "calendar.py"):
            self.write(name, "raise RuntimeError('imported ' + __file__)\n")
        self.run_file("import string, json, calendar\nlayer.receive('a')\n")
        self.server.wait("call", "ready")
        self.run_file("from calendar import mine\n")
        e = self.explanation()
        self.assertIn("calendar.py", e["hint"])
        self.assertIn("rename", e["hint"])

    def test_what_is_no_application(self) -> None:
        for text, problem in [
            ("x = 1\n", "app.py is no application: it calls no layer.receive"),
            ("def app(a): pass\n", "app is neither a WSGI nor an ASGI 3 application: its parameters are (a)"),
            ("def app(*args): pass\n", "its parameters are (*args)"),
            ("app = 7\n", "app.py is no application"),
        ]:
            self.run_file(text)
            e = self.explanation()
            self.assertIn(problem, e["message"])
            self.assertTrue(e["hint"])
        self.call("app:app")
        self.assertIn("the application is an object of class int, which cannot be called", self.explanation()["message"])

    def test_two_quick_changes_of_the_same_length(self) -> None:
        for n in range(3):
            self.write("part.py", "VALUE = %d\n" % n)
            os.utime(os.path.join(self.folder, "part.py"), (time.time(), time.time()))
            process = self.run_file("import part\nlayer.receive('a')\nprint(part.VALUE)\n")
            self.assertEqual(process.communicate(timeout=20), ("%d\n" % n, ""))

    def test_later_imports_are_reported(self) -> None:
        self.write("late.py", "")
        self.run_file("layer.receive('a', block=True)\nimport late\n")
        self.assertEqual(self.server.wait("call", "uses")["files"], [os.path.join(self.folder, "app.py")])
        self.server.wait("call", "ready")
        self.server.put("a", {})
        self.assertEqual(self.server.wait("call", "uses")["files"], [os.path.join(self.folder, "late.py")])

    def test_imports_are_reported_before_they_end(self) -> None:
        self.write("late.py", "while True: pass\n")
        process = self.run_file("import late\n")
        self.server.wait("files", [os.path.join(self.folder, "late.py")])
        process.kill()

    def test_installed_packages_are_not_noted(self) -> None:
        self.write(".venv/lib/site-packages/thing.py", "")
        self.run_file("import sys\nsys.path.append(%r)\nimport thing\nlayer.receive('a')\n" % os.path.join(self.folder, ".venv/lib/site-packages"))
        self.assertEqual(self.server.wait("call", "ready")["files"], [os.path.join(self.folder, "app.py")])


WSGI = """
import threading, time, os
def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/spin":
        while True: pass
    if path == "/sleep":
        time.sleep(60)
    if path == "/fail":
        value = 7
        raise KeyError("missing")
    if path == "/exit":
        raise SystemExit(3)
    if path == "/none":
        return None
    if path == "/wait":
        environ["wsgi.input"].read()
    if path == "/swallow":
        try:
            while True: pass
        except Exception:
            pass
    start_response("200 OK", [])
    return [threading.current_thread().name.encode()]
"""


class Threads(HostCase):
    def test_each_thread_has_a_job(self) -> None:
        process = self.run_file(WSGI, "--threads", "3")
        self.assertEqual(self.server.wait("call", "ready")["kind"], "wsgi")
        jobs = [self.server.job(fake.request("/wait", body_channel="body?%d" % i)) for i in range(3)]
        names = set()
        for i, job in enumerate(jobs):
            self.server.put("body?%d" % i, {"content": b"", "more_content": False})
            names.add(self.server.done(job)["reply"]["content"])
        self.assertEqual(len(names), 3)
        self.end(process)

    def test_a_failure_is_explained(self) -> None:
        self.run_file(WSGI, "--threads", "1")
        e = self.server.done(self.server.job(fake.request("/fail")))["error"]
        self.assertEqual((e["type"], e["message"]), ("KeyError", "'missing'"))
        self.assertEqual(len(e["frames"]), 1)
        self.assertEqual((e["frames"][0]["file"], e["frames"][0]["func"]), ("app.py", "app"))
        self.assertIn(["value", "7"], e["frames"][0]["locals"])
        e = self.server.done(self.server.job(fake.request("/none")))["error"]
        self.assertEqual(e["message"], "app returned None; a WSGI application returns an iterable of bytes")
        self.assertEqual([(f["file"], f["line"]) for f in e["frames"]], [("app.py", 3)])
        self.assertEqual(self.server.done(self.server.job(fake.request("/exit")))["error"]["type"], "SystemExit")
        self.assertEqual(self.server.done(self.server.job(fake.request("/")))["reply"]["status"], 200)

    def test_an_error_that_cannot_be_explained_ends_no_process(self) -> None:
        self.run_file(
            """
            class Bad(Exception):
                @property
                def exceptions(self): raise SystemExit
            class Local:
                def __repr__(self): raise SystemExit
            def app(environ, start_response):
                local = Local()
                raise Bad() if environ["PATH_INFO"] == "/bad" else ValueError("\\ud800")
            """,
            "--threads", "1",
        )  # fmt: skip
        e = self.server.done(self.server.job(fake.request("/bad")))["error"]
        self.assertEqual(e["message"], "an error that cannot be explained: SystemExit")
        e = self.server.done(self.server.job(fake.request("/")))["error"]
        self.assertEqual((e["message"], e["frames"][-1]["line"]), ("\\ud800", 9))
        self.assertEqual(e["frames"][-1]["locals"][-1], ["local", "<Local, whose repr raises SystemExit>"])

    def test_variables_can_be_left_out(self) -> None:
        self.run_file(WSGI, "--no-variables")
        e = self.server.done(self.server.job(fake.request("/fail")))["error"]
        self.assertNotIn("locals", e["frames"][-1])

    def test_a_job_is_cancelled_while_its_error_is_explained(self) -> None:
        self.run_file(
            """
            class Slow:
                def __repr__(self):
                    print("shown", flush=True)
                    while True: pass
            def app(environ, start_response):
                slow = Slow()
                raise ValueError("first")
            """,
            "--threads", "1",
        )  # fmt: skip
        job = self.server.job(fake.request("/"))
        out = self.server.processes[-1].stdout
        assert out is not None
        self.assertEqual(out.readline(), "shown\n")
        self.server.control().write({"cancel": job, "reason": "it ran too long"})
        self.assertEqual(self.server.done(job)["error"]["message"], "first")

    def test_a_job_is_cancelled(self) -> None:
        """Cancelling ends Python code, which cannot catch it as an Exception. The thread
        and its connection stay usable."""
        self.run_file(WSGI, "--threads", "1")
        for path in ("/spin", "/swallow"):
            job = self.server.job(fake.request(path))
            self.server.control().write({"cancel": job, "reason": "it ran too long"})
            e = self.server.done(job)["error"]
            self.assertEqual((e["type"], e["message"]), ("Cancelled", "it ran too long"))
            self.assertEqual(self.server.done(self.server.job(fake.request("/")))["reply"]["status"], 200)
        self.server.control().write({"cancel": job, "reason": "too late"})
        self.assertEqual(self.server.done(self.server.job(fake.request("/")))["reply"]["status"], 200)

    def test_a_job_in_a_call_is_cancelled(self) -> None:
        waiting = threading.Event()
        self.run_file(WSGI, "--threads", "1")
        peers: List[Any] = []

        def answer(peer: fake.Peer, head: Dict[str, Any]) -> Optional[Dict[str, Any]]:
            peers.append((peer, head["id"]))
            waiting.set()
            return {"channel": None, "message": None} if self.release.wait(20) else None

        self.release = threading.Event()
        self.server.answer = answer
        job = self.server.job(fake.request("/wait", body_channel="body?x"))
        self.assertTrue(waiting.wait(20))
        self.server.control().write({"cancel": job, "reason": "the client has left"})
        self.server.control().write({"ping": 1})
        self.server.wait("pong")  # now the child knows of the cancelled job
        self.release.set()
        self.assertEqual(self.server.done(job)["error"]["message"], "the client has left")
        self.server.answer = None
        self.assertEqual(self.server.done(self.server.job(fake.request("/")))["reply"]["status"], 200)
        self.assertNotIn("closed", [k for f in self.server.frames for k in f])

    def test_a_handler_ignores_that_its_client_has_left(self) -> None:
        """Soon it is cancelled, also if each of its calls fails before it can be."""
        self.run_file(
            """
            import asgibox._host, time
            asgibox._host.GONE = 0.1
            def app(environ, start_response):
                path, write = environ["PATH_INFO"], start_response("200 OK", [])
                while True:
                    try:
                        if path == "/write": write(b"x")
                        elif path == "/read": environ["wsgi.input"].read()
                        elif path == "/send": asgibox.layer.send("b", {})
                        else: time.sleep(0.01)
                    except Exception:
                        pass
            """,
            "--threads", "1",
        )  # fmt: skip
        self.server.answer = lambda peer, head: {"error": "Gone", "detail": "the client has left"}
        for path in ("/write", "/read", "/send", "/sleep"):
            job = self.server.job(fake.request(path, body_channel="body?x", headers=[[b"content-length", b"9"]]))
            self.server.control().write({"cancel": job, "reason": "the client has left", "gone": True})
            self.assertEqual(self.server.done(job)["error"]["type"], "Cancelled")

    def test_a_handler_uses_the_layer_of_another_server(self) -> None:
        """Its errors are those of the handler, which has a client to reply to."""
        other = fake.Server(lambda peer, head: {"error": "Closed", "detail": ""} if head.get("channel") == "closed" else None)
        self.addCleanup(other.close)
        self.run_file(
            """
            import asgibox
            other = asgibox.ChannelLayer(socket=%r)
            def app(environ, start_response):
                other.send(environ["PATH_INFO"][1:], {"a": 1})
                start_response("200 OK", [])
                return []
            """
            % other.path,
            "--threads", "1",
        )  # fmt: skip
        self.assertEqual(self.server.done(self.server.job(fake.request("/queue")))["reply"]["status"], 200)
        self.assertEqual((self.server.queues, other.queues), ({}, {"queue": [{"a": 1}]}))
        self.assertEqual(self.server.done(self.server.job(fake.request("/closed")))["error"]["type"], "Closed")

    def test_clients_that_have_left_take_no_threads(self) -> None:
        """A system allows only so many threads, and clients may leave at any rate."""
        self.run_file(
            """
            import threading
            def app(environ, start_response):
                start_response("200 OK", [])
                return [b"%d" % threading.active_count()]
            """,
            "--threads", "1",
        )  # fmt: skip
        before = self.server.done(self.server.job(fake.request("/")))["reply"]["content"]
        for job in range(1000, 1050):
            self.server.control().write({"cancel": job, "reason": "the client has left", "gone": True})
        self.server.control().write({"ping": 1})
        self.server.wait("pong")  # now the child knows of all
        after = self.server.done(self.server.job(fake.request("/")))["reply"]["content"]
        self.assertEqual(before, after)

    def test_a_job_is_cancelled_once(self) -> None:
        """A call may say that the job is cancelled before the control connection does."""
        self.run_file(
            """
            import asgibox
            def app(environ, start_response):
                caught = []
                for channel in "ab":
                    try:
                        asgibox.layer.receive(channel)
                    except asgibox.Cancelled as error:
                        caught.append(channel + str(error))
                start_response("200 OK", [])
                return [" ".join(caught).encode()]
            """,
            "--threads", "1",
        )  # fmt: skip

        def answer(peer: fake.Peer, head: Dict[str, Any]) -> Dict[str, Any]:
            if head["channels"] == "a":
                return {"error": "Cancelled", "detail": " too long"}
            self.server.control().write({"cancel": peer.job, "reason": "too long"})
            self.server.control().write({"ping": 1})
            self.server.wait("pong")  # now the child knows of the cancelled job
            return {"channel": None, "message": None}

        self.server.answer = answer
        job = self.server.job(fake.request("/"))
        self.assertEqual(self.server.done(job)["reply"]["content"], b"a too long")

    def test_a_ping_is_answered_while_handlers_run(self) -> None:
        self.run_file(WSGI, "--threads", "2")
        self.server.job(fake.request("/spin"))
        self.server.control().write({"ping": 5})
        self.assertEqual(self.server.wait("pong")["pong"], 5)

    def test_end_waits_for_jobs(self) -> None:
        process = self.run_file(WSGI, "--threads", "2")
        self.server.wait("call", "ready")
        job = self.server.job(fake.request("/wait", body_channel="body?1"))
        self.server.control().write({"end": True})
        self.server.put("body?1", {"content": b"", "more_content": False})
        self.assertEqual(self.server.done(job)["reply"]["status"], 200)
        process.communicate(timeout=20)
        self.assertEqual(process.returncode, 0)

    def test_the_loss_of_the_server_ends_the_process(self) -> None:
        process = self.run_file(WSGI, "--threads", "1")
        self.server.wait("call", "ready")
        self.server.job(fake.request("/sleep"))
        self.server.control().sock.shutdown(2)
        process.communicate(timeout=20)
        self.assertEqual(process.returncode, 1)

    def test_output_is_flushed_at_line_ends(self) -> None:
        process = self.run_file("print('ä loaded')\nlayer.receive('a', block=True)\nprint('end', end='')\n", PYTHONIOENCODING="ascii")
        assert process.stdout is not None
        self.assertEqual(process.stdout.readline(), "ä loaded\n")
        self.server.put("a", {})
        self.assertEqual(process.communicate(timeout=20), ("end", ""))

    def test_a_crash_shows_the_thread_that_crashed(self) -> None:
        process = self.run_file(
            """
            import ctypes
            def app(environ, start_response):
                ctypes.string_at(0)
            """,
            "--threads", "4",
        )  # fmt: skip
        self.server.job(fake.request("/"))
        err = process.communicate(timeout=20)[1]
        self.assertIn("in app\n", err)
        self.assertEqual(err.count("most recent call first"), 1, err)

    def test_debug_handles_on_the_main_thread(self) -> None:
        process = self.run_file(WSGI, "--debug", "--threads", "4")
        self.assertEqual(self.server.done(self.server.job(fake.request("/")))["reply"]["content"], b"MainThread")
        self.end(process)

    def test_a_forked_process_does_not_keep_the_connections(self) -> None:
        self.run_file(
            """
            import os, time
            def app(environ, start_response):
                pid = os.fork()
                if pid == 0:
                    time.sleep(60)
                start_response("200 OK", [])
                return [b"%d" % pid]
            """,
            "--threads", "1",
        )  # fmt: skip
        forked = int(self.server.done(self.server.job(fake.request("/")))["reply"]["content"])
        self.addCleanup(os.kill, forked, 9)
        os.kill(self.server.processes[-1].pid, 9)
        for _ in range(2):  # the control connection and that of the thread
            self.server.wait("closed")


if __name__ == "__main__":
    unittest.main()
