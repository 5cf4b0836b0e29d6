"""The architecture as tables and rules: who imports whom, which library has which door, what a module looks like.

The tables come first; whoever adds a module or a library adds a row, and says why. `complaints_about_tree` holds a
package's source against them, without importing it; tests/test_architecture.py calls it.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

__all__ = [
    "LIGHT",
    "MEDIAN_LINES",
    "MOST_LINES",
    "Module",
    "NETWORK",
    "PACKAGE",
    "STATIONS",
    "complaints",
    "complaints_about_tree",
    "modules_of",
    "within",
]

PACKAGE = "colab_resume"
TABLES = "tests/architecture.py"

# A module imports from its own station and from those after it.
STATIONS = (
    "__main__",
    "cli",
    "demo",
    "export",
    "run",
    "site",
    "checking",
    "course",
    "leaving",
    "frameworks",  # `run.attach` calls it; of the run it sees what a Protocol there says, of what is told nothing
    "display",
    "saving",
    "restore",
    "mirror",
    "writer",
    "training",
    "folders",  # other frameworks' checkpoints: sent by the mirror, sealed and proved by the means of our own ones
    "checkpoints",
    "sessions",
    "remotes",
    "colab",
    "status",
    "background",
    "durable",
    "errors",
)

# Two modules stand beside the order. `""` is the package's own __init__, which imports only when a name is asked for.
BESIDE = {
    "": ("run", "errors", "status", "checkpoints.retention"),
    "testing": ("remotes", "errors"),
}

# Reads like a user's notebook, so it imports the package and not its modules.
AS_A_USER = ("demo.training",)


@dataclass(frozen=True)
class Door:
    """The one place (a module, or a whole folder) that may import a library, and why there."""

    library: str
    place: str
    why: str
    lazily: bool = False


DOORS = (
    Door("google.colab", "colab", "what only a Colab VM has"),
    Door("pydrive2", "remotes.drive_api", "one back end speaks Drive's API"),
    Door("googleapiclient", "remotes.drive_api", "one back end speaks Drive's API"),
    Door("httplib2", "remotes.drive_api", "what PyDrive2 sends its requests with"),
    Door("google.auth", "remotes.drive_api", "one back end speaks Drive's API"),
    Door("google.oauth2", "remotes.drive_api", "the two kinds of key files that are read"),
    Door("google_auth_oauthlib", "colab.stand_in", "the consent page, where there is no Colab to ask"),
    Door("google_auth_httplib2", "remotes.drive_api", "google-auth's credentials over httplib2"),
    Door("oauth2client", "remotes.drive_api", "PyDrive2's own kind of credentials"),
    Door("fsspec", "remotes.filesystem", "one back end speaks every other URL"),
    Door("ipywidgets", "display.panel", "the only widget there is"),
    Door("IPython", "display.panel", "the only widget there is"),
    Door("ipywidgets", "display.forms", "questions to the user, and their buttons"),
    Door("IPython", "display.forms", "shows them"),
    Door("sklearn", "demo", "the digits data set ships with it, so the demo needs no download"),
    Door("keras", "frameworks.keras", "the adapter of its `fit`; imported when a model of Keras is attached"),
    Door("tensorflow", "frameworks.keras.tracing", "imported where Keras runs on it"),
    Door("jax", "frameworks.keras.supplies", "it says what it runs on", lazily=True),
    Door("torch", "frameworks.keras", "the loaders of Keras's torch back end"),
    Door("numpy", "frameworks.keras", "what callbacks keep are arrays"),
    Door("tensorflow", "training.tensorflow", "imported when an object of TensorFlow is tracked or iterated"),
    Door("keras", "training.tensorflow", "Keras's global seed, where it runs on TensorFlow", lazily=True),
    Door("torch", "training", "it captures and restores torch's state"),
    Door("torch", "checking", "it runs training steps and compares their bits"),
    Door("torch", "checkpoints.encoding", "it knows every dtype by name"),
    Door("torch", "demo", "it trains", lazily=True),
    Door("torch", "demo.training", "it is a notebook, run in a process of its own; what starts it goes without"),
    Door("torch", "frameworks.transformers", "the Trainer's loader is replaced by one that is like torch's"),
    Door("torch", "frameworks.lightning", "what was logged and what callbacks hold are tensors and modules"),
    Door("torch", "frameworks.files", "files of a framework are stored like tensors"),
    Door("torch", "export", "it writes the .pt file that others expect; the command line imports it lazily"),
    Door("numpy", "training", "it captures and restores numpy's state"),
    Door("numpy", "frameworks.files", "files of a framework are mapped, and stored like tensors"),
    Door("numpy", "checking", "arrays and generators of numpy are part of what a step reaches"),
    Door("numpy", "export", "arrays become the tensors that others expect"),
    Door("numpy", "checkpoints.encoding", "arrays and scalars are values like tensors"),
    Door("numpy", "demo", "it makes data", lazily=True),
    Door("numpy", "demo.training", "the same"),
    Door("safetensors", "demo", "finished weights are compared as files that anybody can read", lazily=True),
    Door("safetensors", "demo.training", "the same: it writes them"),
    Door("xxhash", "checkpoints.digest", "the only digest that costs next to nothing"),
    Door("tqdm", "display", "the bar of a terminal"),
    Door("threading", "background", "what all threads that work beside the training have in common"),
    Door("threading", "writer", "owns the thread snapshot -> store"),
    Door("threading", "mirror", "owns the thread store -> remote"),
    Door("threading", "remotes.drive_api", "threads share a token, ids and what is remembered of folders and files"),
    Door("threading", "training.capture.work", "owns the thread that copies beside the training"),
    Door("threading", "saving.presence", "who waits for the right to write is told when the session closes"),
    Door("threading", "training.interrupt", "owns the thread that ends the waiting; signals are the main one's"),
    Door("threading", "checkpoints.abreast", "owns the threads that read packs or download them"),
    Door("threading", "training.journal", "the loop logs while the writer syncs to disk"),
    Door("threading", "checkpoints.store", "the writer commits while the mirror reads and retention deletes"),
    Door("threading", "colab", "Colab mounts and asks in the main thread only; a mount that hangs is looked at beside"),
    Door("threading", "display.panel", "owns the thread that keeps what is seen up to date"),
    Door("threading", "remotes.throttled", "several uploads share one line"),
    Door("threading", "testing", "its remotes are used by the mirror's thread and by the test's"),
)

TORCH_PICKLES = ("hub", "load", "package", "save", "serialization")

# What these read can run code. A checkpoint comes from a shared folder, so nothing may.
RUNS_WHAT_IT_READS = (
    "_pickle",
    "cloudpickle",
    "dill",
    "joblib",
    "marshal",
    "pickle",
    "runpy",
    "shelve",
    *(f"torch.{part}" for part in TORCH_PICKLES),
)
RUNS_A_STRING = ("compile", "eval", "exec")
# For other tools' sake one command writes a .pt file; nothing reads one.
MAY_CALL_TORCH_SAVE = "export"

SAYS_NOTHING = ("base", "common", "helper", "helpers", "manager", "misc", "util", "utils")
MOST_LINES = 400
MEDIAN_LINES = 150

# Listing a remote, or asking what is safe, must answer at once: these never bring in torch, not even through others.
LIGHT = (
    "cli",
    "checkpoints.manifest",
    "checkpoints.pack",
    "checkpoints.pack_file",
    "checkpoints.pack_stream",
    "checkpoints.retention",
    "checkpoints.store",
    "colab",
    "durable",
    "errors",
    "folders",
    "remotes",
    "sessions",
    "status",
)
NETWORK = {"asyncio", "http", "socket", "ssl", "urllib.request"}


@dataclass(frozen=True)
class Import:
    """One imported name: `from a import b` imports `a.b`."""

    line: int
    name: str
    bound: str
    lazy: bool
    typing_only: bool


@dataclass(frozen=True)
class Module:
    """One source file of the package; `path` is relative to the package's folder."""

    path: str
    source: str

    @property
    def name(self) -> str:
        """The dotted name without the package's own; the package's `__init__` is ''."""
        return self.path.removesuffix(".py").removesuffix("__init__").strip("/").replace("/", ".")

    @property
    def station(self) -> str:
        return self.name.split(".")[0]

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source, filename=self.path)

    @cached_property
    def imports(self) -> list[Import]:
        return list(self._imports([self.tree], lazy=False, typing_only=False))

    def _imports(self, nodes: Iterable[ast.AST], *, lazy: bool, typing_only: bool) -> Iterator[Import]:
        for node in nodes:
            inside = ast.iter_child_nodes(node)
            match node:
                case ast.Import(names=names):
                    for alias in names:
                        bound = alias.asname or alias.name.split(".")[0]
                        yield Import(node.lineno, alias.name, bound, lazy, typing_only)
                case ast.ImportFrom(names=names):
                    for alias in names:
                        name = f"{self._origin(node)}.{alias.name}"
                        yield Import(node.lineno, name, alias.asname or alias.name, lazy, typing_only)
                case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                    yield from self._imports(node.body, lazy=lazy, typing_only=True)
                    yield from self._imports(node.orelse, lazy=lazy, typing_only=typing_only)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    yield from self._imports(inside, lazy=True, typing_only=typing_only)
                case _:
                    if isinstance(node, ast.Call) and (called := _imported_by_call(node)) is not None:
                        yield Import(node.lineno, called, "", lazy, typing_only)
                    yield from self._imports(inside, lazy=lazy, typing_only=typing_only)

    def _origin(self, node: ast.ImportFrom) -> str:
        """The absolute name of what stands between `from` and `import`."""
        if node.level == 0:
            return str(node.module)
        here = [PACKAGE, *self.path.split("/")[:-1]]
        return ".".join([*here[: len(here) + 1 - node.level], *([node.module] if node.module else [])])


def _imported_by_call(node: ast.Call) -> str | None:
    match node:
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=[ast.Constant(value=str(name)), *_]):
            return name if called in {"import_module", "__import__"} else None
    return None


def within(name: str, place: str) -> bool:
    """Whether a dotted name is a place or lies below it."""
    return name == place or name.startswith(f"{place}.")


def modules_of(package: Path) -> list[Module]:
    """Every source file below a folder."""
    return [Module(p.relative_to(package).as_posix(), p.read_text("utf-8")) for p in sorted(package.rglob("*.py"))]


def complaints_about_tree(package: Path) -> list[str]:
    """All that is wrong in a package's folder."""
    modules = modules_of(package)
    found = [complaint for module in modules for complaint in complaints(module)]
    median = statistics.median(len(module.source.splitlines()) for module in modules)
    if median >= MEDIAN_LINES:
        found.append(f"the median module has {median:.0f} lines; fewer than {MEDIAN_LINES} are wanted")
    return found


def complaints(module: Module) -> list[str]:
    """All that is wrong in one module."""
    rules = (_place, _direction, _doors, _nothing_runs_what_it_read, _shape)
    return [f"{PACKAGE}/{module.path}{complaint}" for rule in rules for complaint in rule(module)]


def _place(module: Module) -> Iterator[str]:
    if module.station not in (*STATIONS, *BESIDE):
        yield f": no station is named {module.station!r}; add a row to STATIONS in {TABLES}"
    for part in module.name.split("."):
        if part in SAYS_NOTHING:
            yield f": {part!r} does not say what is in it; the layout lacks a noun"


def _direction(module: Module) -> Iterator[str]:
    for found in module.imports:
        if not within(found.name, PACKAGE) or found.name == f"{PACKAGE}.__version__":
            continue
        if found.name == PACKAGE and module.name in AS_A_USER:
            continue
        target = found.name.removeprefix(PACKAGE).removeprefix(".")
        open_to: Sequence[str]
        if module.station in BESIDE:
            open_to = BESIDE[module.station]
        elif module.station in STATIONS:
            open_to = STATIONS[STATIONS.index(module.station) :]
        else:
            continue
        if not any(within(target, place) for place in (module.station, *open_to) if place):
            yield f":{found.line}: imports {found.name}, which is not below it; stations are {' > '.join(STATIONS)}"
        elif module.name == "" and not (found.lazy or found.typing_only):
            yield f":{found.line}: imports {found.name} at once; `import {PACKAGE}` stays light, so inside __getattr__"


def _doors(module: Module) -> Iterator[str]:
    for found in module.imports:
        doors = [door for door in DOORS if within(found.name, door.library)]
        here = [door for door in doors if within(module.name, door.place)]
        if found.typing_only or any(found.lazy or not door.lazily for door in here):
            continue
        if here:
            yield f":{found.line}: imports {found.name} at once; here only inside a function ({here[0].why})"
        elif doors:
            places = ", ".join(sorted(door.place for door in doors))
            yield f":{found.line}: imports {found.name}, whose doors are {places}; see DOORS in {TABLES}"
        elif found.name.split(".")[0] not in {*sys.stdlib_module_names, PACKAGE, *RUNS_WHAT_IT_READS}:
            yield f":{found.line}: imports {found.name}, which has no door; add a row to DOORS in {TABLES}"


def _nothing_runs_what_it_read(module: Module) -> Iterator[str]:
    for found in module.imports:
        if any(within(found.name, library) for library in RUNS_WHAT_IT_READS):
            yield f":{found.line}: imports {found.name}, which can run what it reads"
    torch = {found.bound for found in module.imports if "torch" in (found.name, found.bound)}
    for node in ast.walk(module.tree):
        match node:
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(value=ast.Name(id="builtins"), attr=called)):
                if called in RUNS_A_STRING:
                    yield f":{node.lineno}: calls {called}(), which runs a string"
            case ast.Attribute(value=ast.Name(id=owner), attr=part) if owner in torch and part in TORCH_PICKLES:
                if (part, module.name) != ("save", MAY_CALL_TORCH_SAVE):
                    yield f":{node.lineno}: uses torch.{part}, which pickles"
            case ast.keyword(arg="allow_pickle", value=value):
                if not (isinstance(value, ast.Constant) and value.value is False):
                    yield f":{value.lineno}: passes allow_pickle, so it can run what it reads"


def _shape(module: Module) -> Iterator[str]:
    if not ast.get_docstring(module.tree):
        yield ": no docstring says what it is and what it promises"
    lines = len(module.source.splitlines())
    if lines >= MOST_LINES:
        yield f": {lines} lines; fewer than {MOST_LINES} are wanted"
    names = _public_names(module.tree)
    if names is None and len(module.tree.body) > 1:
        yield ": no __all__ (a literal list of names) says what is public"
    elif names is not None and names != sorted(names):
        yield f": __all__ is not sorted; it should be {sorted(names)}"


def _public_names(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=names))
                | ast.AnnAssign(target=ast.Name(id="__all__"), value=ast.List(elts=names))
            ):
                return [str(ast.literal_eval(name)) for name in names]
    return None
