"""The table of widget keys, `docs/widget_keys.md`, read from the source: `python -m tests.support.widget_keys --write`.

Every `key` that a page gives to Streamlit, or to a function of `pages`, is followed through the functions it is passed
to. What is only known at run time is written in capitals: `gallery_open_NAME`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path

from streamlit.testing.v1 import AppTest

from pages.components.address import PARAMETERS

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "widget_keys.md"
_HEAD = """# Widget keys

Written by `python -m tests.support.widget_keys --write`; `tests/pages/test_widget_keys.py` fails if it is out of date.

Each widget, chart and container that a test or a script may look for has a fixed key. Words in capitals stand for what
is known at run time only: the name of a checkpoint, the number of a column. The parameters of a page's address are in
`pages/components/address.py`.

| page | parameters of its address | keys |
|---|---|---|
"""


@dataclass(frozen=True)
class _Parameter:
    """A part of a key that the caller of a function decides."""

    name: str


_Key = tuple[str | _Parameter, ...]


@dataclass
class _Function:
    module: str
    parameters: list[str]
    defaults: dict[str, ast.expr]
    body: list[ast.stmt]
    keys: set[_Key] = field(default_factory=set)


class _Module:
    """A module's functions by name, its own body included as "", and what its imported names mean."""

    def __init__(self, path: Path) -> None:
        self.name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        self.imports: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                self.imports |= {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
        self.constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        rest = [node for node in tree.body if not isinstance(node, ast.FunctionDef)]
        self.functions = {"": _Function(self.name, [], {}, rest)}
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                arguments = node.args
                names = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
                positional = names[: len(arguments.posonlyargs) + len(arguments.args)]
                pairs = [
                    *zip(reversed(positional), reversed(arguments.defaults), strict=False),
                    *zip((one.arg for one in arguments.kwonlyargs), arguments.kw_defaults, strict=True),
                ]
                defaults = {name: value for name, value in pairs if value is not None}
                self.functions[node.name] = _Function(self.name, names, defaults, node.body)


def table() -> str:
    """The Markdown of `docs/widget_keys.md`."""
    keys = page_keys()
    rows = []
    for page, parameters in PARAMETERS.items():
        address = ", ".join(f"`?{name}=`" for name in parameters)
        shown = ", ".join(f"`{key}`" for key in keys[page])
        rows.append(f"| `/{'' if page == 'gallery' else page}` | {address or 'none'} | {shown} |\n")
    return _HEAD + "".join(rows)


def unlisted_keys(app: AppTest) -> set[str]:
    """The keys of a running page that the table does not have."""
    keys = {element.key for element in app.main if isinstance(getattr(element, "key", None), str)}
    return {key for key in keys if not _patterns().fullmatch(key)}


@cache
def _patterns() -> re.Pattern[str]:
    keys = (key for keys in page_keys().values() for key in keys)
    return re.compile("|".join(re.sub(r"(?<=_)[A-Z_]+(?=_|$)", ".+", key) for key in keys))


@cache
def page_keys() -> dict[str, list[str]]:
    """The keys by page, which is the first word of a key."""
    modules = {module.name: module for module in map(_Module, sorted((ROOT / "pages").rglob("*.py")))}
    functions = {
        f"{module.name}.{name}": function for module in modules.values() for name, function in module.functions.items()
    }
    called: set[str] = set()
    while True:
        before = sum(len(function.keys) for function in functions.values())
        for function in functions.values():
            for name, keys in _keys_in(function, modules[function.module], functions):
                called.add(name)
                function.keys |= keys
        if sum(len(function.keys) for function in functions.values()) == before:
            break
    found: dict[str, set[str]] = {page: set() for page in PARAMETERS}
    for name, function in functions.items():
        for key in function.keys:
            if name in called and any(isinstance(part, _Parameter) for part in key):
                continue  # its callers say what the parameter is
            text = "".join(part if isinstance(part, str) else part.name.upper() for part in key)
            page = text.partition("_")[0]
            if page in found and re.fullmatch(r"\w+", text):
                found[page].add(text)
    return {page: sorted(keys) for page, keys in found.items()}


def _keys_in(function: _Function, module: _Module, functions: dict[str, _Function]) -> Iterator[tuple[str, set[_Key]]]:
    """For each call in a function: the name of the called one, and the keys that the call decides."""
    for node in (node for statement in function.body for node in ast.walk(statement)):
        if isinstance(node, ast.Dict):  # settings that several widgets share
            pairs = zip(node.keys, node.values, strict=True)
            values = [value for name, value in pairs if isinstance(name, ast.Constant) and name.value == "key"]
            yield "", {key for value in values for key in _resolved(value, function, module, functions)}
        if not isinstance(node, ast.Call):
            continue
        name = _called_name(node, module)
        callee = functions.get(name)
        if callee is None:
            values = [keyword.value for keyword in node.keywords if keyword.arg == "key"]
            yield name, {key for value in values for key in _resolved(value, function, module, functions)}
            continue
        arguments = dict(zip(callee.parameters, node.args, strict=False))
        arguments |= {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        yield (
            name,
            {key for one in callee.keys for key in _substituted(one, arguments, callee, function, module, functions)},
        )


def _called_name(node: ast.Call, module: _Module) -> str:
    """The full name of what a call calls, or "" if it is no function of `pages`. A fragment calls what it wraps."""
    called = node.func
    if isinstance(called, ast.Call) and ast.unparse(called.func) == "st.fragment":
        called = called.args[0]
    if isinstance(called, ast.Name):
        return module.imports.get(called.id, f"{module.name}.{called.id}")
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        return f"{module.imports.get(called.value.id, '')}.{called.attr}"
    return ""


def _substituted(
    key: _Key,
    arguments: dict[str, ast.expr],
    callee: _Function,
    function: _Function,
    module: _Module,
    functions: dict[str, _Function],
) -> set[_Key]:
    """A callee's key with its parameters replaced by what the caller passes."""
    choices: list[list[_Key]] = []
    for part in key:
        if isinstance(part, str):
            choices.append([(part,)])
        elif part.name in arguments:
            choices.append(_resolved(arguments[part.name], function, module, functions))
        elif part.name in callee.defaults:
            choices.append(_resolved(callee.defaults[part.name], callee, module, functions))
        else:
            choices.append([(part.name.upper(),)])
    return {_joined(parts) for parts in product(*choices)}


def _resolved(
    value: ast.expr, function: _Function, module: _Module, functions: dict[str, _Function], *, by_name: bool = False
) -> list[_Key]:
    """What an expression may be as a key, or as a part of one; `by_name`: it was assigned to a name."""
    if isinstance(value, ast.Constant):
        return [(str(value.value),)] if isinstance(value.value, str) else [(_placeholder(value),)]
    if isinstance(value, ast.JoinedStr):
        parts = [
            _resolved(part.value if isinstance(part, ast.FormattedValue) else part, function, module, functions)
            for part in value.values
        ]
        return [_joined(chosen) for chosen in product(*parts)]
    if isinstance(value, ast.IfExp):
        branches = (value.body, value.orelse)
        return [key for branch in branches for key in _resolved(branch, function, module, functions)]
    if isinstance(value, ast.Name):
        expressions = _bound(value.id, function, module)
        if bound := [key for one in expressions for key in _resolved(one, function, module, functions, by_name=True)]:
            return bound
        if value.id in function.parameters:
            return [(_Parameter(value.id),)]
    if isinstance(value, ast.Call):
        callee = functions.get(_called_name(value, module))
        returned = [node.value for node in callee.body if isinstance(node, ast.Return)] if callee else []
        if callee and len(returned) == len(callee.body) == 1 and isinstance(returned[0], ast.JoinedStr):
            arguments = dict(zip(callee.parameters, value.args, strict=False))
            inner = _resolved(returned[0], callee, module, functions)
            return [key for one in inner for key in _substituted(one, arguments, callee, function, module, functions)]
        if by_name:
            return []  # the name says more than the call
    return [(_placeholder(value),)]


def _bound(name: str, function: _Function, module: _Module) -> Iterator[ast.expr]:
    """What a name is assigned to in a function, or takes from a tuple that a loop goes through."""
    for node in (node for statement in function.body for node in ast.walk(statement)):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _matching(target, node.value, name)
        elif isinstance(node, ast.For | ast.comprehension):
            pairs = [(node.target, node.iter)]
            if isinstance(node.iter, ast.Call) and ast.unparse(node.iter.func) == "zip":
                targets = node.target.elts if isinstance(node.target, ast.Tuple) else []
                pairs = list(zip(targets, node.iter.args, strict=False))
            for target, source in pairs:
                if isinstance(source, ast.Name):
                    source = module.constants.get(source.id, source)
                for element in source.elts if isinstance(source, ast.Tuple) else ():
                    yield from _matching(target, element, name)


def _matching(target: ast.expr, value: ast.expr, name: str) -> Iterator[ast.expr]:
    """The parts of `value` that an assignment to `target` binds to `name`."""
    if isinstance(value, ast.IfExp):
        yield from _matching(target, value.body, name)
        yield from _matching(target, value.orelse, name)
    if (
        isinstance(target, ast.Name)
        and target.id == name
        and isinstance(value, ast.Constant | ast.JoinedStr | ast.Call)
    ):
        yield value
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, element in zip(target.elts, value.elts, strict=False):
            yield from _matching(one, element, name)


def _placeholder(value: ast.expr) -> str:
    """The last name in an expression, in capitals."""
    names = re.findall(r"[A-Za-z]\w*", ast.unparse(value))
    return (names[-1] if names else "N").upper()


def _joined(parts: tuple[_Key, ...]) -> _Key:
    """One key of several parts, with neighbouring texts made one."""
    key: list[str | _Parameter] = []
    for part in (part for parts_of in parts for part in parts_of):
        if isinstance(part, str) and key and isinstance(key[-1], str):
            key[-1] += part
        else:
            key.append(part)
    return tuple(key)


if __name__ == "__main__":
    if "--write" in sys.argv:
        TABLE.write_text(table(), encoding="utf-8")
    else:
        sys.stdout.write(table())
