"""Patches of ministack 1.5.33, in its process, that let the workers of functions start quickly.

See ``ministack_patches``, which applies them.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

#: The line of a Python worker that imports botocore, and what takes its place.
_DEPTH_NOW = "    _ms_install_invoke_depth()\n"
_DEPTH_WITH_BOTOCORE = "    sys.meta_path.insert(0, _WithBotocore())\n"
_WITH_BOTOCORE = '''
import importlib.util, sys

class _WithBotocore:
    """Lets _ms_install_invoke_depth run once somebody imports botocore.handlers."""

    def find_spec(self, name, path=None, target=None):
        if name != "botocore.handlers":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module

        def execute_and_install(module):
            execute(module)
            sys.modules["botocore"].handlers = module
            _ms_install_invoke_depth()

        spec.loader.exec_module = execute_and_install
        return spec
'''


def apply() -> None:
    """Apply both patches. Called once, before the server starts."""
    _packages_are_unpacked_once()
    _workers_import_botocore_if_their_function_does()


def _packages_are_unpacked_once() -> None:
    """Unpack a package once. All its workers share the folder, as Lambda's disk is read-only, and the bytecode in it.

    ministack unpacks it for each worker: a thousand files for three of them, which takes longer than all the rest.
    """
    from ministack.core import lambda_runtime  # noqa: PLC0415

    unpacking = threading.Lock()
    this = threading.local()
    spawn = lambda_runtime.Worker._spawn

    class Package(zipfile.ZipFile):
        def extractall(self, path: Any = None, *args: Any, **kwargs: Any) -> None:
            if not this.shares or self.filename is None:
                super().extractall(path, *args, **kwargs)
                return
            digest = hashlib.sha256(Path(self.filename).read_bytes()).hexdigest()
            shared = Path(tempfile.gettempdir(), "packages", digest)
            with unpacking:
                if not shared.exists():
                    partial = shared.with_suffix(".partial")
                    super().extractall(partial)
                    partial.rename(shared)
            Path(path).rmdir()
            Path(path).symlink_to(shared)

    def spawn_in_shared_folder(worker: Any) -> None:
        # ministack links the modules of layers into the folder of a package for node.
        this.shares = not worker.config.get("Layers")
        spawn(worker)

    lambda_runtime.zipfile = SimpleNamespace(**vars(zipfile) | {"ZipFile": Package})
    lambda_runtime.Worker._spawn = spawn_in_shared_folder


def _workers_import_botocore_if_their_function_does() -> None:
    """Let a worker import botocore, by which ministack counts nested invocations, only if its function uses it.

    The import takes as long as that of a function of eventcron, which has no use for it.
    """
    from ministack.core import lambda_runtime  # noqa: PLC0415

    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    lambda_runtime._PYTHON_WORKER_SCRIPT = _WITH_BOTOCORE + script.replace(_DEPTH_NOW, _DEPTH_WITH_BOTOCORE)
