"""The number of generated cases is the one that is promised."""

from tests.inputs import test_data_files, test_snakemake_config, test_studies, test_train_command  # noqa: F401
from tests.inputs.door import PLANNED


def test_two_thousand_inputs_and_more_are_generated():
    assert sum(PLANNED.values()) >= 2000, PLANNED
