# SPDX-License-Identifier: GPL-3.0-or-later
"""A phone's recording -> a take. In: an actor and weights of ARKit's shapes. Out: weights per point, jaw and head.

phone_guide, phone_shapes, phone_jaw  what ARKit's shapes are on an actor, by names and by the demo head's muscles
phone_contact  when lips and lids are closed; phone_gaze  how the eyes look
fitting_phone, phone_source  the take, and the recording as a source of performances
"""
