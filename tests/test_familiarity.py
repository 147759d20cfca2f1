"""The familiarity score: a Mahalanobis distance with a threshold that keeps its promise."""

from __future__ import annotations

import numpy as np
import pytest

from dsanet_core.familiarity import FamiliarityModel, fit_familiarity

RNG = np.random.default_rng(0)
MIX = RNG.normal(size=(8, 8))
MEAN = RNG.normal(size=8)


def samples(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 8)) @ MIX + MEAN


def test_many_samples_give_the_true_mahalanobis_distance() -> None:
    model = fit_familiarity(samples(20_000, 1), samples(1000, 2))
    precision = np.linalg.inv(MIX.T @ MIX)
    for x in samples(20, 3):
        expected = -np.sqrt((x - MEAN) @ precision @ (x - MEAN))
        assert float(model.score(x)) == pytest.approx(expected, rel=0.05)
    assert float(model.score(model.mean)) == 0


@pytest.mark.parametrize("true_rate", [0.9, 0.95, 0.99])
def test_the_threshold_passes_the_promised_share(true_rate: float) -> None:
    validation = samples(1000, 2)
    model = fit_familiarity(samples(500, 1), validation, true_rate=true_rate)
    passed = np.mean([model.judge(x).is_familiar for x in validation])
    assert passed == model.true_rate
    assert true_rate <= passed <= true_rate + 0.01
    unseen = np.mean(model.score(samples(5000, 4)) >= model.threshold)
    assert unseen == pytest.approx(true_rate, abs=0.03)


def test_what_lies_off_the_training_data_is_marked() -> None:
    model = fit_familiarity(samples(500, 1), samples(1000, 2))
    narrow = np.linalg.eigh(MIX.T @ MIX)[1][:, 0]  # direction in which the data hardly varies
    step = 8 * np.sqrt(np.linalg.eigvalsh(MIX.T @ MIX)[0])
    assert not model.judge(MEAN + step * narrow).is_familiar
    assert model.judge(MEAN).is_familiar


def test_fewer_videos_than_channels_and_dead_channels_are_shrunk() -> None:
    few = np.concatenate([samples(5, 1), np.zeros((5, 2))], axis=1)
    model = fit_familiarity(few, few)
    assert np.isfinite(model.precision).all()
    assert (np.linalg.eigvalsh(model.precision) > 0).all()
    assert np.isfinite(model.score(few)).all()


def test_too_little_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 8\)"):
        fit_familiarity(samples(1, 1), samples(5, 2))
    with pytest.raises(ValueError, match="precision"):
        FamiliarityModel(np.zeros(3), np.eye(2), 0.0, 1.0)
