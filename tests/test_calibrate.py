"""The arithmetic of the fit, on numbers one can check by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rag.evidence.calibrate import auroc, calibration_error, fit_logistic, named, support_figures
from rag.fit import probability, shipped


def test_auroc_counts_pairs() -> None:
    # pairs (positive, negative): (0.9, 0.1) won, (0.9, 0.4) won, (0.4, 0.1) won, (0.4, 0.4) tied: 3.5 of 4
    scores, labels = np.array([0.9, 0.4, 0.1, 0.4]), np.array([1.0, 1.0, 0.0, 0.0])
    assert auroc(scores, labels) == 3.5 / 4


def test_calibration_error_is_the_mean_gap() -> None:
    # two bins of two: says 0.2, half are true: gap 0.3; says 0.9, all are true: gap 0.1; mean 0.2
    p, labels = np.array([0.2, 0.2, 0.9, 0.9]), np.array([0.0, 1.0, 1.0, 1.0])
    assert calibration_error(p, labels, bins=2) == pytest.approx(0.2)


def test_logistic_fit_finds_the_log_odds() -> None:
    # x = 1: 3 of 4 true, log odds ln 3; x = 0: 1 of 4 true, log odds -ln 3
    x = np.array([[1.0]] * 4 + [[0.0]] * 4)
    y = np.array([1.0, 1, 1, 0, 1, 0, 0, 0])
    weights = fit_logistic(x, y, penalty=0.0)
    assert weights == pytest.approx([2 * np.log(3), -np.log(3)], abs=1e-3)
    assert probability(named(weights, ["a"]), {"a": 1.0}) == pytest.approx(0.75, abs=1e-3)


def test_the_shipped_fit_is_whole() -> None:
    fit = shipped()
    assert 0 < fit.answer_at < 1
    assert 0 < fit.support_at < 1
    assert {"bias", "model", "whole"} == fit.support.keys()
    assert {"bias", "reader"} <= fit.confidence.keys()


def test_support_figures_by_hand() -> None:
    # kept at 0.5: of three supported two; edits: 0.1 is below every true made claim (0.4, 0.8), 0.6 is not
    p = np.array([0.8, 0.4, 0.6, 0.1, 0.9, 0.2])
    labels = np.array([1.0, 1, 0, 0, 1, 0])
    sources = np.array(["made-sentence", "made-statement", "edit-name", "edit-name", "fever", "made-elsewhere"])
    found = support_figures(p, 1 - p, labels, sources, 0.5)
    assert (found["n"], found["kept_of_supported"], found["edits_caught"]) == (6, 0.6667, 0.5)
    assert found["kept_by_source"] == {
        "edit-name": 0.5, "fever": 1.0, "made-elsewhere": 0.0, "made-sentence": 1.0, "made-statement": 0.0,
    }  # fmt: skip
    # pairs won by p: 0.8 and 0.9 beat all three, 0.4 beats two; the model alone has it the other way round
    assert (found["auroc"], found["auroc_model_alone"]) == (0.8889, 0.1111)
