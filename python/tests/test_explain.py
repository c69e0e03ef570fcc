import itertools
import json
import os
import sys
import tempfile
import unittest
from typing import Any
from unittest import mock

from asgibox import _explain, _values


class ExplainTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)

    def run_file(self, text: str, call: str = "", **options: Any) -> dict:
        path = os.path.join(self.folder, "app.py")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        names: dict = {}
        try:
            exec(compile(text, path, "exec"), names)
            if call:
                names[call]()
        except BaseException as error:
            return _explain.explain(error, self.folder, **options)
        self.fail("no exception")

    def test_frames_name_the_file_line_source_and_variables(self) -> None:
        e = self.run_file("import os\ndef inner(n):\n    return 1 // n\ndef outer():\n    who = 'me'\n    return inner(0)\n", "outer")
        self.assertEqual((e["type"], e["message"]), ("ZeroDivisionError", "integer division or modulo by zero"))
        last = e["frames"][-1]
        self.assertEqual((last["file"], last["line"], last["func"]), ("app.py", 3, "inner"))
        self.assertEqual([n for n, _ in last["lines"]], [1, 2, 3, 4, 5])
        self.assertIn(["n", "0"], last["locals"])
        self.assertIn(["who", "'me'"], e["frames"][-2]["locals"])
        if sys.version_info >= (3, 11):
            self.assertEqual(last["col"], 12)

    def test_a_syntax_error_has_the_place_in_the_file(self) -> None:
        e = self.run_file("x = 1\ndef (:\n")
        self.assertEqual((e["type"], e["frames"][-1]["file"], e["frames"][-1]["line"]), ("SyntaxError", "app.py", 2))

    def test_a_missing_name_suggests_the_nearest(self) -> None:
        self.assertEqual(self.run_file("counter = 1\ncountr + 1\n")["hint"], "did you mean counter?")

    def test_the_cause_is_named(self) -> None:
        e = self.run_file("try:\n    {}['k']\nexcept KeyError:\n    raise ValueError('bad')\n")
        self.assertEqual(e["hint"], "raised because of KeyError: 'k' at app.py:2")
        self.assertNotIn("hint", self.run_file("try:\n    {}['k']\nexcept KeyError:\n    raise ValueError('bad') from None\n"))

    def test_values_with_a_broken_repr_and_long_values_do_no_harm(self) -> None:
        e = self.run_file("class B:\n    def __repr__(self): raise OSError('no')\ndef f():\n    b = B()\n    long = 'x' * 10**6\n    raise ValueError\n", "f")
        shown = dict(e["frames"][-1]["locals"])
        self.assertIn("whose repr raises OSError", shown["b"])
        self.assertLess(len(shown["long"]), 300)

    def test_texts_can_be_sent(self) -> None:
        e = self.run_file("def f(x='\\udc80'):\n    error = KeyError('\\ud800')\n    if hasattr(error, 'add_note'): error.add_note('\\ud801')\n    raise error from OSError('\\ud802')\n", "f")
        json.dumps(e, ensure_ascii=False).encode("utf-8")
        self.assertEqual((e["message"].split("\n")[0], e["frames"][-1]["line"]), ("'\\ud800'", 4))
        self.assertEqual(self.run_file("raise ValueError('\\ud800')\n")["message"], "\\ud800")

    @mock.patch("asgibox._values.MAX_TIME", 100)
    def test_only_what_is_shown_of_a_value_is_read(self) -> None:
        """Each of these would take minutes, or more memory than there is."""
        e = self.run_file(
            """
import collections, dataclasses, functools, types, typing
class Counted:
    seen = 0
    def __repr__(self):
        Counted.seen += 1
        return 'c'
@dataclasses.dataclass
class Data:
    items: list
    hidden: object = dataclasses.field(default=None, repr=False)
class Named(typing.NamedTuple):
    items: list
class Own(list):
    pass
def f():
    deep = many = [Counted()]
    for _ in range(100): deep = [deep, deep]
    many = many * 1000000
    data, named, own = Data(many), Named(many), Own(many)
    deque, ordered, keys = collections.deque(many), collections.OrderedDict(a=many), dict.fromkeys(range(10**6)).keys()
    partial, space, method = functools.partial(f, many, x=many), types.SimpleNamespace(a=many), own.append
    both, empty, one, few = {'a': {1: (many,)}}, (), (1,), {'a': {3}, 'b': frozenset([4])}
    number = 10 ** 1000000
    text = 'x' * 10**7
    raise ValueError(many)
""",
            "f",
        )
        shown = dict(e["frames"][-1]["locals"])
        for name, begin in {
            "deep": "[[[[[[[...", "many": "[c, c, ", "data": "Data(items=[c, c, ", "named": "Named(items=[c, c, ", "own": "[c, c, ",
            "deque": "deque([c, c, ", "ordered": "OrderedDict({'a': [c, c, ", "keys": "dict_keys([0, 1, ", "space": "namespace(a=[c, c, ",
            "both": "{'a': {1: ([c, c, ", "number": "<int of 3321929 bits>", "text": "'xxx",
        }.items():  # fmt: skip
            self.assertEqual(shown[name][: len(begin)], begin)
            self.assertLess(len(shown[name]), 300)
        self.assertIn("functools.partial(<function f at ", shown["partial"])
        self.assertEqual([shown[n] for n in ("empty", "one", "few")], ["()", "(1,)", "{'a': {3}, 'b': frozenset({4})}"])
        self.assertLess(len(e["message"]), _explain.MAX_MESSAGE + 10)

    def test_code_of_the_application_runs_for_a_limited_time(self) -> None:
        with mock.patch("time.monotonic", side_effect=itertools.chain([0.0] * 6, itertools.repeat(1.0))):
            values = _values.Values()
            shown = [values.show([object()]) for _ in range(5)]
        self.assertIn("<object object at", shown[0])
        self.assertEqual(shown[-1], "<list>")

    def test_slow_variables_do_not_hide_the_message(self) -> None:
        text = "import time\nclass B:\n    def __repr__(self): time.monotonic.return_value = 9.0; return 'b'\n"
        with mock.patch("time.monotonic", mock.Mock(return_value=0.0)):
            e = self.run_file(text + "def f():\n    b, after = B(), [1]\n    raise ValueError({'a': [1]})\n", "f")
        self.assertEqual(e["message"], "{'a': [1]}")
        self.assertEqual(e["frames"][-1]["locals"], [["b", "b"], ["after", "<list>"]])

    def test_an_exit_in_code_of_the_application_is_shown(self) -> None:
        text = "class B(Exception):\n    def __repr__(self): raise SystemExit\n    __str__ = __repr__\n"
        e = self.run_file(text + "def f():\n    b = [1, B()]\n    raise b[1]\n", "f")
        self.assertEqual(e["message"], "(its text cannot be read: SystemExit)")
        self.assertEqual(dict(e["frames"][-1]["locals"])["b"], "[1, <B, whose repr raises SystemExit>]")

    def test_without_variables_no_repr_is_called(self) -> None:
        e = self.run_file("class B:\n    def __repr__(self): 1 / 0\ndef f():\n    b = B()\n    raise KeyError(0)\n", "f", variables=False)
        self.assertEqual((e["frames"][-1]["line"], "locals" in e["frames"][-1]), (5, False))

    def test_long_and_circular_causes(self) -> None:
        e = self.run_file("e = None\nfor i in range(100000):\n    n = ValueError(i)\n    n.__cause__ = e\n    e = n\nraise e\n")
        self.assertEqual((e["message"], e["hint"]), ("99999", "raised because of ValueError: 99998"))
        e = self.run_file("a = ValueError('a')\na.__cause__ = b = ValueError('b')\nb.__cause__ = a\nraise a\n")
        self.assertEqual(e["hint"], "raised because of ValueError: b")

    @unittest.skipIf(sys.version_info < (3, 11), "there are no groups")
    def test_groups_and_notes(self) -> None:
        e = self.run_file("def f(): return 1 / 0\ntry: f()\nexcept Exception as e: e.add_note('why'); raise ExceptionGroup('all', [e] * 100000)\n")
        self.assertEqual((e["message"], len(e["more"])), ("all (100000 sub-exceptions)", _explain.MAX_MORE))
        self.assertEqual((e["more"][0]["message"], e["more"][0]["frames"][-1]["func"]), ("division by zero\nwhy", "f"))

    def test_an_explanation_fits(self) -> None:
        for limit in (100000, 20000, 5000, 300):
            e = self.run_file("def f(n=0):\n    text = 'x' * 200\n    f(n + 1)\n", "f", limit=limit)
            self.assertLess(len(json.dumps(e)), limit)
            self.assertEqual(e["type"], "RecursionError")

    def test_lines_of_other_than_ordinary_files_are_not_read(self) -> None:
        e = self.run_file("exec(compile('1 / 0', '/dev/zero', 'exec'), {})")
        self.assertNotIn("lines", e["frames"][-1])

    def test_endless_recursion_is_cut(self) -> None:
        e = self.run_file("def f():\n    f()\n", "f")
        self.assertEqual((e["type"], len(e["frames"])), ("RecursionError", _explain.MAX_FRAMES))

    def test_the_place_is_that_of_the_application_and_not_of_the_event_loop(self) -> None:
        e = self.run_file("import asyncio\nasyncio.new_event_loop().run_until_complete(asyncio.wait_for(asyncio.Event().wait(), 0))\n")
        self.assertEqual((e["frames"][-1]["file"], e["frames"][-1]["line"]), ("app.py", 2))


if __name__ == "__main__":
    unittest.main()
