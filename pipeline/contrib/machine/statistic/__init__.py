"""Statistics of the measurements that claims name."""
