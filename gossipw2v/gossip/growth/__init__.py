"""Links that go on from one version of a vocabulary to the next."""
