# SPDX-License-Identifier: GPL-3.0-or-later
"""Bones and jaw of a face. In: a neutral, its shapes, bones. Out: a skull and a mandible that fit, a hinge, a motion of
the jaw in each shape.

anatomy, anatomy_fit, anatomy_request, skin_depth  bones by landmarks and tissue depths, and the skin over them
jaw, jaw_estimate  the jaw about its hinge, and found from the skin; hinge_witnesses, jaw_witnesses  what else tells
muscles_seen  what lips and cheeks do over the mandible, told by what they do above it
mandible_frame, jaw_pivot, incisors  how the mandible lies, and how far its front teeth travel
"""
