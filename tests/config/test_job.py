"""The job as nodes tell it each other."""

from gossipw2v.config.job import Job, job_fields


def test_job_fields_are_the_scalars_of_the_class():
    assert Job(**job_fields(Job(window=7))) == Job(window=7)
