"""What users add one file to: optimizers, models, schedules, tasks, data sets."""
