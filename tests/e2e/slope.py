"""The straight line through what was read of a figure again and again, by least squares: whether the
figure rises, or only moves. Pure.
"""

import math
import statistics


class Line:
    """Through points (time, value). slope and its standard error are in values per unit of time."""

    def __init__(self, points):
        times, values = zip(*points)
        self.low, self.high = min(values), max(values)
        middle, level = statistics.fmean(times), statistics.fmean(values)
        spread = sum((time - middle) ** 2 for time in times) or 1
        self.slope = sum((time - middle) * (value - level) for time, value in points) / spread
        rest = sum(
            (value - level - self.slope * (time - middle)) ** 2 for time, value in points
        )
        self.error = math.sqrt(rest / max(len(points) - 2, 1) / spread)

    def is_rising(self, slack):
        """By more than the slack, and by more than chance."""
        return self.slope > slack and self.slope > 2 * self.error
