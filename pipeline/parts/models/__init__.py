"""The models: one file each, a function that builds a fresh ``torch.nn.Module``.

``conf/model/NAME.yaml`` names the builder in ``_target_``; it is called as
``builder(config, in_features, generator)`` and draws every initial weight from
that generator, so that a seed means the same start everywhere.
"""
