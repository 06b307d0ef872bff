# SPDX-License-Identifier: GPL-3.0-or-later
"""A capture -> an actor. In: a neutral, its shapes and bones. Out: an actor, with a curve of how it was learned.

preparation, stabilizing, capture_parts  bones, jaw, head and parts of the capture, before anything is learned
learning, losses, schedule, graphed_step  a step, the paper's losses, when which counts; optimising  the loop
orthogonal_steps  the optimiser
finishing, checkpoints, trial  the residual that makes shapes exact; going on after a crash; does this machine learn
trusted_device  whether Apple's GPU learns what the processor learns
"""
