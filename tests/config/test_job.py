"""The job as nodes tell it each other."""

from gossipw2v.config.job import Job, Walks, job_fields


def test_job_fields_are_the_scalars_of_the_class():
    assert Job(**job_fields(Job(window=7))) == Job(window=7)


def test_what_came_later_is_left_out_until_it_is_used():
    assert "min_local_count" not in job_fields(Job())
    assert job_fields(Job(min_local_count=5))["min_local_count"] == 5
    assert Job(**job_fields(Job(min_local_count=5))).min_local_count == 5
    assert not {"tokenize", "lowercase"} & job_fields(Job()).keys()
    assert job_fields(Job(tokenize=r"\w+", lowercase=True)).items() >= {"tokenize": r"\w+", "lowercase": True}.items()


def test_how_a_graph_is_walked_belongs_to_its_job_and_to_no_text_s():
    walked = job_fields(Job(), Walks(p=2.0, directed=True))
    assert (walked["p"], walked["directed"], walked["walk_length"]) == (2.0, True, 40)
    assert walked.keys() - job_fields(Job()).keys() == {"walk_length", "walks", "p", "q", "directed"}
