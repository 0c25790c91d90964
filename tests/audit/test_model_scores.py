import numpy as np

from unpersonal.audit.model_scores import per_subject, standard


def test_scores_of_images_become_those_of_subjects_in_the_order_of_their_names() -> None:
    assert per_subject(np.array([1.0, 5.0, 3.0]), np.array(["b", "a", "b"])).tolist() == [5.0, 2.0]


def test_standard_scores_are_by_column() -> None:
    assert standard(np.array([[3.0, 10.0]]), np.array([1.0, 10.0]), np.array([2.0, 5.0])).tolist() == [[1.0, 0.0]]
