"""A line tells a leak from noise."""

import random
import unittest

from slope import Line

HOURS = [minute / 60 for minute in range(90)]


class Slope(unittest.TestCase):
    def test_a_leak_rises_under_noise(self):
        source = random.Random(1)
        leak = Line([(hour, 40 + 4 * hour + source.uniform(-2, 2)) for hour in HOURS])
        self.assertAlmostEqual(4, leak.slope, delta=1)
        self.assertTrue(leak.is_rising(1))

    def test_noise_does_not_rise(self):
        source = random.Random(2)
        self.assertFalse(Line([(hour, source.uniform(30, 50)) for hour in HOURS]).is_rising(3))

    def test_a_descriptor_lost_each_half_hour_is_seen(self):
        self.assertTrue(Line([(hour, 36 + int(2 * hour)) for hour in HOURS]).is_rising(1))

    def test_what_falls_or_stays_is_level(self):
        self.assertFalse(Line([(hour, 50 - hour) for hour in HOURS]).is_rising(0))
        flat = Line([(hour, 7) for hour in HOURS])
        self.assertEqual((0, 0, 7, 7), (flat.slope, flat.error, flat.low, flat.high))
        self.assertFalse(flat.is_rising(0))


if __name__ == "__main__":
    unittest.main()
