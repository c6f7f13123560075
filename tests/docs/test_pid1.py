"""docs/pid1.md has the limits, the table of states and events, and the signals as the code has them."""
import ast
import operator
import re
import signal
import unittest

import csource
import documents

PAGE = documents.TOP / "docs/pid1.md"


def evaluate(text):
    """The value of a constant expression of numbers, * and +."""
    operators = {ast.Mult: operator.mul, ast.Add: operator.add, ast.LShift: operator.lshift}

    def value(node):
        if isinstance(node, ast.BinOp):
            return operators[type(node.op)](value(node.left), value(node.right))
        return node.value

    return value(ast.parse(text, mode="eval").body)


def constants():
    """Every named number of PID 1 and of the configuration's limits."""
    found = {}
    for source in csource.sources():
        if not source.name.startswith(("init/pid1/", "lib/config.h")):
            continue
        for directive in source.directives:
            plain = re.sub(r"\(size_t\)|(?<=\d)U", "", directive)
            match = re.match(r"#define ([A-Z][A-Z0-9_]*) +([0-9(][0-9 *+()<]*)(?:/\*.*)?$", plain)
            if match and not match[1].startswith("SO_"):  # that is the kernel's
                found[match[1]] = evaluate(match[2].strip())
    return found


class LimitsTest(unittest.TestCase):
    def test_limits(self):
        documented = {documents.span(name): int(value)
                      for name, value, _ in documents.table(PAGE, "limit", "value")}
        self.assertGreater(len(documented), 10)
        self.assertEqual(documented, constants())


class ActionsTest(unittest.TestCase):
    """The table of actions in service.c, and the one in the document."""

    @staticmethod
    def in_code():
        text = documents.read(documents.TOP / "init/pid1/service.c")
        body = re.search(r"actions\[N_SERVICE_STATES\]\[N_SERVICE_EVENTS\] = \{(.*?)\n\};", text, re.S)[1]
        events = re.search(r"/\*(.*?)\*/", body, re.S)[1].split()
        return {state: dict(zip(events, [name.strip() for name in actions.split(",")], strict=True))
                for state, actions in re.findall(r"\[SERVICE_(\w+)\]\s*=\s*\{(.*?)\}", body)}

    def test_actions(self):
        code = self.in_code()
        self.assertGreater(len(code), 5)
        _, head, rows = next(table for table in documents.tables(documents.read(PAGE)) if table[1][1:2] == ["`START`"])
        events = [documents.span(cell) for cell in head[1:]]
        documented = {documents.span(row[0]): {event: documents.span(cell) if cell else "ignore"
                                              for event, cell in zip(events, row[1:], strict=True)} for row in rows}
        self.assertEqual(documented, code)

    def test_states(self):
        """The names that the status gives to the states, in the order of the enum."""
        text = documents.read(documents.TOP / "init/pid1/service.c")
        names = re.findall(r'"(\w+)"', re.search(r"service_state_name.*?names\[\] = \{(.*?)\};", text, re.S)[1])
        header = documents.read(documents.TOP / "init/pid1/service.h")
        states = re.findall(r"^\tSERVICE_(\w+),", re.search(r"enum service_state \{(.*?)N_SERVICE", header, re.S)[1], re.M)
        documented = [(documents.span(row[0]), documents.span(row[1]))
                      for row in documents.table(PAGE, "state", "in the status")]
        self.assertEqual(documented, list(zip(states, names, strict=True)))


class SignalsTest(unittest.TestCase):
    def named(self):
        """The signals that the document's first table names, row by row."""
        rows = documents.table(PAGE, "signal", "what PID 1 does")
        self.assertEqual(rows[-1][0], "every other signal")
        return [documents.spans(row[0]) for row in rows[:-1]]

    def test_every_signal_that_the_code_names_is_in_the_table(self):
        text = documents.read(documents.TOP / "init/pid1/loop.c")
        body = text[text.index("void loop_signals"):text.index("static int control")] + \
            text[text.index("static bool take_signal("):text.index("static bool take_signals(")]
        used = {name for name in re.findall(r"\bSIG[A-Z0-9]+\b", body) if name != "SIGRTMIN"} | {"SIGRTMIN+3"}
        self.assertEqual({name for row in self.named() for name in row}, used)

    def test_faults_are_those_that_are_left_unblocked(self):
        text = documents.read(documents.TOP / "init/pid1/loop.c")
        faults = re.findall(r"SIG[A-Z]+", re.search(r"faults\[\] = \{(.*?)\}", text)[1])
        self.assertIn(faults, self.named())
        for name in faults:
            self.assertTrue(hasattr(signal, name), name)


if __name__ == "__main__":
    unittest.main()
