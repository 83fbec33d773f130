"""The learning-rate schedules: one file each, a function of the step.

``conf/schedule/NAME.yaml`` names the function in ``_target_``. It is called once per run as
``schedule(config, steps_per_epoch, steps)`` and returns a factor per step; the learning rate of
step ``t`` is ``lr * factor[t]``.
"""
