"""What all tests share: one place for compiled kernels, in this process and in the daemons that tests start."""

from hypothesis import settings

from gossipw2v.cli.main import prepare_machine

prepare_machine()
# a first call may compile; a test that fails must fail again
settings.register_profile("project", deadline=None, derandomize=True)
settings.load_profile("project")
