"""How many of fifty small faults, planted in the core one at a time, the tests catch.

`python -m tests.mutants` (or `make mutants`) plants them in a copy, prints what became of each,
and fails below 45. The choice is seeded: the same code gives the same fifty.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).parents[1]
CORE = ("errors.py", "spans.py", "records.py", "roles.py", "detoxifier.py", "rows/*.py")
PLANTED = 50
WANTED = 45
# Many times what the tests take: a fault that never ends is caught by this.
TIMEOUT_S = 300

SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
# Faults that no input can show: (module, the line as it stands, the change) -> why.
EQUIVALENT = {
    (
        "errors.py",
        "near = get_close_matches(word, names, n=1)",
        "1 -> 2",
    ): "only the nearest is used",
    (
        "rows/parquet.py",
        "self.file: Any = pq.ParquetFile(name, pre_buffer=False, buffer_size=1 << 20)",
        "20 -> 21",
    ): "a larger buffer reads the same",
    (
        "rows/parquet.py",
        "if len(self._kept) < batch.num_rows:",
        "Lt -> LtE",
    ): "cutting out all rows gives the same rows",
    (
        "rows/parquet.py",
        "return min(1.0, self._read / max(1, int(self.file.metadata.num_rows)))",
        "1.0 -> 2.0",
    ): "no more rows are read than there are",
}
# The tests that must notice a fault in a module, those that notice most of them first.
TESTS = {
    "errors.py": ("tests/core/test_errors.py",),
    "spans.py": ("tests/core/test_spans.py", "tests/core/test_detoxifier.py"),
    "records.py": ("tests/core/test_records.py", "tests/core/test_detoxifier.py"),
    "roles.py": ("tests/core/test_roles.py",),
    "detoxifier.py": ("tests/core/test_detoxifier.py", "tests/core/test_batches.py"),
    "rows/columns.py": ("tests/rows/test_columns.py", "tests/rows"),
    "rows/csv.py": ("tests/rows/test_csv.py", "tests/rows"),
    "rows/jsonarray.py": ("tests/rows/test_json.py", "tests/rows"),
    "rows/jsonlines.py": ("tests/rows/test_json.py", "tests/rows"),
    "rows/jsonvalues.py": ("tests/rows/test_json.py", "tests/rows"),
    "rows/parquet.py": ("tests/rows/test_parquet.py", "tests/rows"),
    "rows/plaintext.py": ("tests/rows/test_plain_text.py", "tests/rows"),
    "rows/streams.py": ("tests/rows/test_streams.py", "tests/rows"),
}
RENAMED = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}


@dataclass(frozen=True, slots=True)
class Fault:
    """The `number`-th place of a module that can be broken, and how it reads before and after."""

    module: str
    number: int
    line: int
    change: str


def breakable(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Every node that can be broken, with the name of the operator or value in it."""
    for field, child in ast.iter_fields(tree):
        # Annotations and decorators of a frozen dataclass do nothing that a test could see.
        if field in {"annotation", "returns", "decorator_list", "type_params"}:
            continue
        for node in child if isinstance(child, list) else [child]:
            # `zip(strict=…)` asserts what is already known: no input can tell.
            if not isinstance(node, ast.AST) or getattr(node, "arg", None) == "strict":
                continue
            match node:
                case ast.Compare(ops=[op]) | ast.BinOp(op=op) | ast.BoolOp(op=op):
                    if type(op) in SWAPPED:
                        yield node, f"{type(op).__name__} -> {SWAPPED[type(op)].__name__}"
                case ast.Call(func=ast.Name(id=name)) if name in RENAMED:
                    yield node, f"{name} -> {RENAMED[name]}"
                case ast.UnaryOp(op=ast.Not()):
                    yield node, "not x -> x"
                case ast.Constant(value=bool() as value):
                    yield node, f"{value} -> {not value}"
                case ast.Constant(value=int() as value):
                    yield node, f"{value} -> {value + 1}"
                case ast.Constant(value=float() as value):
                    yield node, f"{value} -> {value + 1}"
                case ast.Raise():
                    yield node, "raise -> pass"
                case ast.Return(value=ast.expr()):
                    yield node, "return x -> return None"
                case ast.Expr(value=ast.Call()):
                    yield node, "call -> pass"
                case ast.AugAssign(op=op) if type(op) in SWAPPED:
                    yield node, f"{type(op).__name__} -> {SWAPPED[type(op)].__name__}"
                case ast.Continue():
                    yield node, "continue -> break"
                case ast.Break():
                    yield node, "break -> continue"
                case _:
                    pass
            yield from breakable(node)


class Breaking(ast.NodeTransformer):
    """Breaks one node and leaves the rest."""

    def __init__(self, target: ast.AST) -> None:
        self.target = target

    def visit(self, node: ast.AST) -> ast.AST:
        """The node, broken if it is the target."""
        if node is not self.target:
            return self.generic_visit(node)
        match node:
            case ast.Compare(ops=[op]):
                node.ops = [SWAPPED[type(op)]()]  # type: ignore[list-item]
            case ast.BinOp(op=op) | ast.BoolOp(op=op) | ast.AugAssign(op=op):
                node.op = SWAPPED[type(op)]()  # type: ignore[assignment]
            case ast.Call(func=ast.Name(id=name) as called):
                called.id = RENAMED[name]
            case ast.UnaryOp(operand=operand):
                return operand
            case ast.Constant(value=bool() as value):
                node.value = not value
            case ast.Constant(value=int() | float() as value):
                node.value = value + 1
            case ast.Raise() | ast.Expr():
                return ast.copy_location(ast.Pass(), node)
            case ast.Return():
                node.value = None
            case ast.Continue():
                return ast.copy_location(ast.Break(), node)
            case ast.Break():
                return ast.copy_location(ast.Continue(), node)
            case _:
                raise AssertionError(f"no way to break {type(node).__name__}")
        return node


def faults() -> list[Fault]:
    """Every fault that could be planted in the core and be noticed, in reading order."""
    package = ROOT / "trustydetox"
    found: list[Fault] = []
    for path in (path for pattern in CORE for path in sorted(package.glob(pattern))):
        module, source = path.relative_to(package).as_posix(), path.read_text("utf-8")
        lines = source.splitlines()
        for number, (node, change) in enumerate(breakable(ast.parse(source))):
            line: int = node.lineno  # type: ignore[attr-defined]
            if (module, lines[line - 1].strip(), change) not in EQUIVALENT:
                found.append(Fault(module, number, line, change))
    return found


def broken(source: str, number: int) -> str:
    """The source with its `number`-th breakable place broken."""
    tree = ast.parse(source)
    target = list(breakable(tree))[number][0]
    return ast.unparse(ast.fix_missing_locations(Breaking(target).visit(tree)))


def tests_of(module: str) -> tuple[str, ...]:
    """The tests that must notice a fault in the module."""
    return TESTS.get(module, ("tests/rows",))


def passes(tree: Path, *tests: str) -> bool:
    """Whether these tests pass on a copy."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def copy_tree(target: Path) -> Path:
    """The code and the tests, where they can be broken."""
    skipped = shutil.ignore_patterns("__pycache__", "*.safetensors")
    for folder in ("trustydetox", "tests"):
        shutil.copytree(ROOT / folder, target / folder, ignore=skipped)
    shutil.copy(ROOT / "pyproject.toml", target)
    return target


def main() -> int:
    """Exit code: 0 if at least 45 of the 50 were caught."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    everything = faults()
    chosen = sorted(
        random.Random(seed).sample(everything, PLANTED), key=lambda f: (f.module, f.line)
    )
    with tempfile.TemporaryDirectory() as folder:
        trees: SimpleQueue[Path] = SimpleQueue()
        for worker in range(2):
            trees.put(copy_tree(Path(folder) / str(worker)))
        healthy = trees.get()
        if not passes(healthy, "tests/core", "tests/rows"):
            print("the tests fail with nothing planted: nothing can be said", file=sys.stderr)
            return 1
        trees.put(healthy)

        def survives(fault: Fault) -> bool:
            tree = trees.get()
            path = tree / "trustydetox" / fault.module
            source = path.read_text("utf-8")
            try:
                path.write_text(broken(source, fault.number), "utf-8")
                return passes(tree, *tests_of(fault.module))
            finally:
                path.write_text(source, "utf-8")
                trees.put(tree)

        lived = 0
        with ThreadPoolExecutor(2) as pool:
            for fault, alive in zip(chosen, pool.map(survives, chosen), strict=True):
                lived += alive
                outcome = "SURVIVED" if alive else "caught"
                print(f"{outcome:8} trustydetox/{fault.module}:{fault.line}  {fault.change}")
    caught = PLANTED - lived
    print(f"{caught} of {PLANTED} faults caught ({WANTED} wanted), of {len(everything)} possible")
    return 0 if caught >= WANTED else 1


if __name__ == "__main__":
    raise SystemExit(main())
