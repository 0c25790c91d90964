"""Optional packages: which extra of the installation brings which module."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from .errors import InputError

EXTRAS: dict[str, tuple[str, ...]] = {
    "train": (
        *("torch", "scipy", "sklearn", "threadpoolctl", "pandas", "pyarrow", "safetensors", "matplotlib", "jinja2"),
        *("tensorboardX", "monai", "simplejpeg", "kornia_rs"),
    ),
    "dicom": ("pydicom", "pylibjpeg", "openjpeg", "jpeg_ls", "gdcm"),
    "nifti": ("nibabel",),
    "hf": ("datasets", "diffusers", "transformers", "huggingface_hub"),
    "cluster": ("ray",),
    "dp": ("opacus",),
    "sign": ("c2pa", "cryptography", "model_signing", "OpenSSL"),
    "ocr": ("rapidocr", "onnxruntime"),
    "review": ("starlette", "uvicorn"),
}
"""Modules of packages that `pip install unpersonal` leaves out, by the extra that brings them."""
_EXTRA_OF = {module: extra for extra, modules in EXTRAS.items() for module in modules}


def extra_of(error: ImportError) -> str | None:
    """The extra that brings what could not be imported; None where no extra does, which is a bug."""
    named = [error.name] if error.name else re.findall(r"[A-Za-z_][\w.]*", str(error))
    found = (_EXTRA_OF.get(name.split(".")[0]) for name in named)
    return next((extra for extra in found if extra is not None), None)


def missing_extra(error: ImportError) -> InputError | None:
    """What a person can do about a module that cannot be imported; None where no extra brings it."""
    extra = extra_of(error)
    if extra is None:
        return None
    return InputError(
        f"This needs the extra {extra}, which is not installed ({error})", how=f"pip install 'unpersonal[{extra}]'"
    )


def require(extra: str) -> None:
    """An `InputError` unless every module of `extra` can be found: before work begins that would end without it."""
    for module in EXTRAS[extra]:
        try:
            found = find_spec(module) is not None
        except ImportError:
            found = False
        if not found:
            refuse_missing(ModuleNotFoundError(f"No module named {module!r}", name=module))


def refuse_missing(error: BaseException) -> None:
    """Raise an `InputError` where `error` is a module that is not installed: else every file would look damaged."""
    if isinstance(error, ImportError) and (missing := missing_extra(error)):
        raise missing from None


@contextmanager
def extras_named() -> Iterator[None]:
    """Turn a module that is not installed into an `InputError` that names the extra which brings it."""
    try:
        yield
    except ImportError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        raise missing from None
