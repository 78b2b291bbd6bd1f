"""Knowledge transfer (section 5): what is taken over, what starts anew, what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fakes import make_store, sbu_store, tiny
from pcsta import training as module
from pcsta.batches import SubSequences
from pcsta.checkpoint import RATE_SHARE, State, load
from pcsta.config import RECIPES, TrainConfig, row
from pcsta.evaluation import evaluate
from pcsta.files import read_json
from pcsta.pose_tensor import PoseTensor
from pcsta.skeletons import KINECT_V2, SBU, conversion
from pcsta.training import train
from pcsta_book.experiments.paper import TRAINING

CPU = torch.device("cpu")
RECIPE = TrainConfig(name="test", pose_epochs=2, rgb_epochs=2, rate=1e-2, batch=4, validation=0.25)
STILL = replace(RECIPE, rate=0.0)  # a fine-tuning that leaves what it starts from


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    return make_store(folder / "source", clips=16), sbu_store(folder / "target")


def run(store, out, letter="K", recipe=RECIPE, config=None, **options):
    config = row(letter, config or tiny())
    return train(store, config, recipe, out, device="cpu", progress=False, **options)


@pytest.fixture(scope="module")
def pretrained(stores, tmp_path_factory):
    """Row K on the source, its joints read as SBU's."""
    return run(stores[0], tmp_path_factory.mktemp("runs") / "pretrained", seed=1, skeleton="sbu")


def first_batch(store, config):
    return next(iter(SubSequences(store, config, CPU).testing(np.arange(4), 2)))


def test_the_body_computes_what_the_source_computes(stores, pretrained, tmp_path):
    """s, u~ and both attentions are the source model's (transfer, section 5)."""
    target = stores[1]
    before = load(pretrained)
    after = load(run(target, tmp_path / "k", recipe=STILL, source=pretrained))
    batch = first_batch(target, after.config)
    with torch.no_grad():
        s, again = (m.pose_net(batch.pose_tensor) for m in (before, after))
        theirs, ours = (m.rgb(batch.glimpses, s, batch.present) for m in (before, after))
    assert s.std() > 0
    torch.testing.assert_close(again, s, rtol=0, atol=0)
    for a, b in zip(theirs, ours, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_the_classifiers_start_anew(stores, pretrained, tmp_path):
    target = stores[1]
    models = [
        load(run(target, tmp_path / name, recipe=STILL, source=pretrained, seed=seed))
        for name, seed in (("0", 0), ("1", 1))
    ]
    old = load(pretrained)
    for head in ("pose_head", "rgb_head"):
        new = [getattr(m, head)[1].weight for m in models]
        assert [w.shape[0] for w in new] == [3, 3]
        assert not torch.equal(*new), "they come from the seed"
        assert not torch.equal(new[0][:2], getattr(old, head)[1].weight)


def test_all_layers_are_fine_tuned(stores, pretrained, tmp_path):
    folder = run(stores[1], tmp_path / "k", source=pretrained)
    before, after = (load_file(f / "model.safetensors") for f in (pretrained, folder))
    learned = {n for n, _ in load(folder).named_parameters()}
    for name in learned:
        assert not torch.equal(before[name], after[name]), name
    for name in set(after) - learned:  # the frozen scaling, read by what was taken over
        torch.testing.assert_close(before[name], after[name], rtol=0, atol=0)


def test_a_run_remembers_where_it_started(stores, pretrained, tmp_path):
    folder = run(stores[1], tmp_path / "a", "A", source=pretrained)
    record = read_json(folder / "record.json")
    assert record["source"]["dataset"] == "fake" and record["source"]["protocol"] == "cross-subject"
    again = run(stores[0], tmp_path / "other", seed=7, skeleton="sbu")
    with pytest.raises(ValueError, match="holds another run"):
        run(stores[1], tmp_path / "a", "A", source=again)
    with pytest.raises(ValueError, match="holds another run"):
        run(stores[1], tmp_path / "a", "A")


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("stage", ["pose", "rgb"])
def test_an_interrupted_fine_tuning_continues_exactly(
    stores, pretrained, tmp_path, monkeypatch, stage
):
    target = stores[1]
    whole = load_file(run(target, tmp_path / "w", source=pretrained) / "model.safetensors")
    save = State.save

    def dies(self, out):
        save(self, out)
        if (out.name == "pose") == (stage == "pose") and self.progress["epochs"] == 1:
            raise Interrupted

    monkeypatch.setattr(module, "SAVE_SECONDS", 0)
    monkeypatch.setattr(State, "save", dies)
    with pytest.raises(Interrupted):
        run(target, tmp_path / "b", source=pretrained)
    monkeypatch.undo()
    again = load_file(run(target, tmp_path / "b", source=pretrained) / "model.safetensors")
    for name, value in whole.items():
        torch.testing.assert_close(again[name], value, rtol=0, atol=0)


def test_the_pose_stream_alone_starts_from_a_whole_model_or_from_row_a(
    stores, pretrained, tmp_path
):
    for source in (pretrained, pretrained / "pose"):
        folder = run(stores[1], tmp_path / source.name, "A", STILL, source=source)
        before, after = (load_file(f / "model.safetensors") for f in (source, folder))
        assert all(torch.equal(before[n], v) for n, v in after.items() if n.startswith("pose_net."))


def test_the_small_dataset_may_be_read_in_the_large_ones_skeleton(stores, tmp_path):
    """The other reading: 15 joints become 25, and the network is the source's."""
    source = run(stores[0], tmp_path / "source", "A")
    folder = run(stores[1], tmp_path / "a", "A", source=source, skeleton="kinect_v2")
    model = load(folder)
    assert model.config.skeleton == "kinect_v2"
    result = evaluate(folder, stores[1].path, "cpu")
    assert result.clips == 8
    batch = first_batch(stores[1], model.config)
    joints = torch.from_numpy(
        np.stack([
            stores[1].joints(i)[f] for i, f in zip(batch.clips, batch.frames, strict=True)
        ])
    )  # fmt: skip
    by_hand = torch.from_numpy(conversion(SBU, KINECT_V2)) @ joints
    torch.testing.assert_close(batch.pose_tensor, PoseTensor(KINECT_V2)(by_hand))


# --- what is refused ------------------------------------------------------------------------------
def test_a_wrong_skeleton_says_both_ways_out(stores, tmp_path):
    source = run(stores[0], tmp_path / "source", "A")
    with pytest.raises(ValueError, match=r"--skeleton kinect_v2.*--skeleton sbu"):
        run(stores[1], tmp_path / "a", "A", source=source)
    assert not (tmp_path / "a").exists()


def test_an_rgb_stream_needs_one_to_start_from(stores, pretrained, tmp_path):
    with pytest.raises(ValueError, match="pretrain row G or K"):
        run(stores[1], tmp_path / "k", source=pretrained / "pose")


@pytest.mark.parametrize(
    ("letter", "changes", "said"),
    [
        ("A", {"pose_widths": (4, 8, 8)}, "pose_widths"),
        ("A", {"order": "single"}, "order is tour there and single here"),
        ("A", {"origin": "own"}, "origin"),
        ("E", {}, "temporal is True there and False here"),
        ("K", {"glimpse_projection": 5}, "glimpse_projection"),
        ("K", {"weights": "sigmoid"}, "weights"),
    ],
)
def test_another_network_is_refused(stores, pretrained, tmp_path, letter, changes, said):
    with pytest.raises(ValueError, match=said):
        run(stores[1], tmp_path / "x", letter, config=tiny(**changes), source=pretrained)


def test_another_glimpse_sensor_is_refused_for_rgb_alone(stores, pretrained, tmp_path):
    other = sbu_store(tmp_path / "store", sensor="other-weights")
    with pytest.raises(ValueError, match="--sensor and --weights"):
        run(other, tmp_path / "k", source=pretrained)
    run(other, tmp_path / "a", "A", source=pretrained)


def test_an_unfinished_source_is_refused(stores, tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no run; train one with `pcsta train"):
        run(stores[1], tmp_path / "a", "A", source=tmp_path / "nothing")


# --- the rate -------------------------------------------------------------------------------------
def test_a_tenth_of_the_papers_rate_is_the_papers():
    fine = RECIPES["paper"].at(RATE_SHARE)
    assert fine.rate == pytest.approx(TRAINING["transfer learning rate"])
    assert fine == replace(RECIPES["paper"], rate=fine.rate)
    both = RECIPES["laptop"].at(0.5)
    assert both.rgb_rate == pytest.approx(RECIPES["laptop"].rgb_rate / 2)
