"""The job as nodes tell it each other."""

from gossipw2v.config.job import Job, job_fields


def test_job_fields_are_the_scalars_of_the_class():
    assert Job(**job_fields(Job(window=7))) == Job(window=7)


def test_what_came_later_is_left_out_until_it_is_used():
    assert "min_local_count" not in job_fields(Job())
    assert job_fields(Job(min_local_count=5))["min_local_count"] == 5
    assert Job(**job_fields(Job(min_local_count=5))).min_local_count == 5
    assert not {"tokenize", "lowercase"} & job_fields(Job()).keys()
    assert job_fields(Job(tokenize=r"\w+", lowercase=True)).items() >= {"tokenize": r"\w+", "lowercase": True}.items()
