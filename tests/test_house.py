"""Rules of the house, so that a stranger finds what is looked for: sizes, names, reasons, the map, and imports."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "gossipw2v"
MAP = (PACKAGE / "README.md").read_text("utf-8")
MODULES = {
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.glob("**/*.py"))
}
IDEAS = {name: path for name, path in MODULES.items() if path.name not in {"__init__.py", "__main__.py"}}
FOLDERS = sorted({path.parent for path in IDEAS.values()} - {PACKAGE})

MOST_MODULES = 12  # of a folder
MOST_METHODS, MOST_FIELDS = 20, 15  # of a class
MOST_LINES = 450  # of a module; the aim is 150 to 300
MOST_MAP_LINES = 250
MOST_FLOORS = 8  # of folders
LONGEST_WALKS = {"A delta": 13, "A token": 16}  # modules


@cache
def parsed(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text("utf-8"))


def classes() -> Iterator[tuple[str, ast.ClassDef]]:
    for name in MODULES:
        yield from ((name, node) for node in ast.walk(parsed(name)) if isinstance(node, ast.ClassDef))


@cache
def imports(name: str) -> frozenset[str]:
    """The modules of this package that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(parsed(name)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("gossipw2v"):
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inner or {node.module}
    return frozenset(found - {"gossipw2v"})


# -- sizes --------------------------------------------------------------------------------------------------


def test_a_folder_holds_at_most_a_dozen_modules() -> None:
    sizes = Counter(path.parent for path in IDEAS.values())
    assert not {str(folder): size for folder, size in sizes.items() if size > MOST_MODULES}


def test_a_module_has_one_idea() -> None:
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in MODULES.items()}
    assert not {name: count for name, count in lines.items() if count > MOST_LINES}


def test_a_class_has_at_most_twenty_methods_and_fifteen_fields() -> None:
    large = {}
    for module, node in classes():
        methods = sum(isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) for item in node.body)
        fields = len(fields_of(node))
        if methods > MOST_METHODS or (fields > MOST_FIELDS and not is_a_table(node)):
            large[f"{module}.{node.name}"] = (methods, fields)
    assert not large


def fields_of(node: ast.ClassDef) -> set[str]:
    """Fields that the class declares, and attributes that its methods set on `self`."""
    annotated = [item for item in node.body if isinstance(item, ast.AnnAssign) and is_name(item.target)]
    declared = {item.target.id for item in annotated if "InitVar" not in ast.unparse(item.annotation)}
    for item in ast.walk(node):
        targets = item.targets if isinstance(item, ast.Assign) else [getattr(item, "target", None)]
        for target in targets:
            if isinstance(target, ast.Attribute) and is_name(target.value) and target.value.id == "self":
                declared.add(target.attr)
    return declared


def is_name(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Name)


def is_a_table(node: ast.ClassDef) -> bool:
    """A record that only names what is handed on together: an enum, a tuple with names, the settings."""
    bases = {ast.unparse(base) for base in node.bases}
    return bool(bases & {"NamedTuple", "Enum", "IntEnum", "StrEnum"}) or node.name in {"Config", "Job"}


# -- names --------------------------------------------------------------------------------------------------


def test_a_class_name_exists_once() -> None:
    where = defaultdict(list)
    for module, node in classes():
        where[node.name].append(module)
    assert not {name: modules for name, modules in where.items() if len(modules) > 1}


def test_gossip_inherits_nothing_from_its_own_modules() -> None:
    """Objects are composed: what a class can do stands in one file."""
    inherited = {}
    for module, node in classes():
        if module.startswith("gossipw2v.gossip"):
            taken = {
                alias.name
                for item in ast.walk(parsed(module))
                if isinstance(item, ast.ImportFrom) and (item.module or "").startswith("gossipw2v")
                for alias in item.names
            }
            if found := taken & {ast.unparse(base).split("[")[0] for base in node.bases}:
                inherited[f"{module}.{node.name}"] = found
    assert not inherited


def glossary() -> dict[str, set[str]]:
    """The words of the glossary in the map, each with those that are not used for the same thing."""
    _, _, text = MAP.partition("## Glossary")
    rows = re.findall(r"^\| \*\*([\w -]+)\*\* \|[^|]*\|([^|]*)\|$", text, re.MULTILINE)
    return {word: set(re.findall(r"`(\w+)`", others)) for word, others in rows}


def test_one_word_for_one_thing() -> None:
    """No class, function or module bears a word that the glossary has given up for another."""
    words = glossary()
    assert len(words) >= 15
    given_up = {other.lower(): word for word, others in words.items() for other in others}
    found = {}
    for module in MODULES:
        defined = [n.name for n in ast.walk(parsed(module)) if isinstance(n, ast.ClassDef | ast.FunctionDef)]
        for name in [*defined, module.rpartition(".")[2]]:
            parts = re.findall(r"[A-Z]?[a-z0-9]+", name)
            for part in {part.lower() for part in parts} & given_up.keys():
                found[f"{module}.{name}"] = f"{part}: the glossary says {given_up[part]}"
    assert not found


def test_every_field_of_a_state_class_says_what_it_is() -> None:
    """In gossip, where most state is: by a comment on its line or the line above, or by its name in the docstring."""
    silent = {}
    for module, node in classes():
        if module.startswith("gossipw2v.gossip") and any(is_state(d) for d in node.decorator_list):
            lines = MODULES[module].read_text("utf-8").splitlines()
            said = ast.get_docstring(node) or ""
            for item in node.body:
                if isinstance(item, ast.AnnAssign) and is_name(item.target) and not item.target.id.startswith("_"):
                    near = lines[item.lineno - 2 : item.end_lineno]
                    part = re.search(r"[A-Z]", ast.unparse(item.annotation))  # a class says what it is
                    if not part and not any("#" in line for line in near) and item.target.id not in said:
                        silent.setdefault(f"{module}.{node.name}", []).append(item.target.id)
    many = {name: fields for name, fields in silent.items() if len(fields) > 2}  # a few names say it themselves
    assert not many


def is_state(decorator: ast.expr) -> bool:
    """Whether a class changes: what is frozen is a record, which its docstring explains."""
    said = ast.unparse(decorator)
    return "dataclass" in said and "frozen=True" not in said


def test_no_sentence_begins_with_who() -> None:
    texts = {path: path.read_text("utf-8") for path in [*MODULES.values(), *PACKAGE.glob("**/*.md")]}
    found = {
        str(path.relative_to(REPOSITORY)): match[0]
        for path, text in texts.items()
        if (match := re.search(r'(?:"""|\. |# )(?:Who(?:ever)?|Lest)\b[^?\n]{0,60}$', text, re.MULTILINE))
    }
    assert not found


# -- reasons ------------------------------------------------------------------------------------------------


def test_every_exception_to_a_linter_has_its_reason() -> None:
    """`# noqa: RULE - reason` and `# type: ignore[rule]  # reason`; imports inside functions are known to be late."""
    bare = []
    for path in MODULES.values():
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            noqa = re.search(r"# noqa(?:: ([A-Z0-9, ]+))?(.*)", line)
            ignore = re.search(r"# type: ignore\[[\w, -]+\](.*)", line)
            for match, rest in ((noqa, noqa and noqa[2]), (ignore, ignore and ignore[1])):
                if match and not re.search(r"\w{3}", rest or "") and "PLC0415" not in line:
                    bare.append(f"{path.relative_to(REPOSITORY)}:{number}")
    assert not bare


# -- the map ------------------------------------------------------------------------------------------------


def test_the_map_is_short() -> None:
    assert len(MAP.splitlines()) <= MOST_MAP_LINES


def test_every_module_is_named_in_the_map() -> None:
    missing = []
    for name, path in IDEAS.items():
        folder = "/".join(path.relative_to(PACKAGE).parts[:-1])
        row = next((line for line in MAP.splitlines() if line.startswith(f"| `{folder or '.'}/` |")), "")
        if not re.search(rf"\b{path.stem}\b", row):
            missing.append(name)
    assert not missing


def test_every_module_that_the_map_names_exists() -> None:
    named = set(re.findall(r"`((?:[a-z0-9_]+/)+[a-z0-9_]+\.\w+)`", MAP))
    assert named
    assert not {name for name in named if not ((PACKAGE / name).exists() or (REPOSITORY / name).exists())}


def walk(title: str) -> list[str]:
    """The modules of a walk in the map: what stands in code between `## title` and the next heading, in order."""
    _, _, text = MAP.partition(f"## {title}")
    text = text.partition("\n## ")[0]
    steps = re.findall(r"^\d+\. `([\w/]+)`", text, re.MULTILINE)
    return [f"gossipw2v.{step.replace('/', '.')}" for step in steps]


@pytest.mark.parametrize("title", LONGEST_WALKS)
def test_a_walk_in_the_map_can_be_followed(title: str) -> None:
    """Each step is a module, and imports the next or is imported by it, itself or by what both import: no leap."""
    steps = walk(title)
    assert 5 <= len(set(steps)) <= LONGEST_WALKS[title]
    assert set(steps) <= MODULES.keys()
    for here, there in pairwise(steps):
        near = here == there or there in imports(here) or here in imports(there)
        users = {name for name in MODULES if here in imports(name) and there in imports(name)}
        assert near or imports(here) & imports(there) or users, f"{here} and {there} do not know each other"


def test_a_package_says_its_idea_and_nothing_else() -> None:
    for folder in FOLDERS:
        tree = ast.parse((folder / "__init__.py").read_text("utf-8"))
        said = ast.get_docstring(tree) or ""
        assert said, folder
        assert len(said.splitlines()) <= 8, folder
        assert len(tree.body) == 1, f"{folder}: an import there makes every command heavier"


# -- imports ------------------------------------------------------------------------------------------------


def folder_of(name: str) -> str:
    """The folder of a module, wings with the rest of their house; a module of the package itself stands for its own."""
    return name.split(".")[1]


def test_folders_stand_on_few_floors_and_import_downwards_only() -> None:
    below: dict[str, set[str]] = defaultdict(set)
    for name in IDEAS:
        below[folder_of(name)] |= {folder_of(other) for other in imports(name)} - {folder_of(name)}
    assert floors(below) <= MOST_FLOORS


def floors(below: dict[str, set[str]]) -> int:
    """The longest chain of imports. RecursionError, which is a failure, where there is a circle."""

    @cache
    def height(room: str) -> int:
        return 1 + max(map(height, below.get(room, ())), default=0)

    return max(map(height, list(below)))


def test_modules_import_in_no_circle() -> None:
    assert floors({name: imports(name) - {name} for name in IDEAS}) > 1


BREACHES = {
    "Two halves and a joint": ("gossip/census.py", "from gossipw2v.w2v import similarity"),
    "Words become vectors": ("w2v/kernels/simd.py", "from gossipw2v.w2v import similarity"),
    "Gossip is a core with its words below": ("gossip/messages.py", "from gossipw2v.gossip import core"),
    "One door per dependency": ("status/report.py", "import msgpack"),
}


@pytest.mark.parametrize("contract", BREACHES)
def test_a_breach_of_each_import_contract_is_found(contract: str, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("lint-imports")
    if not program.exists():
        pytest.skip("import-linter is not installed here")
    file, line = BREACHES[contract]
    shutil.copytree(PACKAGE, tmp_path / "gossipw2v", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    planted = tmp_path / "gossipw2v" / file
    planted.write_text(f"{planted.read_text('utf-8')}\n{line}\n")
    done = subprocess.run([program, "--no-cache"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout[-2000:]
    assert re.search(rf"{re.escape(contract)} BROKEN", done.stdout), done.stdout[-2000:]
