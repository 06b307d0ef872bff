# SPDX-License-Identifier: GPL-3.0-or-later
"""A take onto a rig's controls in a real window: it goes on meanwhile, and Esc leaves the rig as it was."""

from __future__ import annotations

from conftest import Open


def test_it_can_be_cancelled_and_is_done_while_the_window_goes_on(open_window: Open) -> None:
    with open_window("controls") as window:
        seen = window.wait()
    assert seen["running"] == ["AIM_OT_take_bake_to_controls"]
    assert seen["after_esc"] == {"actions": 0, "off": 0.0, "problem": ""}
    assert seen["done"]["actions"] == 1
    assert seen["done"]["problem"] == ""
    assert seen["done"]["longest_pause_s"] < 3.0  # on a busy machine
    assert seen["undone"] == 0
