"""The member paths of JSON answers, with the types of their values."""
import re

# Objects whose members' names are data (channels, protocols, drop reasons), not words of these answers: their members are one, `*`.
KEYED = re.compile(r"\.(figures|viewers|sessions|sessions\.\*|drops)$")


def kind_of(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return {str: "string", list: "list", dict: "object"}[type(value)]


def members(value, path, found):
    """Adds {path: {types}} of the value and all within."""
    found.setdefault(path, set()).add(kind_of(value))
    if isinstance(value, dict):
        for name, inner in value.items():
            members(inner, f"{path}.*" if KEYED.search(path) else f"{path}.{name}", found)
    elif isinstance(value, list):
        for inner in value:
            members(inner, f"{path}[]", found)


def write(golden):
    return "".join(f"{path}{'?' if optional else ''}: {' '.join(sorted(types))}\n" for path, (types, optional) in sorted(golden.items()))


def read(text):
    """{path: (types, optional)}; a ? behind the path: not in every answer."""
    golden = {}
    for line in text.splitlines():
        path, types = line.split(": ", 1)
        golden[path.removesuffix("?")] = (set(types.split()), path.endswith("?"))
    return golden


def merged(golden, found):
    """With what is new; what was not there this time is optional."""
    result = {path: (types, path not in golden and bool(golden)) for path, types in found.items()}
    for path, (types, optional) in golden.items():
        result[path] = (types | found.get(path, set()), optional or path not in found)
    return result
