"""The static pages: what is stored of a lab is what it shows, and what a page asks it judges."""

import gzip
import json

import numpy as np
import pytest

from tests.test_lab import draw, experiment
from tools.site import frames
from tools.site.inputs import SEEDS, inputs, thinned
from vglib.lab import Lab, controls


def small(**more):
    return Lab(
        experiment,
        draw,
        depth=controls.depth(4, 8),
        weight_scale=controls.weight_scale(),
        kind=controls.choice("kind", "plain", ["plain", "impossible"], "what it does"),
        bent=controls.toggle("bent", False, "bend it"),
        presets={"steep": {"weight_scale": 9.0}, "bent, 7": {"bent": True, "depth": 7}},
        **more,
    )


def unpacked(made: bytes) -> dict:
    """What a page finds in the frames of a lab, read as site.js reads it."""
    raw = gzip.decompress(made)
    length = int.from_bytes(raw[:4], "little")
    planes = np.frombuffer(raw[4 + length :], np.uint8).reshape(3, -1).astype(np.uint32)
    numbers = (planes[0] << 24 | planes[1] << 16 | planes[2] << 8).view(np.float32)

    def fill(part):
        if isinstance(part, list):
            return [fill(one) for one in part]
        if not isinstance(part, dict):
            return part
        if "numbers" in part:
            first, shape = part["numbers"]
            return numbers[first : first + int(np.prod(shape))].reshape(shape).astype(float)
        return {key: fill(one) for key, one in part.items()}

    return fill(json.loads(raw[4 : 4 + length]))


def values(found: dict, setting: list[int]) -> dict:
    offered = zip(found["inputs"], setting, strict=True)
    return {one["name"]: one["values"][place] for one, place in offered}


def shown(found: dict, changes: list) -> list[dict]:
    """The traces of a frame: the start's, with what the frame changes."""
    traces = [dict(trace) for trace in found["start"]["data"]]
    for trace, path, value in changes:
        if trace >= 0 and path in ("x", "y"):
            traces[trace][path] = value
    return traces


def test_every_frame_is_what_the_lab_shows():
    found = unpacked(frames.frames(small(), plane=True, swept=9))
    twin = small()
    assert len(found["frames"]) > 100
    for setting, said, *changes in found["frames"]:
        if not changes:
            assert said.startswith("The kind 'impossible' needs")
            assert values(found, setting)["kind"] == "impossible"
            continue
        twin.set(**values(found, setting))
        assert said == twin.verdict
        drawn = twin._view.drawing.data
        for mine, theirs in zip(shown(found, changes[0]), drawn, strict=True):
            for key in "xy":
                np.testing.assert_allclose(mine[key], theirs[key], rtol=2e-5, equal_nan=True)


def test_there_is_a_frame_of_the_start_of_presets_of_sweeps_and_of_the_plane():
    lab = small()
    found = unpacked(frames.frames(lab, plane=True, swept=9))
    settings = [tuple(frame[0]) for frame in found["frames"]]
    assert len(settings) == len(set(settings))
    assert values(found, settings[0]) == lab.start
    for name, place in found["presets"].items():
        assert values(found, place) == lab.start | lab.presets[name]
        assert tuple(place) in settings
    for place, one in enumerate(found["inputs"]):
        for stop in range(len(one["values"])):
            assert (*settings[0][:place], stop, *settings[0][place + 1 :]) in settings
    depths, scales = (len(one["values"]) for one in found["inputs"][:2])
    assert len({s[:2] for s in settings}) == depths * scales


def test_a_page_offers_the_labs_own_values_and_what_presets_set():
    lab = small()
    offered = {one.name: one for one in inputs(lab, 5, {"depth": 3})}
    assert offered["depth"].values == (1, 4, 7, 8)
    assert {1.0, 9.0} < set(offered["weight_scale"].values)
    assert len(offered["weight_scale"].values) <= 5
    assert offered["kind"].texts == ("plain", "impossible")
    assert offered["bent"].values == (False, True)
    assert offered["seed"].values == tuple(range(SEEDS))
    assert offered["weight_scale"].label == "weight scale"


@pytest.mark.parametrize(("count", "most"), [(3, 5), (100, 7), (100, 1), (2, 2)])
def test_thinned_stops_keep_both_ends(count, most):
    stops = list(range(count))
    kept = thinned(stops, most)
    assert kept[0] == 0
    assert kept[-1] == count - 1
    assert len(kept) == len(set(kept)) == min(count, max(most, 2))


def test_a_slow_lab_is_swept_with_fewer_stops(monkeypatch):
    monkeypatch.setattr(frames, "SECONDS", 0.0)
    found = unpacked(frames.frames(small()))
    assert len(found["inputs"][1]["values"]) <= min(frames.FEWER)


@pytest.mark.parametrize("number", [1e-30, 12345.6, -0.1, 1 / 3, 65535.0, 0.0, np.nan, -np.inf])
def test_a_number_keeps_five_digits(number):
    block = frames.Block()
    place = block.pack(np.array([1.0, number]))
    assert block.pack(np.array([1.0, number])) == place
    planes = np.frombuffer(block.short(), np.uint8).reshape(3, -1).astype(np.uint32)
    read = (planes[0] << 24 | planes[1] << 16 | planes[2] << 8).view(np.float32)
    np.testing.assert_allclose(read, [1.0, number], rtol=2e-5)


def test_a_number_that_a_page_cannot_hold_is_no_frame():
    block = frames.Block()
    block.pack(np.array([1e39]))
    with pytest.raises(ValueError, match="cannot hold"):
        block.short()
