"""What a lab shows at each setting that a page offers, as one block of bytes."""

import gzip
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import product
from typing import Any

import numpy as np

from tools.site.inputs import Input, inputs, thinned
from vglib.figures import Drawing
from vglib.lab import Lab
from vglib.lab.live import Numbers, changes

# Stops of a slider that is swept by itself, and of each of two that are swept together.
SWEPT, PLANE = 60, 30
PLANE_OF = ("depth", "weight_scale")
# A lab that takes longer for its frames, on one core, is swept with fewer stops.
SECONDS, SECONDS_OF_A_PLANE = 20.0, 60.0
FEWER = (45, 30, 20, 12, 8)
# So many settings, from all over, say how long a frame takes.
TRIED = 10
# More sweeps, from presets and by other choices, are made until so many numbers are drawn.
NUMBERS = 100_000

Setting = tuple[int, ...]


class Block(Numbers):
    """The arrays of a lab's frames, each number with five digits; an array that recurs comes once.

    Five digits: the first three bytes of a float32. The first bytes of all numbers stand together,
    then the second ones, then the third: gzip makes that half as long.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[bytes, Any] = {}

    def pack(self, value: Any) -> Any:
        """Return a value as JSON takes it, with its arrays of numbers put into the block."""
        if not (isinstance(value, np.ndarray) and value.dtype.kind in "fiub" and value.ndim):
            return super().pack(value)
        key = str(value.shape).encode() + value.astype("<f8").tobytes()
        if key not in self._known:
            self._known[key] = super().pack(value)
        return self._known[key]

    def short(self) -> bytes:
        """Return the block with three bytes a number; ValueError for what no float32 can hold."""
        numbers = np.frombuffer(self.bytes(), "<f8")
        with np.errstate(over="ignore"):
            single = numbers.astype("<f4")
        if np.isinf(single[np.isfinite(numbers)]).any():
            raise ValueError("A number beyond 10^38 is drawn, which a page cannot hold.")
        bits = single.view("<u4")
        # To the nearest of what three bytes hold; nan stays nan.
        bits = np.where(np.isfinite(single), bits + np.uint32(0x80), bits).astype("<u4")
        return bits.view(np.uint8).reshape(-1, 4)[:, :0:-1].T.tobytes()


def frames(lab: Lab, *, plane: bool = False, swept: int = SWEPT) -> bytes:
    """Return all that a page needs to move a lab: gzip of a JSON text and a `Block`.

    Before them stands the text's length in four bytes. Each control is swept by itself from the
    start, with at most `swept` stops, and with `plane` depth and weight scale together where the
    lab has both. A slow lab is swept with fewer, a quick one also from its presets and by its
    other choices. Raises ValueError where a drawing has a number that a page cannot hold.
    """
    plane = plane and set(PLANE_OF) <= set(lab.controls)
    offered, settings = plan(lab, swept, plane)
    each, numbers = _cost(lab, thinned(settings, TRIED), offered)
    most = SECONDS_OF_A_PLANE if plane else SECONDS
    for fewer in FEWER:
        if each * len(settings) > most:
            offered, settings = plan(lab, min(fewer, swept), plane)
    if lab.repeatable:
        for sweep in _further(lab, offered):
            more = list(dict.fromkeys([*settings, *sweep]))
            if each * len(more) > most or numbers * len(more) > NUMBERS:
                break
            settings = more
    block = Block()
    _set(lab, settings[0], offered)
    start = lab._view.drawing
    found = {
        "start": block.pack({"data": list(start.data), "layout": start.layout}),
        "inputs": [asdict(one) for one in offered],
        "presets": {name: _setting(lab, preset, offered) for name, preset in lab.presets.items()},
        "frames": [_frame(lab, setting, offered, start, block) for setting in settings],
        "scored": lab._score is not None,
    }
    text = json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()
    # Without the time in it: the same frames are the same bytes.
    return gzip.compress(len(text).to_bytes(4, "little") + text + block.short(), 9, mtime=0)


def plan(lab: Lab, swept: int, plane: bool) -> tuple[list[Input], list[Setting]]:
    """Return what a page offers of a lab's controls, and the settings that it must have.

    The start comes first, then the presets.
    """
    together = PLANE_OF if plane else ()
    offered = inputs(lab, swept, dict.fromkeys(together, min(PLANE, swept)))
    start = _setting(lab, {}, offered)
    wanted = [start, *(_setting(lab, preset, offered) for preset in lab.presets.values())]
    for place in range(len(offered)):
        wanted += _sweep(start, place, offered)
    if plane:
        stops = zip(offered, start, strict=True)
        wanted += product(*(range(len(o.values)) if o.name in together else (s,) for o, s in stops))
    return offered, list(dict.fromkeys(wanted))


def _further(lab: Lab, offered: Sequence[Input]) -> Iterator[list[Setting]]:
    """Give sweeps that are good to have: from each preset, and with each other choice."""
    start = _setting(lab, {}, offered)
    anchors = [_setting(lab, preset, offered) for preset in lab.presets.values()]
    for place, one in enumerate(offered):
        if one.kind in ("list", "box"):
            anchors += _sweep(start, place, offered)
    for anchor in dict.fromkeys(anchors):
        for place in range(len(offered)):
            yield _sweep(anchor, place, offered)


def _sweep(anchor: Setting, place: int, offered: Sequence[Input]) -> list[Setting]:
    stops = range(len(offered[place].values))
    return [(*anchor[:place], stop, *anchor[place + 1 :]) for stop in stops]


def _setting(lab: Lab, preset: Mapping[str, Any], offered: Sequence[Input]) -> Setting:
    values = lab.start | {name: lab.controls[name].clean(v) for name, v in preset.items()}
    return tuple(one.values.index(values[one.name]) for one in offered)


def _cost(lab: Lab, settings: Sequence[Setting], offered: Sequence[Input]) -> tuple[float, float]:
    """Return how many seconds a frame takes, and how many numbers it draws."""
    # Of the processor, so that a busy machine makes the same pages.
    began, numbers = time.process_time(), 0
    for setting in settings:
        _set(lab, setting, offered)
        drawn = lab._view.drawing.data
        numbers += sum(np.size(t[k]) for t in drawn for k in "yz" if t.get(k) is not None)
    return (time.process_time() - began) / len(settings), numbers / len(settings)


def _set(lab: Lab, setting: Setting, offered: Sequence[Input]) -> str:
    """Move a lab to a setting; return what it says where the setting cannot be."""
    values = {one.name: one.values[i] for one, i in zip(offered, setting, strict=True)}
    try:
        lab.set(**values)
    except ValueError as error:
        return str(error)
    return ""


def _frame(
    lab: Lab, setting: Setting, offered: Sequence[Input], start: Drawing, block: Block
) -> list[Any]:
    """Return a setting, what the lab says, and what its drawing changes of the start's.

    Of a setting that cannot be, the setting and the reason alone.
    """
    if complaint := _set(lab, setting, offered):
        return [setting, complaint]
    changed = changes(start, lab._view.drawing)
    if changed is None:
        raise ValueError("A lab draws other traces than at the start.")
    return [setting, lab.verdict, [[t, path, block.pack(new)] for t, path, new in changed]]
