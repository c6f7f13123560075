"""The messages that the C sources can give, read from the sources themselves.

No C parser: a tokenizer, balanced parentheses and a list of the functions that tell people something. A function that takes a
printf format and is in neither list of this file is found by test_messages.py, so that a new way to say something cannot
slip through.
"""
import pathlib
import re

TOP = pathlib.Path(__file__).resolve().parents[2]
DIRECTORIES = ("init", "netfw", "lib", "image")

# Where the text of a message is: the number of the argument, and what the function itself puts around it.
REPORTERS = {
    "log_error": (0, "", ""),
    "log_warning": (0, "", ""),
    "failure_set": (3, "", ""),
    "refuse": (2, "%s %s (%s) ", ""),
    "config_complain": (1, "", ""),
    "complain_service": (3, "%s: ", ""),
    "complain_install": (2, "%s: ", ""),
    "complain_need": (2, "%s: %s is not installed without ", ""),
    "refuse_value": (3, '[guest] %s: "%s" ', ""),
    "refuse_password": (1, "%s ([guest] password-file): ", ""),
    "complain_device": (3, "%s: ", ""),
    "mistake": (1, "line %u: ", ""),
    "explain_words": (1, "", ""),
    "fail": (2, "%s: ", ""),
    "portlist_mistake": (2, 'entry %zu, "%s": ', ""),
    "give_up": (2, "%s: %s in it ", ""),
    "netfw_fail": (3, "", ""),
    "netfw_fail_forward": (3, "", ""),
    "netfw_fail_system": (2, "", ": %s"),
    "send_request": (4, "", " %s: %s"),
    "change_address": (3, "", " %s: %s"),
    "judge": (3, "", ""),
    "judge_because": (3, "", ""),
    "keeper_end": (2, "", ""),
    "keeper_not_saved": (1, "", ""),
    "keeper_not_frozen": (1, "", ""),
}

# They take a format, too, but what they write is no error: data, a state for the log's reader, files.
OTHER_FORMATS = {"log_message", "log_info", "log_debug", "add", "fill", "say"}

# snprintf() into one of these makes a message, or the part of one that has the words; and what comes behind it.
MESSAGE_BUFFERS = {"problem": "", "refusal": "", "reason": "", "text": "", "ret_text": "", "ret_reason": "", "action": " %s: %s"}

# Sentences without their beginning: "…: "VALUE" is not a number". They are returned or assigned, not passed.
FRAGMENTS = {
    "lib/value.c": "return",
    "lib/probe_choice.c": "return",
    "lib/processors.c": "return",
    "lib/size_choice.c": "return",
    "lib/rlimits.c": "return",
    "lib/config_values.c": "return",
    "lib/image.c": "any",
    "image/medium.c": "return",
    "image/member.c": "return",
    "init/guest/frozen.c": "any",
    "init/guest/keeper_freeze.c": "return",
    "init/guest/state.c": "return",
    "init/pid1/supervisor.c": "return",
}

TOKEN = re.compile(r"""
    (?P<comment>/\*.*?\*/|//[^\n]*)
  | (?P<directive>^[ \t]*\#(?:[^\n\\]|\\.|\\\n)*)
  | (?P<string>"(?:[^"\\\n]|\\.)*")
  | (?P<char>'(?:[^'\\\n]|\\.)*')
  | (?P<name>[A-Za-z_]\w*)
  | (?P<number>\d\w*)
  | (?P<other>\S)
""", re.X | re.S | re.M)

# Adjacent ones are one value: "%s%s%s".
CONVERSION = re.compile(r"(?:%[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+))?(?:hh|h|ll|l|z|j|t)?[a-zA-Z])+")

ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "0": "\0", "r": "\r", "'": "'", "v": "\v", "f": "\f"}


def unescape(literal):
    return re.sub(r"\\(x[0-9a-fA-F]+|.)", lambda m: ESCAPES.get(m[1], "?"), literal[1:-1])


class Token:
    def __init__(self, kind, text, line):
        self.kind, self.text, self.line = kind, text, line


class Source:
    """One file as tokens; macros that stand for a string are strings."""

    def __init__(self, path):
        self.path = path
        self.name = str(path.relative_to(TOP))
        text = path.read_text(encoding="utf-8")
        self.directives = []
        self.tokens = []
        self.macros = {}
        for match in TOKEN.finditer(text):
            kind = match.lastgroup
            line = text.count("\n", 0, match.start()) + 1
            if kind == "directive":
                self.add_macro(match[0])
            elif kind == "string":
                self.tokens.append(Token("string", unescape(match[0]), line))
            elif kind != "comment":
                self.tokens.append(Token(kind, match[0], line))

    def add_macro(self, directive):
        self.directives.append(directive)
        match = re.match(r'\s*#\s*define\s+([A-Za-z_]\w*)[ \t]+((?:[A-Z_]+[ \t]+)?(?:"(?:[^"\\]|\\.)*"\s*)+)(?:/\*.*)?$', directive, re.S)
        if match:
            self.macros[match[1]] = "".join(unescape(part) for part in re.findall(r'"(?:[^"\\]|\\.)*"', match[2]))

    def arguments(self, start):
        """The arguments of the call whose opening parenthesis is tokens[start], each a list of tokens; and where it ends."""
        depth, arguments, current = 0, [], []
        for at in range(start, len(self.tokens)):
            token = self.tokens[at]
            if token.text in "([{" and token.kind == "other":
                depth += 1
                if depth == 1:
                    continue
            elif token.text in ")]}" and token.kind == "other":
                depth -= 1
                if depth == 0:
                    arguments.append(current)
                    return arguments, at
            elif token.text == "," and token.kind == "other" and depth == 1:
                arguments.append(current)
                current = []
                continue
            current.append(token)
        return arguments, len(self.tokens)

    def calls(self):
        for at, token in enumerate(self.tokens[:-1]):
            following = self.tokens[at + 1]
            if token.kind == "name" and following.text == "(" and following.kind == "other":
                yield token, self.arguments(at + 1)[0]

    def literals(self, tokens, macros):
        """The strings among the tokens, adjacent ones joined: `a ? "x" : "y" "z"` has two."""
        found, current = [], None
        for token in tokens:
            text = None
            if token.kind == "string":
                text = token.text
            elif token.kind == "name":
                text = self.macros.get(token.text, macros.get(token.text))
            if text is not None:
                current = (current or "") + text
            elif token.kind == "name" and token.text.startswith("PRI") and current is not None:
                current += "d"
            elif current is not None:
                found.append(current)
                current = None
        if current is not None:
            found.append(current)
        return found


class Message:
    """A format with everything that is always said around it."""

    def __init__(self, source, line, text):
        self.file = source.name
        self.place = f"{source.name}:{line}"
        self.text = " ".join(text.split())

    def pattern(self, value):
        """What matches this message, with @value for each of its values. The beginning of a sentence may stand before it."""
        parts = CONVERSION.split(self.text.replace("%%", "\0"))
        body = value.join(re.escape(part) for part in parts).replace("\0", "%")
        rest = ".*" if self.text.endswith(":") else ""
        return re.compile(r"(?:.*(?:: |\) |\" |, ))?" + body.replace(r"\ ", " ").strip() + rest)

    @property
    def loose(self):
        """Matches the message with any values, as it may be seen in a log."""
        return self.pattern("(?:.*?)")

    @property
    def strict(self):
        """Matches the message with PLACEHOLDERS for its values, as docs/messages.md shows it.

        One that says little by itself has nothing else for its values: "%s is %s" would match every sentence.
        """
        return self.loose if self.is_specific else self.pattern(r"(?:[A-Z][A-Z0-9_.:/-]*(?: [A-Z][A-Z0-9_.:/-]*)*)?")

    @property
    def is_specific(self):
        """Does it say enough by itself that a text which matches it must be meant to?"""
        return len(re.findall(r"[A-Za-z]{2,}", CONVERSION.sub("", self.text))) >= 3

    @property
    def has_words(self):
        """Does it say anything by itself? "%s: %s" does not."""
        return re.search(r"[A-Za-z]{2}", CONVERSION.sub("", self.text)) is not None


def sources():
    for directory in DIRECTORIES:
        for path in sorted((TOP / directory).rglob("*.[ch]")):
            yield Source(path)


def takers_of_formats(all_sources):
    """Every function that is declared to take a printf format."""
    names = set()
    for source in all_sources:
        text = source.path.read_text(encoding="utf-8")
        for match in re.finditer(r"\b([A-Za-z_]\w*)\((?:[^()]|\([^()]*\))*\)\s*(?:PRINTF_LIKE\(|__attribute__\(\(format\()", text):
            names.add(match[1])
    return names - {"PRINTF_LIKE"}


def fragments(source, macros):
    """Reasons that a function returns as the end of a sentence."""
    kind = FRAGMENTS[source.name]
    for at, token in enumerate(source.tokens):
        begins = token.text in (("return",) if kind == "return" else ("return", "=", ":", ","))
        if not begins or at + 1 == len(source.tokens):
            continue
        end, depth = at + 1, 0
        while end < len(source.tokens) and (depth > 0 or source.tokens[end].text not in (";", ",", "}", ")")):
            depth += {"(": 1, ")": -1}.get(source.tokens[end].text, 0) if source.tokens[end].kind == "other" else 0
            end += 1
        for text in source.literals(source.tokens[at + 1:end], macros):
            if is_sentence(text):
                yield Message(source, token.line, text)


def is_sentence(text):
    """Is this the end of a sentence about a value or a file, "is …" or "has …", or anything else that has several words?"""
    return re.match(r"[a-zA-Z\"'%]", text) is not None and len(re.findall(r"[A-Za-z]{2,}", text)) >= 2


def initializers(source, macros):
    """char text[512] = "these services wait for each other:" """
    for at, token in enumerate(source.tokens):
        if token.kind == "name" and token.text in MESSAGE_BUFFERS and source.tokens[at + 1].text == "[":
            is_string = [other.text for other in source.tokens[at + 3:at + 5]] == ["]", "="]
            for text in source.literals(source.tokens[at + 5:at + 6], macros) if is_string else []:
                if is_sentence(text):
                    yield Message(source, token.line, text)


def messages():
    """Every message of the programs, as a list."""
    all_sources = list(sources())
    macros = {}
    for source in all_sources:
        if source.name.endswith(".h"):
            macros.update(source.macros)
    found = []
    for source in all_sources:
        for token, arguments in source.calls():
            place, before, after = REPORTERS.get(token.text, (None, "", ""))
            if token.text == "snprintf" and len(arguments) > 2:
                names = [t.text for t in arguments[0] if t.kind == "name"]
                buffer = next((name for name in names if name in MESSAGE_BUFFERS), None)
                place, after = (2, MESSAGE_BUFFERS[buffer]) if buffer else (None, "")
            elif token.text == "fprintf" and [t.text for t in arguments[0]] == ["stderr"]:
                place = 1
            if place is None or place >= len(arguments):
                continue
            texts = source.literals(arguments[place], macros)
            if not any(Message(source, token.line, text).has_words for text in texts):
                # "%s%s" says nothing; what is put into it may.
                rest = [text for argument in arguments[place + 1:] for text in source.literals(argument, macros)]
                texts += [text for text in rest if is_sentence(text)]
            for text in texts:
                if Message(source, token.line, text).has_words:
                    found.append(Message(source, token.line, before + text + after))
        found += initializers(source, macros)
        if source.name in FRAGMENTS:
            found += fragments(source, macros)
    unique = {}
    for message in found:
        unique.setdefault((message.file, message.text), message)
    return list(unique.values())


if __name__ == "__main__":
    for one in messages():
        print(f"{one.place}: {one.text}")
