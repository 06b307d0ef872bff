# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of a rig's controls, of which is known how they move a mesh.

control_equations  effects of controls on points, and what is wanted of them -> normal equations
control_solving    normal equations, bounds -> few controls at work, smooth in time
parting            what a take parts, and what is lacking -> what a rig holds together, such as lips
together           effects -> which controls can be tried at once
"""
