"""Rooms and modules that are verbs too: `unpersonal.audit` is a room, and `unpersonal.audit(…)` audits."""

from __future__ import annotations

import sys
from importlib import import_module
from inspect import Signature, signature
from types import ModuleType
from typing import Any


class CallableRoom(ModuleType):
    """A module that can be called as the verb of its name; the verb is imported when it is called."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        return _verb_of(self)(*args, **options)

    @property
    def __signature__(self) -> Signature:
        return signature(_verb_of(self))


def _verb_of(module: ModuleType) -> Any:
    # by name: the verbs stand above all rooms
    return getattr(import_module("unpersonal.verbs"), module.__name__.rpartition(".")[2])


def callable_room(name: str) -> None:
    """Let the module called `name` be called as its verb."""
    sys.modules[name].__class__ = CallableRoom
