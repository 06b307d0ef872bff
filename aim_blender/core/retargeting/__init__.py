# SPDX-License-Identifier: GPL-3.0-or-later
"""A take of one actor -> a take of another. In: two actors, pairs of shapes, a correspondence. Out: a take.

pairing, meaning, imitation   which shapes do the same; what they mean; what stands for those without a partner
mixing   bounded mixtures of shapes for a motion
meaning_of_frames   what shapes mean together, kept frame by frame
jaw_range, whole_weights, carrying  how far the target's jaw opens; limits; offsets carried over
regions   how strongly each vertex takes part
retargeting   all of it for a take
"""
