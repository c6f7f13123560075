"""The documents as data: tables, code spans, links, and the programs that they are compared with."""
import os
import pathlib
import re
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CASEMENT_BUILD", TOP / "build"))

PROGRAMS = {
    "casement": "init/pid1/casement",
    "casementctl": "init/ctl/casementctl",
    "casement-guest": "init/guest/casement-guest",
    "casement-netfw": "netfw/casement-netfw",
    "casement-image": "image/casement-image",
}

MANUALS = {
    "casement": "casement.8",
    "casementctl": "casementctl.1",
    "casement-guest": "casement-guest.8",
    "casement-netfw": "casement-netfw.8",
    "casement-image": "casement-image.8",
}

NONE = "–"  # what a table shows where there is no default


def program(name):
    path = BUILD / PROGRAMS[name]
    if not path.exists():
        raise FileNotFoundError(f"{path}: build first, or set CASEMENT_BUILD to the directory of the build")
    return str(path)


def run(*command, environment=None, **options):
    """A command's exit code and everything that it wrote; without any CASEMENT_ variable but those given."""
    variables = {name: value for name, value in os.environ.items()
                 if not name.startswith("CASEMENT_") and name != "NOTIFY_SOCKET"}
    done = subprocess.run(command, env={**variables, **(environment or {})}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False, **options)
    return done.returncode, done.stdout


def keys():
    """(section, key) -> (type, default) as `casement --keys` has them; no default is None."""
    code, text = run(program("casement"), "--keys")
    assert code == 0, text
    found = {}
    for line in text.splitlines():
        section, key, kind, default, _ = line.split("\t")
        found[section, key] = (kind, None if default == "-" else default)
    return found


def markdown():
    """Every Markdown document of the project."""
    return [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]


def manuals():
    return sorted(path for path in (TOP / "docs").iterdir() if re.fullmatch(r".*\.[1-8]", path.name))


def read(path):
    return path.read_text(encoding="utf-8")


def without_fences(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)


def fences(text, language):
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.S | re.M)


def cells(line):
    """The cells of a table's line; \\| is a bar inside of one."""
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def tables(text):
    """Every table as (the heading above it, its head, its rows)."""
    heading, head, rows, found = "", None, [], []
    for line in without_fences(text).splitlines() + [""]:
        if line.startswith("#"):
            heading = line.lstrip("#").strip()
        if line.startswith("|"):
            if head is None:
                head = cells(line)
            elif not re.fullmatch(r"[|\s:-]+", line):
                rows.append(cells(line))
        elif head is not None:
            found.append((heading, head, rows))
            head, rows = None, []
    return found


def table(path, *head):
    """The one table of a document whose head begins like this."""
    found = [rows for _, its_head, rows in tables(read(path)) if its_head[:len(head)] == list(head)]
    assert len(found) == 1, f"{path.name}: {len(found)} tables begin with {' | '.join(head)}"
    return found[0]


def spans(text):
    """The code spans of a text."""
    return [match[1].replace("\\|", "|") for match in re.findall(r"(`+)(.+?)\1(?!`)", text)]


def span(cell):
    """What stands in a cell that is one code span."""
    match = re.fullmatch(r"`([^`]+)`", cell)
    assert match, f"not a code span: {cell!r}"
    return match[1]


def anchors(text):
    """The anchors of a document's headings, as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#+ +(.*)$", without_fences(text), re.M):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading.replace("`", "")).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-"))
    return found
