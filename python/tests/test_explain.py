import os
import sys
import tempfile
import unittest

from asgibox import _explain


class ExplainTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.realpath(folder.name)

    def run_file(self, text: str, call: str = "") -> dict:
        path = os.path.join(self.folder, "app.py")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        names: dict = {}
        try:
            exec(compile(text, path, "exec"), names)
            if call:
                names[call]()
        except BaseException as error:
            return _explain.explain(error, self.folder)
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

    def test_endless_recursion_is_cut(self) -> None:
        e = self.run_file("def f():\n    f()\n", "f")
        self.assertEqual((e["type"], len(e["frames"])), ("RecursionError", _explain.MAX_FRAMES))

    def test_the_place_is_that_of_the_application_and_not_of_the_event_loop(self) -> None:
        e = self.run_file("import asyncio\nasyncio.new_event_loop().run_until_complete(asyncio.wait_for(asyncio.Event().wait(), 0))\n")
        self.assertEqual((e["frames"][-1]["file"], e["frames"][-1]["line"]), ("app.py", 2))


if __name__ == "__main__":
    unittest.main()
