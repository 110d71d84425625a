"""What tests may ask of the fakes: faults to come, what was seen, which of the vendors' rules were
broken.
"""

import collections
import random
import threading

FAULTS = {
    "embed": {
        "429",
        "429_bare",
        "slow_down",
        "quota",
        "401",
        "500",
        "503",
        "drop",
        "swallow",
        "truncate",
        "garbage",
        "empty",
        "short",
        "double_index",
        "shuffle",
        "quarter",
        "nan",
        "zero",
        "floats",
    },
    "store": {
        "429",
        "429_bare",
        "429_text",
        "401",
        "500",
        "503",
        "drop",
        "swallow",
        "late",
        "unseen",
        "truncate",
        "garbage",
    },
}
SETTINGS = {
    "delay",
    "script",
    "late_s",
}  # delay: mean seconds; script: kinds for the next requests; late_s: latest effect
VIOLATIONS_KEPT = 200


class Faults:
    """Per lane: probabilities {kind: 0..1} and a script, a list of kinds ("ok" for none) used up before any dice are rolled."""

    def __init__(self, seed=1):
        self.lock = threading.Lock()
        self.random = random.Random(seed)
        self.lanes = {lane: {} for lane in FAULTS}

    def set(self, lanes):
        """Replaces everything. Raises ValueError for a kind that does not exist: a test that misspells one tests nothing."""
        for lane, settings in lanes.items():
            if lane not in FAULTS:
                raise ValueError(f"no lane {lane!r}")
            kinds = set(settings) - SETTINGS | set(settings.get("script", ())) - {"ok"}
            if kinds - FAULTS[lane]:
                raise ValueError(f"lane {lane} has no fault {sorted(kinds - FAULTS[lane])}")
        with self.lock:
            self.lanes = {lane: dict(lanes.get(lane, {})) for lane in FAULTS}

    def roll(self, lane):
        """Answers (kind or None, seconds to wait first)."""
        with self.lock:
            settings = self.lanes[lane]
            delay = settings.get("delay", 0)
            delay = self.random.uniform(0, 2 * delay) if delay else 0
            if settings.get("script"):
                kind = settings["script"].pop(0)
                return (None if kind == "ok" else kind), delay
            dice = self.random.random()
            for kind, chance in settings.items():
                if kind in SETTINGS:
                    continue
                if dice < chance:
                    return kind, delay
                dice -= chance
            return None, delay

    def lateness(self, lane):
        with self.lock:
            return self.random.uniform(0.5, self.lanes[lane].get("late_s", 20))


class Record:
    """Counts and broken rules; every method may be called from any thread."""

    def __init__(self):
        self.lock = threading.Lock()
        self.reset()

    def reset(self):
        with self.lock:
            self.counts = collections.Counter()
            self.peaks = {}
            self.now = collections.Counter()
            self.violations = []
            self.violation_count = 0

    def violate(self, what):
        with self.lock:
            self.violation_count += 1
            if len(self.violations) < VIOLATIONS_KEPT:
                self.violations.append(what)

    def count(self, name, amount=1):
        with self.lock:
            self.counts[name] += amount

    def peak(self, name, value):
        with self.lock:
            self.peaks[name] = max(self.peaks.get(name, 0), value)

    def enter(self, lane):
        with self.lock:
            self.now[lane] += 1
            self.peaks[f"{lane}_in_flight"] = max(
                self.peaks.get(f"{lane}_in_flight", 0), self.now[lane]
            )

    def leave(self, lane):
        with self.lock:
            self.now[lane] -= 1

    def snapshot(self):
        with self.lock:
            return {
                "violations": list(self.violations),
                "violation_count": self.violation_count,
                "stats": dict(self.counts),
                "peaks": dict(self.peaks),
            }
