"""How things are compiled, said once: the variants that the kernels are made with, and where the result is kept.

All variants let go of the GIL and divide as NumPy does, without an exception for zero. Bounds are not checked, unless
Numba's own NUMBA_BOUNDSCHECK=1 asks for it, best with another NUMBA_CACHE_DIR. They differ in two things:

- *Which bits.* Only `exact` and `inline_exact` promise the bits that the source says, which both ends of a link must
  have in common. The others may reorder sums and contract a product and a sum into one instruction.
- *Where the code ends up.* The inline variants become part of what calls them and are compiled with it; the others are
  kept on disk by themselves. Those that own no array are compiled without the reference counts that Numba keeps of
  arrays: such counting halves the speed of an inner loop where LLVM cannot take it out.

What is kept is checked before it is used: Numba loads a damaged file's machine code as it is.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import llvmlite
import numba
from llvmlite import binding
from numba import njit
from numba.core.caching import FunctionCache
from numba.core.registry import cpu_target
from numba.core.runtime.nrt import rtsys
from numba.core.serialize import dumps

from gossipw2v.system.durable import Disk, replacing

if folder := os.environ.get("NUMBA_CACHE_DIR"):  # Numba may have been imported before anybody set that
    numba.config.CACHE_DIR = folder  # type: ignore[attr-defined]  # Numba makes it as it is imported

Decorator = Callable[[Callable[..., Any]], Any]

_CHECKSUM_BYTES = 16
_UNCOUNTED: dict[str, Any] = {"_nrt": False}  # for functions that own no array


class _Unsynced(Disk):
    """Compiled code that a power failure takes is compiled anew: nothing waits for the disk."""

    def sync(self, file: BinaryIO) -> None:
        """The name must not come before the bytes have left this process."""
        file.flush()

    def sync_folder(self, folder: Path) -> None:
        """No name matters."""


class _Files:
    """The compiled forms of one function in `folder`: a file each, machine code behind a checksum.

    The checksum is over all that the code depends on: a file that is damaged and one of other sources, another Numba or
    another machine are alike no form that can be used, and the next one that is compiled takes its place.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name

    def code(self, key: object) -> bytes | None:
        """What is kept for a key of Numba's (signature, machine, bytecode), if it can be used."""
        try:
            kept = self._path(key).read_bytes()
        except OSError:
            return None
        checksum, code = kept[:_CHECKSUM_BYTES], kept[_CHECKSUM_BYTES:]
        return code if checksum == _checksum(key, code) else None

    def load(self, key: object) -> Any:
        """The form for a key as Numba had it, or None."""
        code = self.code(key)
        return None if code is None else pickle.loads(code)  # noqa: S301 - our own file, and it is whole

    def save(self, key: object, form: object) -> None:
        """Keep a form, whole or not at all. OSError."""
        code = dumps(form)
        with replacing(self._path(key), _Unsynced()) as file:
            file.writelines((_checksum(key, code), code))

    def _path(self, key: Any) -> Path:
        signature, machine, _ = key
        name = hashlib.blake2b(repr((signature, machine)).encode(), digest_size=8).hexdigest()
        return self._folder / f"{self._name}.{name}.nbc"


class _Cache(FunctionCache):
    """Numba's cache on disk with other files. Numba calls it whenever it needs a form that is not in memory.

    What is kept of a form is what Numba makes of it, and the symbols outside that its machine code refers to.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._files = _Files(Path(self.cache_path), self._impl.filename_base)

    def load_overload(self, signature: tuple[Any, ...], context: Any) -> Any:
        """The form for a signature, or None.

        Numba's own would first make ready what only a compiler needs, which takes longer than to load all kernels.
        """
        kept = self._files.load(self._index_key(signature, context.codegen()))
        if kept is None:
            return None
        symbols, form = kept
        rtsys.initialize(context)  # the symbols of what arrays are allocated with
        if not all(map(binding.address_of_symbol, symbols)):
            context.refresh()  # LLVM would end the process
        return self._impl.rebuild(context, form)

    def save_overload(self, signature: tuple[Any, ...], form: Any) -> None:
        """Keep a form that was compiled. OSError."""
        if self._impl.check_cachable(form):
            key = self._index_key(signature, form.codegen)
            self._impl.locator.ensure_cache_path()
            self._files.save(key, (_symbols(form.library), self._impl.reduce(form)))

    def holds(self, signature: tuple[Any, ...], codegen: Any) -> bool:
        """Whether a form can be loaded."""
        return self._files.code(self._index_key(signature, codegen)) is not None


def _symbols(library: Any) -> list[str]:
    """What the code of a compiled function refers to and does not define, as far as it has an address."""
    module = library._final_module
    declared = (each.name for each in (*module.functions, *module.global_variables) if each.is_declaration)
    return [name for name in declared if binding.address_of_symbol(name)]


def target() -> str:
    """What compiled code depends on besides its source, as one text: interpreter, compiler and processor."""
    processor = cpu_target.target_context.codegen().magic_tuple()
    return f"{sys.implementation.cache_tag} numba {numba.__version__} {processor}"


@functools.cache
def _sources() -> bytes:
    """A digest of all kernels, since one inlines the other, and of the compiler."""
    digest = hashlib.blake2b(f"{numba.__version__} {llvmlite.__version__}".encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.digest()


def _checksum(key: object, code: bytes) -> bytes:
    return hashlib.blake2b(_sources() + repr(key).encode() + code, digest_size=_CHECKSUM_BYTES).digest()


def _kept(**options: Any) -> Decorator:
    """A variant whose functions are kept on disk; where no folder can be written, they are compiled at every start."""

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = njit(nogil=True, error_model="numpy", **options)(function)
        try:
            dispatcher._cache = _Cache(function)
        except RuntimeError:  # Numba found no such folder
            pass
        return dispatcher

    return decorate


def _inlined(**options: Any) -> Decorator:
    """A variant whose functions exist within others alone."""
    decorate: Decorator = njit(nogil=True, error_model="numpy", forceinline=True, **_UNCOUNTED, **options)
    return decorate


exact = _kept()
# sums in any order, and no more rounding than that needs; a NaN is still a NaN, which is how broken rows are found
reordered = _kept(fastmath={"reassoc", "contract"})
# for comparisons of rows that are known to be finite: without NaN and -0 a maximum is one instruction
finite = _kept(fastmath={"nnan", "nsz", "reassoc"})
# training: all that LLVM may do with floats
kernel = _kept(fastmath=True, **_UNCOUNTED)
inline = _inlined(fastmath=True)
inline_exact = _inlined()  # integers, and tables that must be the same everywhere


def is_kept(dispatcher: Any, signature: tuple[Any, ...]) -> bool:
    """Whether the form of a compiled function for a signature is on disk, whole and of these sources."""
    cache = dispatcher._cache
    return isinstance(cache, _Cache) and cache.holds(signature, dispatcher.targetctx.codegen())
