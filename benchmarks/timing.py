"""What the parts share: how long a call takes, and which functions took it."""

import cProfile
import pstats
import time
from collections.abc import Callable


def time_of(function: Callable[[], object]) -> float:
    """Call a function and return the seconds it took."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def own_time(profile: cProfile.Profile, most: int) -> str:
    """Name the functions that took most time themselves, with their shares."""
    stats = pstats.Stats(profile).get_stats_profile()
    own = sorted(stats.func_profiles.items(), key=lambda item: -item[1].tottime)
    return ", ".join(f"`{name}` {f.tottime / stats.total_tt:.0%}" for name, f in own[:most])
