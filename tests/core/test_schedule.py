# SPDX-License-Identifier: GPL-3.0-or-later
"""The schedule of learning: phases in their order, rates that settle, and an early end once nothing is gained."""

import itertools
import json

import pytest

from aim_blender.core.learning.schedule import LAST_RATE, PHASES, WINDOW, WINDOWS, Schedule


def run(schedule: Schedule, error) -> list[tuple[str, float]]:
    """All steps as (phase, rate); error(iteration) is what each window is told."""
    steps = []
    while not schedule.finished:
        steps.append((schedule.phase, schedule.rate))
        schedule.advance()
        if schedule.window_is_full:
            schedule.observe(error(schedule.iteration))
        assert len(steps) <= schedule.iterations
    return steps


def falling(iteration: int) -> float:
    return 0.9 ** (iteration / WINDOW)


@pytest.mark.parametrize("iterations", [1, 2, 7, 40, 1000, 4001])
def test_as_long_as_it_gains_it_takes_all_its_steps(iterations):
    steps = run(Schedule(iterations), falling)
    assert len(steps) == iterations
    if iterations >= 40:
        for phase, share in PHASES.items():
            assert sum(name == phase for name, _ in steps) == pytest.approx(share * iterations, abs=1)
    assert [name for name, _ in steps] == sorted((name for name, _ in steps), key=list(PHASES).index)


def test_rate_rises_holds_and_settles():
    steps = run(Schedule(4000), falling)
    for phase in PHASES:
        rates = [rate for name, rate in steps if name == phase]
        assert rates[0] < 0.1
        assert max(rates) == 1.0
        assert rates[len(rates) // 5] == 1.0
        assert LAST_RATE <= rates[-1] < LAST_RATE + 0.01


def test_stops_when_nothing_is_gained():
    steps = run(Schedule(100000), lambda _: 0.1)
    for phase in PHASES:  # it holds until that is clear, settles, and ends when settling gains nothing
        rates = [rate for name, rate in steps if name == phase]
        assert len(rates) == 2 * (WINDOWS + 1) * WINDOW
        assert rates[len(rates) // 2 - 1] == 1.0 > rates[-1]


def test_a_small_gain_in_every_window_is_progress():
    assert len(run(Schedule(3000), falling)) == 3000
    assert len(run(Schedule(30000), lambda i: 1.0 - 1e-6 * i)) < 15000


def test_what_is_left_is_never_less_than_what_comes():
    schedule = Schedule(5000)
    left = [schedule.steps_left()]
    costs = [schedule.cost_left()]
    while not schedule.finished:
        schedule.advance()
        if schedule.window_is_full:
            schedule.observe(0.1)
        left.append(schedule.steps_left())
        costs.append(schedule.cost_left())
    assert left[0] == 5000
    assert all(one > other for one, other in itertools.pairwise(left))
    assert all(one > other for one, other in itertools.pairwise(costs))
    assert left[-1] == costs[-1] == 0


@pytest.mark.parametrize("stop", [1, 60, 430, 900])
def test_restored_it_goes_on_alike(stop):
    straight, first = Schedule(2000), Schedule(2000)
    for schedule in (straight, first):
        for _ in range(stop):
            schedule.advance()
            if schedule.window_is_full:
                schedule.observe(0.1)
    second = Schedule(2000)
    second.restore(json.loads(json.dumps(first.state())))
    assert run(second, lambda _: 0.1) == run(straight, lambda _: 0.1)
