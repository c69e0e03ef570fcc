import json
import linecache
import os
import sys
import tempfile
import textwrap
import types
import unittest
from typing import Any, Dict, List, Tuple
from unittest import mock

import asgibox
from asgibox import _explain, _noreturn, _routing


class FakeServer:
    """A connection to a server that keeps state and sessions in memory."""

    def __init__(self) -> None:
        self.calls: List[Tuple[str, Dict[str, Any]]] = []
        self.state: Dict[str, Any] = {}
        self.sessions: Dict[str, Dict[str, Any]] = {"channel": {}, "http": {}}
        self.full = False  # sends fail that the server does not retry
        self.incoming: List[Dict[str, Any]] = []
        self.answers: Dict[str, Dict[str, Any]] = {}
        self.broken = False
        self.job = 1
        self.limit = 1 << 20

    def post(self, name: str, fields: Dict[str, Any]) -> None:
        self.call(name, fields)

    def call(self, name: str, fields: Dict[str, Any]) -> Dict[str, Any]:
        fields = dict(fields)
        fields.pop("at", None)
        if name == "send" and self.full and not fields.get("retry"):
            raise asgibox.ChannelFull("full")
        self.calls.append((name, json.loads(json.dumps(fields, ensure_ascii=False, allow_nan=False, default=lambda b: "b:" + b.decode("latin-1")).encode("utf-8"))))
        kind, _, rest = name.partition("/")
        if kind == "state":
            return self._state(rest, fields)
        if kind == "session":
            if rest.startswith("save_"):
                self.sessions[rest[5:]] = fields["new"]
                return {"cookie": b"sid=1.x"} if rest == "save_http" else {}
            return {"save": True} if rest == "cycle" else {"data": self.sessions[rest]}
        if name == "receive":
            return {"channel": fields["channels"], "message": self.incoming.pop(0)}
        return self.answers.get(name, {})

    def _state(self, name: str, fields: Dict[str, Any]) -> Dict[str, Any]:
        key = fields.get("key", "")
        if name == "get":
            return {"value": self.state.get(key), "found": key in self.state}
        if name == "swap":
            if ("old" in fields) != (key in self.state) or fields.get("old") != self.state.get(key):
                return {"swapped": False}
            self.state[key] = fields["new"]
            return {"swapped": True}
        if name == "keys":
            return {"keys": sorted(k for k in self.state if k.startswith(fields.get("prefix", "")))}
        if name == "delete":
            self.state.pop(key, None)
            return {}
        if name == "incr":
            self.state[key] = self.state.get(key, 0) + fields["n"]
        elif name == "append":
            self.state[key] = (self.state.get(key, []) + [fields["value"]])[-fields.get("keep", 10**6) :]
        else:
            self.state[key] = fields["value"]
        return {"value": self.state[key]}

    def sent(self) -> List[Tuple[str, Any]]:
        return [(f.get("channel", f.get("group")), f["message"]) for n, f in self.calls if n in ("send", "send_group")]


NAMES = (
    "Channel FileResponse Group HttpResponse JsonResponse JsonWebsocketConsumer StreamingHttpResponse WebsocketConsumer channel_session "
    "enforce_ordering every hold http_session include redirect render route route_class settings state static view"
).split()


class Case(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)
        self.server = FakeServer()

    def load(self, text: str) -> Dict[str, Any]:
        """Loads an application and returns the fields of ready. Its first line is line 1."""
        path = os.path.join(self.folder, "app.py")
        text = textwrap.dedent(text).lstrip("\n")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        linecache.checkcache(path)
        _noreturn._known.clear()
        module = sys.modules["app"] = types.ModuleType("app")
        self.addCleanup(sys.modules.pop, "app", None)
        names = module.__dict__
        names.update({name: getattr(asgibox, name) for name in NAMES}, layer=asgibox.layer, __file__=path)
        exec(compile(text, path, "exec"), names)
        self.fields = _routing.describe(names, self.folder)
        return self.fields

    def job(self, consumer: int, channel: str, message: Dict[str, Any], **more: Any) -> Dict[str, Any]:
        job = dict({"job": 1, "channel": channel, "message": message, "consumer": consumer, "kwargs": {}}, **more)
        return _routing.handle(job, self.server)

    def get(self, consumer: int = 0, path: str = "/", kwargs: Any = None, **message: Any) -> Any:
        """Runs a view and returns its reply."""
        fields = dict({"method": "GET", "path": path, "reply_channel": "r!1", "headers": []}, **message)
        return self.job(consumer, "http.request", fields, kwargs=kwargs or {}, params=kwargs or {}).get("reply")

    def socket(self, consumer: int, event: str, **message: Any) -> Any:
        fields = dict({"path": "/", "reply_channel": "r!1"}, **message)
        return self.job(consumer, "websocket." + event, fields)

    def fails(self, kind: type, *parts: str, **kwargs: Any) -> Dict[str, Any]:
        with self.assertRaises(kind) as caught:
            self.get(**kwargs)
        e = _explain.explain(caught.exception, self.folder)
        for part in parts:
            self.assertIn(part, e["message"] + " " + e.get("hint", ""))
        return e


class ArgumentTest(Case):
    def test_wrong_arguments_have_clear_errors(self) -> None:
        self.load(
            """
            def page(request, code):
                return eval(code, dict(globals(), request=request, cookie=lambda *a, **k: HttpResponse("").set_cookie(*a, **k)))
            channel_routing = [view("/", page)]
            """
        )
        for code, kind, problem in (
            ('cookie("a", path=5)', TypeError, "set_cookie: the path is of type int; it must be text"),
            ('cookie(5)', TypeError, "set_cookie: the name is of type int"),
            ('cookie("a", domain=5)', TypeError, "set_cookie: the domain is of type int"),
            ('cookie("a", samesite=5)', TypeError, "set_cookie: the samesite is of type int"),
            ('cookie("a", [])', TypeError, "set_cookie: the value is of type list"),
            ('cookie("a", max_age="x")', TypeError, "set_cookie: max_age is 'x'; it must be a number"),
            ('cookie("a", max_age=float("nan"))', TypeError, "set_cookie: max_age is nan"),
            ('cookie("a", expires=1e30)', ValueError, "set_cookie: expires is 1e+30"),
            ('HttpResponse("", headers=5)', TypeError, "headers is of type int; it must be a dict"),
            ('HttpResponse("", headers=["ab"])', TypeError, "headers has 'ab'; it must have pairs"),
            ('HttpResponse("", headers={"x": "\\ud800"})', ValueError, "the header x cannot contain '\\ud800'"),
            ('HttpResponse("", status="200")', TypeError, "status is '200'"),
            ('HttpResponse("", status=10**5000)', ValueError, "status is too large"),
            ('HttpResponse("a\\ud800")', ValueError, "the content has the character '\\ud800'"),
            ('JsonResponse({"a": [float("nan")]})', ValueError, "data.a[0]: nan is not allowed in JSON"),
            ('JsonResponse({"a": ["\\ud800"]})', ValueError, "data.a[0]: a text has the character '\\ud800'"),
            ('JsonResponse([l for l in [[]] if not l.append(l)])', ValueError, "contains itself"),
            ('redirect(5)', TypeError, "redirect: the URL is of type int"),
            ('redirect("\\ud800")', ValueError, "redirect: the URL has the character '\\ud800'"),
            ('render("t", {"a": [1, {"b": "\\ud800"}]})', asgibox.InvalidMessage, "context.a[1].b: a text has the character '\\ud800'"),
            ('render("t", {"a": [float("inf")]})', asgibox.InvalidMessage, "context.a[0]: inf is not allowed"),
            ('state.set("k", {"a": float("nan")})', asgibox.InvalidMessage, "value.a: nan is not allowed"),
            ('state.set("\\ud800", 1)', asgibox.InvalidMessage, "state/set: key: a text has the character"),
            ('request.session.update(a=[float("nan")])', asgibox.InvalidMessage, "session.a[0]: nan is not allowed"),
            ('every(1, "a", {"b": "\\ud800"})', ValueError, "every: b: a text has the character"),
            ('FileResponse(b"a")', TypeError, "FileResponse: the path is of type bytes"),
        ):  # fmt: skip
            with self.subTest(code):
                self.fails(kind, problem, kwargs={"code": code})

    def test_a_context_of_too_many_values(self) -> None:
        self.load("channel_routing = [view('/', lambda request, x: render('t', {'x': x}))]")
        many: Any = [1]
        for _ in range(90):
            many = [many, many]
        with mock.patch("asgibox._http.MAX_VALUES", 1000):
            self.fails(ValueError, "the context is too large", kwargs={"x": many})


class DescribeTest(Case):
    def test_routes_have_their_consumers_and_places(self) -> None:
        fields = self.load(
            """
            def receive(message, room):
                pass
            @channel_session
            @enforce_ordering(slight=True)
            def connect(message): pass
            channel_routing = [
                include([route("websocket.receive", receive, path=r"^(?P<room>x)$", ordered=False)], path="^/chat"),
                [view("/rooms/<room>", receive, methods=["get"], concurrency=2)],
                static("/static/", "static"),
                every(5, "tick", {"n": 1}),
                route("websocket.connect", connect),
            ]
            def on_start(): pass
            """
        )
        receive, view, static, connect = fields["routes"]
        self.assertEqual(receive["includes"], [[["path", "^/chat"]]])
        self.assertEqual(receive["patterns"], [["path", "^(?P<room>x)$"]])
        self.assertEqual((receive["name"], receive["file"], receive["line"]), ("receive", "app.py", 1))
        self.assertEqual(receive["place"], {"file": "app.py", "line": 7})
        self.assertEqual((receive["ordered"], receive["concurrency"]), (False, 0))
        self.assertEqual((view["path"], view["methods"], view["concurrency"]), ("/rooms/<room>", ["GET"], 2))
        self.assertEqual(view["signature"], {"params": [["message", False], ["room", False]], "positional": 2, "varargs": False, "kwargs": False})
        self.assertEqual((static["prefix"], static["directory"], static["name"]), ("/static/", "static", "static"))
        self.assertEqual((connect["name"], connect["line"]), ("connect", 5))
        self.assertEqual(fields["clocks"], [{"every": 5.0, "channel": "tick", "content": {"n": 1}, "file": "app.py", "line": 10}])
        self.assertEqual(fields["hooks"], ["on_start"])

    def test_the_parameters_of_all_kinds_of_consumers_are_known(self) -> None:
        fields = self.load(
            """
            import functools
            def decorate(f):
                @functools.wraps(f)
                def inner(*args, **kwargs): return f(*args, **kwargs)
                return inner
            @decorate
            def decorated(message, a, b=1, *, c, d=2): pass
            class Object:
                def method(self, message, a=1, **more): pass
                def __call__(self, message, *rest): pass
            def room(message, room): pass
            channel_routing = [route("x", f) for f in (decorated, Object().method, Object(), functools.partial(room, room=1), print, lambda m: 1)]
            """
        )
        signatures = [r.get("signature") for r in fields["routes"]]
        self.assertEqual(signatures[0]["params"], [["message", False], ["a", False], ["b", True], ["c", False], ["d", True]])
        self.assertEqual((signatures[0]["positional"], signatures[0]["varargs"], signatures[0]["kwargs"]), (3, False, False))
        self.assertEqual((signatures[1]["params"], signatures[1]["kwargs"]), ([["message", False], ["a", True]], True))
        self.assertEqual((signatures[2]["params"], signatures[2]["varargs"]), ([["message", False]], True))
        self.assertEqual(signatures[3]["params"], [["message", False], ["room", True]])
        self.assertEqual(signatures[5], {"params": [["m", False]], "positional": 1, "varargs": False, "kwargs": False})
        self.assertEqual([(r["name"], r.get("line")) for r in fields["routes"]][:3], [("decorated", 7), ("method", 9), ("Object", 10)])

    def test_a_dict_of_consumers_is_a_routing(self) -> None:
        fields = self.load('def f(message): pass\nchannel_routing = {"websocket.receive": f, "jobs": f}\n')
        self.assertEqual([r["channel"] for r in fields["routes"]], ["websocket.receive", "jobs"])

    def test_consumers_and_routes_may_be_dotted_paths(self) -> None:
        fields = self.load('channel_routing = [route("jobs", "json.dumps"), include("asgibox_test_routes.routing")]')
        self.assertEqual([r["name"] for r in fields["routes"]], ["dumps", "loads"])

    def test_a_class_of_consumers_has_a_route_for_each_channel(self) -> None:
        fields = self.load(
            """
            class Chat(WebsocketConsumer):
                pass
            channel_routing = [route_class(Chat, path="^/chat"), Chat.as_route(path="^/other")]
            """
        )
        self.assertEqual([r["channel"] for r in fields["routes"]], ["websocket.connect", "websocket.disconnect", "websocket.receive"] * 2)
        self.assertEqual((fields["routes"][0]["name"], fields["routes"][0]["line"]), ("Chat", 1))

    def test_mistakes_name_the_line_and_say_what_to_write(self) -> None:
        for text, part in {
            'channel_routing = [route("a", 1)]': "the consumer is of type int, not a function",
            'def f(m): pass\nchannel_routing = [route("a", f())] if False else [route("a", f(1))]': "NoneType",
            "channel_routing = 1": "not a list of routes",
            "channel_routing = [1]": "channel_routing[0] is of type int, not a route",
            'channel_routing = [route("a", print, path=1)]': "path: a pattern must be text",
            'channel_routing = [every(0, "a")]': "at least 0.01 seconds",
            'channel_routing = [route("a", print, concurrency=0)]': "concurrency must be a number",
            'channel_routing = [route("a", "nothing")]': "no path of a value",
            'channel_routing = [view(1, print)]': "view: the path is of type int",
            'async def f(m): pass\nchannel_routing = [route("a", f)]': "async function",
            "channel_routing = []\nchannel_routing.append(channel_routing)": "nests deeper",
        }.items():
            with self.assertRaises(Exception) as caught:
                self.load(text)
            e = _explain.explain(caught.exception, self.folder)
            self.assertIn(part, e["message"], text)


class ViewTest(Case):
    def test_results_become_responses(self) -> None:
        for result, status, kind, content in [
            ("'é'", 200, b"text/html; charset=utf-8", "é".encode()),
            ("b'x'", 200, b"application/octet-stream", b"x"),
            ("{'a': [1, None]}", 200, b"application/json", b'{"a":[1,null]}'),
            ("[1]", 200, b"application/json", b"[1]"),
            ("(404, 'no')", 404, b"text/html; charset=utf-8", b"no"),
            ("HttpResponse('a', 201, 'text/plain')", 201, b"text/plain", b"a"),
            ("JsonResponse({'a': 1}, status=202)", 202, b"application/json", b'{"a":1}'),
        ]:
            self.load("def f(request):\n    return %s\nchannel_routing = [view('/', f)]" % result)
            reply = self.get()
            self.assertEqual((reply["status"], reply["content"]), (status, content), result)
            self.assertEqual(reply["headers"], [[b"content-type", kind]], result)
        self.load("def f(request):\n    return None\nchannel_routing = [view('/', f)]")
        self.assertEqual(self.get(), {"status": 204, "headers": [], "content": b""})

    def test_a_redirect_has_an_ascii_location(self) -> None:
        self.load("channel_routing = [view('/', lambda request: redirect('/é x?a=%20b'))]")
        reply = self.get()
        self.assertEqual((reply["status"], reply["headers"]), (302, [[b"location", b"/%C3%A9%20x?a=%20b"]]))

    def test_wrong_results_are_errors(self) -> None:
        for result, part in {
            "1": "the view returned a value of type int",
            "('a', 200)": "the status must come first",
            "(1, 2, 3)": "a tuple of 3",
            "(200, (200, 'a'))": "a tuple inside a tuple",
            "(99, 'a')": "it must be from 200 to 999",
            "HttpResponse({})": "write JsonResponse(data)",
            "HttpResponse('', headers={'x-a': 'b\\r\\nc'})": "cannot contain",
        }.items():
            self.load("def f(request):\n    return %s\nchannel_routing = [view('/', f)]" % result)
            self.fails(Exception, part)

    def test_a_view_that_ends_without_return_is_an_error(self) -> None:
        self.load("def f(request):\n    'page'\nchannel_routing = [view('/', f)]")
        self.server.answers["unanswered"] = {"unanswered": True}
        e = self.fails(Exception, "f (app.py:1) ended without return: is a return missing?", "HttpResponse(status=204)")
        self.assertEqual((e["frames"][-1]["file"], e["frames"][-1]["line"]), ("app.py", 1))
        for body in ["if request.GET: return 'x'\n    else: return None", "return request.GET.get('x')", "while True:\n        return"]:
            self.load("def f(request):\n    %s\nchannel_routing = [view('/', f)]" % body)
            self.assertEqual(self.get()["status"], 204, body)

    def test_the_request_has_the_names_of_django(self) -> None:
        self.load(
            """
            def f(request, room):
                r = request
                return {
                    "GET": r.GET.getlist("a"), "first": r.GET["a"], "none": r.GET.get("b"), "cookies": r.COOKIES, "header": r.headers["X-One"],
                    "meta": [r.META[k] for k in ("REQUEST_METHOD", "PATH_INFO", "SCRIPT_NAME", "HTTP_X_ONE", "REMOTE_ADDR", "SERVER_PORT")],
                    "params": r.path_params, "secure": r.is_secure(), "room": room, "client": r.client, "both": r.headers["x-two"],
                }
            channel_routing = [view("/<room>", f)]
            """
        )
        reply = self.get(
            path="/app/x", root_path="/app", query_string=b"a=1&a=%C3%A9&=", kwargs={"room": "x"}, scheme="https",
            client=["1.2.3.4", 5], server=["h", 80],
            headers=[[b"x-one", b"1"], [b"x-two", b"a"], [b"X-Two", b"b"], [b"cookie", b'c="d"; e=f'], [b"cookie", b"c=later"]],
        )
        self.assertEqual(json.loads(reply["content"]), {
            "GET": ["1", "é"], "first": "1", "none": None, "cookies": {"c": "d", "e": "f"}, "header": "1",
            "meta": ["GET", "/x", "/app", "1", "1.2.3.4", "80"], "params": {"room": "x"}, "secure": True, "room": "x",
            "client": ["1.2.3.4", 5], "both": "a, b",
        })  # fmt: skip

    def test_forms_and_files(self) -> None:
        self.load(
            """
            def f(request):
                f = request.FILES.get("file")
                return {"name": request.POST.get("name"), "file": f and [f.name, f.content_type, f.size, f.read().decode()]}
            channel_routing = [view("/", f)]
            """
        )
        kind = lambda value: [[b"content-type", value]]  # noqa: E731
        reply = self.get(method="POST", body=b"name=a+b%C3%A9", headers=kind(b"application/x-www-form-urlencoded"))
        self.assertEqual(json.loads(reply["content"]), {"name": "a bé", "file": None})
        body = (
            b'--B\r\nContent-Disposition: form-data; name="name"\r\n\r\nx\r\n-\r\n--B\r\n'
            b'Content-Disposition: form-data; name="file"; filename="C:\\dir\\a \\"b\\".txt"\r\nContent-Type: text/plain\r\n\r\nhello\r\n--B--\r\n'
        )
        reply = self.get(method="POST", body=body, headers=kind(b"multipart/form-data; boundary=B"))
        self.assertEqual(json.loads(reply["content"]), {"name": "x\r\n-", "file": ['a "b".txt', "text/plain", 5, "hello"]})
        e = self.fails(Exception, "closing boundary", method="POST", body=b"--B\r\n", headers=kind(b"multipart/form-data; boundary=B"))
        self.assertEqual(e["status"], 400)

    def test_a_body_arrives_in_pieces(self) -> None:
        self.load("channel_routing = [view('/', lambda request: request.body)]")
        self.server.incoming = [{"content": b"b", "more_content": True, "order": 1}, {"content": b"c", "order": 2}]
        self.assertEqual(self.get(method="POST", body=b"a", body_channel="b!x")["content"], b"abc")
        self.server.incoming = [{"closed": True}]
        self.assertEqual(self.fails(Exception, "will not come", body_channel="b!x")["status"], 400)

    def test_json_bodies(self) -> None:
        self.load("channel_routing = [view('/', lambda r: [r.json()]), view('/d', lambda r: [r.json(default=5)])]")
        self.assertEqual(self.get(body=b'{"a": 1}')["content"], b'[{"a":1}]')
        self.assertEqual(self.fails(Exception, "the body is not JSON", body=b"{")["status"], 400)
        self.assertEqual(self.get(1, body=b"{")["content"], b"[5]")

    def test_cookies_are_checked(self) -> None:
        self.load(
            """
            def f(request):
                r = HttpResponse("x")
                r.set_cookie("a", "b", max_age=5, httponly=True, samesite="None", expires=0)
                r.delete_cookie("c")
                r.delete_cookie("__Host-d")
                return r
            def bad(request):
                HttpResponse().set_cookie("a", "b;c")
            def long(request):
                HttpResponse().set_cookie("a", "b" * 4096)
            def host(request):
                HttpResponse().set_cookie("__Host-a", "b", secure=True, path="/x")
            def insecure(request):
                HttpResponse().set_cookie("__Secure-a", "b")
            channel_routing = [view('/', f), view('/bad', bad), view('/long', long), view('/host', host), view('/insecure', insecure)]
            """
        )
        cookies = [v for k, v in self.get()["headers"] if k == b"set-cookie"]
        self.assertEqual(cookies, [
            b"a=b; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=5; HttpOnly; Secure; SameSite=None", b"c=; Path=/; Max-Age=0",
            b"__Host-d=; Path=/; Max-Age=0; Secure",
        ])  # fmt: skip
        self.fails(ValueError, "not allowed in a cookie", "quote(value)", consumer=1)
        self.fails(ValueError, "have 4097 bytes", consumer=2)
        self.fails(ValueError, "for this host only", 'path="/"', consumer=3)
        self.fails(ValueError, "must be secure", "secure=True", consumer=4)

    def test_long_and_streamed_responses_are_sent_in_parts_and_wait_for_slow_clients(self) -> None:
        self.load(
            """
            def stream(request):
                def fn(write):
                    write("a")
                    write(b"b" * 300000)
                return StreamingHttpResponse(fn, headers={"x-a": "1"})
            channel_routing = [view("/", lambda r: "x" * 600000), view("/s", stream), view("/g", lambda r: StreamingHttpResponse(iter(["a", "b"])))]
            """
        )
        self.server.full = True
        self.assertIsNone(self.get())
        sent = [m for _, m in self.server.sent()]
        self.assertEqual([(len(m["content"]) - 2, m.get("more_content", False), "status" in m) for m in sent], [
            (262144, True, True), (262144, True, False), (75712, False, False),
        ])  # fmt: skip
        self.assertEqual(self.get(method="HEAD")["content"], b"")
        self.server.calls.clear()
        self.assertIsNone(self.get(1))
        sent = [m for _, m in self.server.sent()]
        self.assertEqual("".join(m["content"][2:] for m in sent), "a" + "b" * 300000)
        self.assertEqual([m.get("more_content", False) for m in sent], [True, True, True, False])
        self.server.calls.clear()
        self.get(2)
        self.assertEqual(len(self.server.sent()), 3)

    def test_render_is_done_by_the_server(self) -> None:
        self.load("channel_routing = [view('/', lambda r: asgibox_render('a.html', {'x': (1, 'é'), 2: {3}}))]".replace("asgibox_render", "__import__('asgibox').render"))
        self.server.answers["render"] = {"content": "<p>"}
        self.assertEqual(self.get()["content"], b"<p>")
        self.assertEqual(self.server.calls[0], ("render", {"template": "a.html", "context": {"x": [1, "é"], "2": [3]}}))
        self.server.answers["render"] = {"failed": {"message": "no", "file": "a.html", "line": 3, "col": 2, "hint": "do"}}
        e = self.fails(Exception, "no", "do")
        self.assertEqual((e["frames"][-1]["file"], e["frames"][-1]["line"], e["frames"][-1]["col"]), ("a.html", 3, 2))


class MessageTest(Case):
    def test_messages_channels_and_groups(self) -> None:
        self.load(
            """
            def f(message):
                Group("g").add(message.reply_channel)
                message.reply_channel.send({"text": message["text"] + str(message.get("x")), "to": Channel("c")})
                Group("g").send({"text": "all"})
                Channel("later").send_later(2, {"a": 1})
                Channel("same").send(message)
                layer.send("plain", {"b": b"1"})
                Group("g").discard(message.reply_channel)
            channel_routing = {"websocket.receive": f}
            """
        )
        self.assertEqual(self.socket(0, "receive", text="hi"), {})
        self.assertEqual([name for name, _ in self.server.calls], ["group_add", "send", "send_group", "send", "send", "send", "group_discard"])
        self.assertEqual(self.server.calls[0][1], {"group": "g", "channel": "r!1"})
        self.assertEqual(self.server.calls[1][1], {"channel": "r!1", "message": {"text": "hiNone", "to": "c"}, "retry": True})
        self.assertEqual(self.server.calls[3][1], {"channel": "later", "message": {"a": 1}, "delay": 2.0})
        self.assertEqual(self.server.calls[4][1]["message"]["text"], "hi")

    def test_a_message_is_a_dict(self) -> None:
        self.load(
            """
            import copy, json
            def page(request):
                m = request.message
                assert isinstance(m, dict) and m == dict(m) == m.content
                layer.send("q", {"inner": m})
                Group("g").send({"list": [m]})
                state.set("m", m)
                for n in range(3):
                    request.session.update(m=m, n=n)
                    request.session.save()
                assert copy.deepcopy(m) == m
                if hasattr(dict, "__or__"):
                    assert (m | {"zz": 1})["zz"] == ({"zz": 1} | m)["zz"] == 1 and "zz" not in m
                json.dumps(m)
                render("page.html", {"m": m})
                m["m"] = None
                return JsonResponse({"m": m})
            channel_routing = [view("/", page)]
            """
        )
        self.server.answers["render"] = {"content": b""}
        reply = self.get(query_string="")
        content = {"method": "GET", "path": "/", "reply_channel": "r!1", "headers": [], "query_string": ""}
        self.assertEqual(json.loads(reply["content"])["m"], dict(content, m=None))
        self.assertEqual([m for _, m in self.server.sent()], [{"inner": content}, {"list": [content]}])
        self.assertEqual(self.server.state["m"]["path"], "/")
        self.assertEqual(self.server.sessions["http"]["m"]["path"], "/")

    def test_a_missing_key_of_a_message_has_a_hint(self) -> None:
        self.load("channel_routing = [view('/', lambda r: r.message['none'])]")
        self.fails(KeyError, 'message.get(\'none\') returns None', "method, path")

    def test_deny_hold_and_consume_later(self) -> None:
        self.load(
            """
            def deny(message): message.deny()
            def later(message): message.consume_later()
            channel_routing = [route("websocket.connect", deny), route("websocket.receive", later), view("/", lambda r: hold(r)), route("x", deny)]
            """
        )
        self.socket(0, "connect")
        self.assertEqual(self.server.sent(), [("r!1", {"accept": False})])
        self.socket(1, "receive")
        self.assertEqual(self.server.calls[-1], ("put_back", {}))
        self.assertEqual(self.job(2, "http.request", {"reply_channel": "r!1", "method": "GET", "path": "/"}), {"hold": True})
        with self.assertRaisesRegex(TypeError, "only a message on websocket.connect can be denied"):
            self.socket(3, "receive")

    def test_a_session_is_saved_if_only_the_type_of_a_value_changes(self) -> None:
        for old, new in (1, True), (1, 1.0), ([0], [False]), (True, 1):
            self.server.sessions["channel"] = {"n": old}
            self.load("def f(message): message.channel_session['n'] = %r\nchannel_routing = [route('websocket.receive', f)]" % (new,))
            self.socket(0, "receive")
            self.assertEqual(repr(self.server.sessions["channel"]), repr({"n": new}))

    def test_a_session_is_saved_before_a_send_and_at_the_end(self) -> None:
        self.server.sessions["channel"] = {"n": [1]}
        self.load(
            """
            def f(message):
                s = message.channel_session
                s["n"].append(2)
                message.reply({"text": "x"})
                message.channel_session["who"] = "me"
            def read(message): message.channel_session.get("n")
            def fail(message):
                message.channel_session["n"] = 0
                1 / 0
            channel_routing = [route("websocket.receive", f), route("websocket.receive", read), route("websocket.receive", fail)]
            """
        )
        self.socket(0, "receive")
        self.assertEqual([name for name, _ in self.server.calls], ["session/channel", "session/save_channel", "send", "session/save_channel"])
        self.assertEqual(self.server.calls[1][1], {"old": {"n": [1]}, "new": {"n": [1, 2]}})
        self.assertEqual(self.server.sessions["channel"], {"n": [1, 2], "who": "me"})
        self.server.calls.clear()
        self.socket(1, "receive")
        self.assertEqual([name for name, _ in self.server.calls], ["session/channel"])
        with self.assertRaises(ZeroDivisionError):
            self.socket(2, "receive")
        self.assertEqual(self.server.sessions["channel"]["n"], 0)

    def test_a_browsers_session_adds_its_cookie_to_the_response(self) -> None:
        self.load(
            """
            def f(request):
                request.session["n"] = 1
                request.session.cycle()
                return "x"
            def g(message):
                message.http_session["n"] = 2
                message.reply_channel.send({"status": 200, "content": "y"})
            channel_routing = [view("/", f), route("http.request", g)]
            """
        )
        self.assertIn([b"set-cookie", b"sid=1.x"], self.get()["headers"])
        self.server.calls.clear()
        self.assertIsNone(self.get(1))
        self.assertEqual(self.server.sent()[0][1]["headers"], [["b:set-cookie", "b:sid=1.x"]])

    def test_state(self) -> None:
        self.load(
            """
            tries = []
            def change(value):
                tries.append(value)
                if len(tries) == 1:
                    layer.call  # another handler comes first
                return value + 1
            def f(message):
                assert state.get("a", 5) == 5 and state.set("a", 1) == 1 and state.incr("n") == 1 and state.incr("n", 4) == 5
                assert state.append("l", 1) == [1] and state.append("l", 2, keep=1) == [2]
                assert state.update("a", change) == 2 and state.update("new", change, default=7) == 8
                assert state.keys("n") == ["n", "new"]
                state.delete("a")
                assert state.get("a") is None
            def bad(message):
                state.update("x", lambda value: state.get("y"))
            channel_routing = [route("jobs", f), route("jobs", bad)]
            """
        )
        self.job(0, "jobs", {})
        with self.assertRaisesRegex(RuntimeError, "state.get cannot be called inside the function passed to state.update"):
            self.job(1, "jobs", {})

    def test_classes_of_consumers(self) -> None:
        self.load(
            """
            class Echo(WebsocketConsumer):
                groups = ["all"]
                def connect(self, message, **kwargs):
                    self.message.reply_channel.send({"accept": True, "text": kwargs["room"]})
                def receive(self, text=None, bytes=None, **kwargs):
                    self.send(text=text, bytes=bytes)
                    Echo.group_send("all", text="t", close=True)
            class Json(JsonWebsocketConsumer):
                def receive(self, content, **kwargs):
                    self.send({"got": content})
            channel_routing = [route_class(Echo), route_class(Json)]
            """
        )
        self.job(0, "websocket.connect", {"reply_channel": "r!1", "path": "/"}, kwargs={"room": "x"})
        self.socket(2, "receive", text="hi", bytes=None)
        self.socket(2, "receive", bytes=b"hi", text=None)
        self.socket(1, "disconnect")
        self.socket(5, "receive", text="[1]")
        self.assertEqual([m for _, m in self.server.sent()], [
            {"accept": True, "text": "x"}, {"text": "hi"}, {"close": True, "text": "t"}, {"bytes": "b:hi"}, {"close": True, "text": "t"}, {"text": '{"got": [1]}'},
        ])  # fmt: skip
        self.assertEqual([n for n, _ in self.server.calls if n.startswith("group_")], ["group_add", "group_discard"])

    def test_hooks(self) -> None:
        self.load("def on_start(): state.set('a', 1)\nchannel_routing = []")
        self.assertEqual(_routing.handle({"job": 1, "hook": "on_start"}, self.server), {})
        self.assertEqual(self.server.state, {"a": 1})


routes = types.ModuleType("asgibox_test_routes")
routes.routing = [asgibox.route("other", json.loads)]  # type: ignore[attr-defined]
sys.modules["asgibox_test_routes"] = routes

if __name__ == "__main__":
    unittest.main()
