"""The measurements, found as those in pipeline/measure are."""
