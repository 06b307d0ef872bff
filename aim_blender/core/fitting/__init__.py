# SPDX-License-Identifier: GPL-3.0-or-later
"""An actor and a performance -> a take. Every kind of performance is a target that `driving` fits.

driving                                   what all fits do alike
fitting, fitting_session, fitting_cache   whole meshes, by the closed form; fitting_neural  by the paper's networks
fitting_points, fitting_image_points, image_solver  3D points, and points in images
placed_points, rest_offset, rest_in_images  where points sit, and that they are not the actor's own
unbound_points                            where points sit that name no vertex
jaw_of_frame, bounded_weights, performance_space  steps of the solve
fitting_parts  the jaw and the gaze that teeth and eyeballs in the mesh show
"""
