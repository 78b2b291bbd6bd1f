"""Evaluation and prediction: averages, one clip like a clip of a store, a run and its store."""

import errno
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from scipy.special import softmax

import pcsta
from fakes import clip_arrays, make_store, tiny
from pcsta import evaluation
from pcsta.batches import SubSequences
from pcsta.config import TrainConfig, row
from pcsta.data.clip import Clip
from pcsta.evaluation import (
    ModelInput,
    Prediction,
    accuracy,
    confusion,
    evaluate,
    infer,
    predict_clip,
    predict_clips,
)
from pcsta.pose_tensor import PoseTensor
from pcsta.skeletons import KINECT_V2
from pcsta.subsequences import frame_indices
from pcsta.training import train
from pcsta.two_stream import TwoStream

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("fake") / "store", clips=10)


@pytest.fixture
def clip():
    arrays = clip_arrays(1, length=31)
    pixels = np.full((31, 2, 25, 2), np.nan, np.float32)
    pixels[:, 0] = 50
    return Clip("clip-001", arrays["joints"], pixels, KINECT_V2, label=1, subject="1")


# --- clips of a store ----------------------------------------------------------------------------
def test_accuracy_and_confusion():
    logits, labels = np.eye(2)[[0, 1, 0, 0]], np.array([0, 1, 0, 1])
    assert accuracy(logits, labels) == 0.75
    assert confusion(logits, labels).tolist() == [[2, 0], [1, 1]]


def test_every_frame_is_projected_once(store, monkeypatch):
    model = TwoStream(row("E", tiny())).eval()
    batches = SubSequences(store, model.config, CPU)
    seen, project = [], model.rgb.scaling.project
    monkeypatch.setattr(model.rgb.scaling, "project", lambda V: seen.append(len(V)) or project(V))
    once = predict_clips(model, batches, np.array([3, 5]), count=10)
    assert sum(seen) == 48  # two clips of 24 frames, not 2 x 10 x 20
    monkeypatch.undo()
    b = next(batches.testing(np.array([3, 5]), 10))
    logits = model(b.pose_tensor, b.glimpses, b.present).logits.detach().view(2, 10, -1).mean(1)
    np.testing.assert_allclose(once.logits, logits, rtol=1e-5, atol=1e-6)


def test_glimpses_that_do_not_fit_in_memory_are_projected_batch_by_batch(store, monkeypatch):
    torch.manual_seed(0)
    model = TwoStream(row("K", tiny())).eval()
    batches, clips = SubSequences(store, model.config, CPU), np.array([3, 5])
    once = predict_clips(model, batches, clips)
    monkeypatch.setattr("pcsta.batches.PROJECTED_BYTES", 0)
    assert batches.projected_by(model.rgb.scaling, clips, 10) is batches
    again = predict_clips(model, batches, clips)
    np.testing.assert_allclose(again.logits, once.logits, rtol=1e-5, atol=1e-6)


def test_logits_are_the_mean_over_sub_sequences(store):
    """Against each alone (mean of ten, section 5)."""
    torch.manual_seed(0)
    model = TwoStream(row("K", tiny())).eval()
    batches = SubSequences(store, model.config, CPU)
    said = predict_clips(model, batches, np.array([3, 5]), count=4)
    assert said.spatial.shape == (2, 4, 20, 4) and said.frames.shape == (2, 4, 20)
    one_by_one = [
        model(b.pose_tensor, b.glimpses, b.present).logits.detach()
        for b in batches.testing(np.array([3]), 4, batch=1)
    ]
    np.testing.assert_allclose(said.logits[0], torch.cat(one_by_one).mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        said.logits, said.pose_logits + said.rgb_logits, rtol=1e-4, atol=1e-5
    )


def test_a_pass_leaves_the_model_in_the_mode_it_was_in(store):
    model = TwoStream(row("A", tiny())).train()
    batch = next(SubSequences(store, model.config, CPU).testing(np.array([3]), 2))
    out = infer(model, ModelInput(batch.pose_tensor, None, None))
    assert model.training and not out.logits.requires_grad
    torch.testing.assert_close(out.logits, model.eval()(batch.pose_tensor).logits)


# --- one clip ------------------------------------------------------------------------------------
@torch.no_grad()
def test_logits_of_ten_sub_sequences_are_averaged(clip):
    torch.manual_seed(0)
    model = TwoStream(row("K", tiny())).eval()
    V = clip_arrays(1, length=31)["glimpses"].astype(np.float16)
    said = predict_clip(model, clip, V)
    logits = []
    for frames in frame_indices(31, 20, count=10):
        X = PoseTensor.from_config(model.config)(torch.from_numpy(clip.joints[frames])[None])
        present = torch.from_numpy(np.isfinite(clip.hands[frames]).all(-1))[None]
        out = model(X, torch.from_numpy(V[frames]).float()[None], present)
        logits.append(out.logits[0].numpy())
    np.testing.assert_allclose(said.probabilities, softmax(np.mean(logits, 0)), rtol=1e-4)
    assert said.top(("rest", "raise"), 1)[0][1] == pytest.approx(said.probabilities.max())


@pytest.mark.parametrize("name", ["A", "K", "either order", "frame"])
def test_a_clip_alone_is_told_what_it_is_told_in_a_store(store, tmp_path, name):
    torch.manual_seed(0)
    config = row(name if name in "AK" else "K" if name == "either order" else "B", tiny())
    if name == "either order":
        config = replace(config, either_order=True)
    if name == "frame":
        config = replace(config, crops="frame")
        store = make_store(tmp_path / "frames", clips=10, crop_size=None)
    model = TwoStream(config).eval()
    said = predict_clips(model, SubSequences(store, config, CPU), np.array([3, 5]))
    pixels = np.full((24, 2, 25, 2), np.nan, np.float32)
    pixels[:, 0] = 50
    stored = store.clips[5]
    clip = Clip(stored.name, store.joints(5), pixels, KINECT_V2, stored.label, stored.subject)
    glimpses = None if name == "A" else np.asarray(store.glimpses(5))
    alone, among = predict_clip(model, clip, glimpses), said[1]
    assert alone.labels == among.labels == stored.label and alone.logits.shape == (2,)
    np.testing.assert_array_equal(alone.frames, among.frames)
    for one, other in (
        (getattr(p, k) for p in (alone, among)) for k in ("logits", "spatial", "temporal")
    ):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_the_most_probable_come_first():
    one = np.zeros((), int)
    said = Prediction(
        one, one, np.array([0.0, 2.0, 1.0]), None, None, None, None, np.zeros((1, 20), int)
    )
    assert [name for name, _ in said.top(("a", "b", "c"), 2)] == ["b", "c"]
    assert sum(p for _, p in said.top(("a", "b", "c"))) == pytest.approx(1)


# --- a run ---------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def run(store, tmp_path_factory):
    recipe = TrainConfig(name="test", pose_epochs=1, rgb_epochs=1, batch=4, validation=0.2)
    out = tmp_path_factory.mktemp("run") / "a"
    return train(store, row("A", tiny()), recipe, out, seed=3, device="cpu", progress=False)


def test_a_run_finds_its_store(store, run):
    found = evaluate(run, device="cpu")
    assert found == evaluate(run, store.path, "cpu")
    assert found.clips == 5 and np.sum(found.confusion) == 5 and found.seed == 3
    right = np.trace(found.confusion)
    assert found.accuracy == pytest.approx(right / 5)
    assert list(found.per_class) == ["rest", "raise"]
    assert found.per_class["rest"] == found.confusion[0][0] / sum(found.confusion[0])
    assert json.loads((run / "evaluation.json").read_text()) == asdict(found)


def test_a_run_of_somebody_else_is_tested_without_a_note_in_it(run, monkeypatch):
    def full(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pcsta.evaluation.write_json", full)
    with pytest.warns(UserWarning, match=r"evaluation.json is not written \(Permission denied\)"):
        assert evaluate(run, device="cpu").clips == 5


def test_a_store_that_has_moved_may_be_named(store, run, tmp_path):
    where = run / "store.json"
    kept = where.read_text()
    where.write_text(json.dumps({"path": str(tmp_path / "gone")}))
    try:
        with pytest.raises(ValueError, match=r"gone holds no prepared data.*--store"):
            evaluate(run, device="cpu")
        assert evaluate(run, store.path, "cpu").clips == 5
    finally:
        where.write_text(kept)


def test_the_packages_face_has_both_functions():
    assert (pcsta.evaluate, pcsta.predict) == (evaluation.evaluate, evaluation.predict)
    with pytest.raises(AttributeError, match="no attribute 'conjure'"):
        _ = pcsta.conjure


def test_another_store_or_none_is_refused(run, tmp_path):
    other = make_store(tmp_path / "other", clips=12)
    with pytest.raises(ValueError, match="another store"):
        evaluate(run, other.path, "cpu")
    where = run / "store.json"
    kept = where.read_text()
    where.unlink()
    try:
        with pytest.raises(FileNotFoundError, match="--store"):
            evaluate(run, device="cpu")
    finally:
        where.write_text(kept)
