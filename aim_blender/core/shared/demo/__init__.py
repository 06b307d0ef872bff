# SPDX-License-Identifier: GPL-3.0-or-later
"""A head that is made by formulae, so that everything can be tried without a capture. In: nothing. Out: 20 meshes, bones
and a performance.

demo_actor  all of it together; demo_head, demo_topology  its surface; demo_bones  skull and mandible
demo_arkit  what ARKit's shapes are on it
demo_muscles, demo_curves  how it moves, and over time
"""
