"""A clock for golden outputs: what Ulna reads is the same in every run; others read the real one.

Python imports it at its start where this folder is on PYTHONPATH. Ulna's modules get copies of
`datetime` and `time` when they import these; the modules themselves stay as they are, as native
code looks into them.
"""

from __future__ import annotations

import builtins
import datetime
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType

_DAY = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
_TICK = 1 / 8  # s from one reading to the next: never 0, which no duration may be
_import = builtins.__import__


class _Kind(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime.datetime)


class _Fixed(datetime.datetime, metaclass=_Kind):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
        return _DAY.astimezone(tz)


def _ticking() -> Callable[[], float]:
    count = itertools.count()
    return lambda: next(count) * _TICK


def _copy(module: ModuleType, **changes: object) -> ModuleType:
    copy = ModuleType(module.__name__)
    vars(copy).update({**vars(module), **changes})
    return copy


_OURS = {
    "datetime": _copy(datetime, datetime=_Fixed),
    "time": _copy(time, monotonic=_ticking(), perf_counter=_ticking()),
}


def _import_with_clock(
    name: str,
    globals: Mapping[str, object] | None = None,
    locals: Mapping[str, object] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    if name in _OURS and not level and str((globals or {}).get("__name__")).startswith("ulna."):
        return _OURS[name]
    return _import(name, globals, locals, fromlist or (), level)


builtins.__import__ = _import_with_clock
