"""The tests; CONTRIBUTING.md says what is where."""

import pytest

# What helpers assert is shown as what tests assert.
pytest.register_assert_rewrite("tests.support", "tests.netns", "tests.vm.lab")
