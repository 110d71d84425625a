"""Checks the source against the house's rules: python3 tidy.py [ROOT]. Silence and 0, or one line
for each finding and 1.
"""

import fnmatch
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import rules  # noqa: E402

FOLDERS = ["worker", *rules.SERVICES]
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)
# A comment, a string or a character: what may hold anything.
OPAQUE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def matches(path, patterns):
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def stem_of(path):
    return pathlib.PurePosixPath(path).stem


def blank_opaque(source):
    """Comments and strings gone, every line still where it was."""
    return OPAQUE.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), source)


def line_of(source, at):
    return source.count("\n", 0, at) + 1


def layer_of(path):
    """The index in LAYERS, or None for a path outside of them."""
    parts = path.split("/")
    if parts[0] in rules.SERVICES:
        name = "service"
    elif parts[:2] == ["worker", "base"]:
        name = "core" if stem_of(path) in rules.CORE else "base"
    elif parts[:2] == ["worker", "model"]:
        name = "model"
    elif parts[0] == "worker":
        name = "pipeline" if stem_of(path) in rules.PIPELINE else "commands"
    else:
        return None
    return rules.LAYERS.index(name)


def has_pipeline(path):
    stem = stem_of(path)
    return not {stem, stem.split("_")[0]}.isdisjoint(rules.COMMANDS_WITH_PIPELINE)


def fault_of_ours(path, header):
    """Why path may not include our header, or None."""
    own, other = layer_of(path), layer_of(header)
    names = rules.LAYERS
    folder, foreign = path.split("/")[0], header.split("/")[0]
    if other is None:
        return f"{header} is outside of the layers"
    if other > own:
        return f"{names[own]} may not include {names[other]} ({header})"
    is_helper = folder == "extract" and stem_of(path) in rules.HELPER
    is_light = names[other] == "core" or foreign == "extract" or header in rules.HELPER_ALSO
    if is_helper and not is_light:
        return f"the sandboxed helper may include core only, not {header}"
    if foreign in rules.SERVICES and foreign != folder and matches(header, rules.PRIVATE_HEADERS):
        return f"{header} is private to {foreign}/"
    if foreign not in rules.SERVICES:
        if names[own] == "commands" and names[other] == "pipeline" and not has_pipeline(path):
            return f"a command without a pipeline may not include {header}"
        return None
    if names[own] == "service" and foreign != folder:
        return f"services may not include each other ({header})"
    if names[own] == "pipeline" and foreign not in rules.PIPELINE[stem_of(path)]:
        return f"this file of the pipeline may not see {foreign}/ (rules.PIPELINE)"
    return None


def fault_of_system(path, header):
    for pattern, owners in rules.VENDORS.items():
        if fnmatch.fnmatchcase(header, pattern):
            if path.endswith(".h"):
                return f"a header of ours may not include <{header}>"
            return None if matches(path, owners) else f"<{header}> belongs to {' '.join(owners)}"
    return None if matches(header, rules.SYSTEM) else f"<{header}> is in no table (rules.VENDORS)"


def check_includes(path, source):
    for found in INCLUDE.finditer(source):
        kind, header = found.groups()
        fault = fault_of_ours(path, header) if kind == '"' else fault_of_system(path, header)
        if fault:
            yield line_of(source, found.start()), fault


def may_call(path, function):
    return any(
        matches(path, files) and function in functions.split()
        for files, functions, _ in rules.MAY_CALL
    )


def calls_of(code, functions):
    """(line, function) of each plain call; a member of that name is somebody else's."""
    names = "|".join(functions.split())
    for found in re.finditer(rf"(?<![\w.])(?<!->)({names})\s*\(", code):
        yield line_of(code, found.start()), found.group(1)


def check_calls(path, source):
    code = blank_opaque(source)
    for functions, instead in rules.BANNED.items():
        for line, function in calls_of(code, functions):
            if not may_call(path, function):
                yield line, f"{function}() is banned outside worker/base/: {instead}"
    for function, callers in rules.TENANT_CALLS.items():
        for line, _ in calls_of(code, function):
            if not path.startswith("worker/model/") and not matches(path, callers):
                yield line, f"{function}() makes tenants in {' '.join(callers)} only"


def check_sizes(path, source):
    lines = source.splitlines()
    lines_max = max(rules.LINES_MAX[path[-2:]], rules.LARGER.get(path, 0))
    if len(lines) > lines_max:
        yield len(lines), f"{len(lines)} lines, {lines_max} are allowed"
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            if number - start - 1 > rules.FUNCTION_LINES_MAX:
                yield start, f"a function of {number - start - 1} lines"
            start = None


def check_words(_path, source):
    for found in re.finditer(r"\b(TODO|FIXME|XXX|HACK)\b", source):
        yield line_of(source, found.start()), f"{found.group()}: finish it, or write down the limit"


def check_file(path, source):
    checks = [check_includes, check_calls, check_sizes, check_words]
    if path.endswith(".h"):
        checks.remove(check_calls)  # declarations look like calls
    return [
        f"{path}:{line}: {fault}"
        for check in checks
        for line, fault in sorted(check(path, source))
    ]


def check_tests(path, source):
    return [f"{path}:{line}: {fault}" for line, fault in check_sizes(path, source)]


def check_metrics(root):
    """A metric that nobody sets would be exported as 0 for ever."""
    table = root / "worker/base/metrics.def"
    names = re.findall(r"^X\(\w+, (\w+),", table.read_text(), re.M) if table.exists() else []
    code = "".join(
        path.read_text()
        for folder in ("worker", "queue", "extract", "chunker", "embed", "store")
        for path in sorted((root / folder).rglob("*.c"))
    )
    return [
        f"worker/base/metrics.def: {name} is never set"
        for name in names
        if not re.search(rf"\bMETRIC_{name}\b", code)
    ]


def check_tree(root):
    findings = []
    for folder in [*FOLDERS, "tests"]:
        check = check_tests if folder == "tests" else check_file
        for file in sorted((root / folder).rglob("*.[ch]")):
            findings += check(file.relative_to(root).as_posix(), file.read_text())
    return findings


def main():
    here = pathlib.Path(__file__).resolve()
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here.parents[2]
    findings = check_tree(root) + check_metrics(root)
    print("\n".join(findings) or "tidy: nothing found")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
