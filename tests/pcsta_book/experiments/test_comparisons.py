"""Tables 1 to 3 and the comparison with and without transfer."""

from dataclasses import replace

import numpy as np
import pytest

from command import call, parses
from fakes import cores, make_store, sbu_store, tiny
from pcsta.checkpoint import load
from pcsta.config import TrainConfig
from pcsta.data.video import write_video
from pcsta.files import read_json
from pcsta_book.experiments import comparisons, records
from pcsta_book.experiments.grid import Experiment, run_grid
from recordings import ntu_text, person, sbu_text, write_ntu

RECIPE = TrainConfig(name="test", pose_epochs=1, rgb_epochs=1, rate=1e-2, batch=8, validation=0.2)


def record(**accuracies):
    """A record of row A: {protocol: one accuracy a seed}."""
    results = {
        protocol.replace("_", "-"): [{"accuracy": value} for value in values]
        for protocol, values in accuracies.items()
    }
    return {"lines": {"A": {"results": results}}}


def test_table_1_has_two_columns_and_their_average():
    """Cross-subject and cross-view (Table 1)."""
    found = record(cross_subject=[0.7, 0.8], cross_view=[0.9, 0.8])
    said = comparisons.format_comparison(1, found).splitlines()
    assert said[2].split()[-3:] == said[7].split()[-3:] == ["CS", "CV", "Avg"]
    ours, theirs = said[3:6], said[8:11]
    assert ours[0].split()[-3:] == ["75.0", "85.0", "80.0"] and ours[1].endswith("not run")
    assert theirs[0].split()[-3:] == ["77.1", "84.5", "80.8"]


def test_table_2_is_the_mean_of_the_folds():
    """Five accuracies, one cell (Table 2)."""
    found = record(fold_1=[0.7, 0.8], fold_2=[0.9, 1.0])
    said = comparisons.format_comparison(2, found).splitlines()
    assert said[3].split()[-1] == "85.0" and said[8].split()[-1] == "90.5"


def compare(large, small, out):
    """The experiment, and what it finds with and without transfer from `large`, all controls."""
    asked = Experiment(small, tiny(), RECIPE, out, ("K",), seeds=(1,), device="cpu")
    with cores(1):
        return asked, comparisons.with_and_without(asked, large, RECIPE, controls=True)


# --- with and without transfer --------------------------------------------------------------------
@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("transfer")
    large, small = make_store(folder / "large", 12), sbu_store(folder / "small", 12)
    return folder, large, small, *compare(large, small, folder / "runs")


def test_each_arm_changes_what_it_says(compared):
    folder, _, _, _, lines = compared
    assert len(lines) == 15 and {name.split()[0] for name in lines} == {"A", "G", "K"}
    for arm, rate, skeleton, source in (
        ("scratch", 1e-2, "sbu", None),
        ("transfer", 1e-3, "sbu", "sbu"),
        ("scratch-tenth", 1e-3, "sbu", None),
        ("transfer-full", 1e-2, "sbu", "sbu"),
        ("transfer-back", 1e-3, "kinect_v2", "kinect_v2"),
    ):
        assert lines[f"A {arm}"]["changes"]["rate"] == pytest.approx(rate)
        for seed in (1,):
            record = read_json(folder / f"runs/{arm}/cross-subject/seed-{seed}/G/record.json")
            assert record["recipe"]["rate"] == pytest.approx(rate)
            assert record["model"]["skeleton"] == skeleton and record["skeleton"] == "sbu"
            assert ("source" in record) == (source is not None)
            if source:
                theirs = read_json(
                    folder / f"runs/pretrained/{source}/cross-subject/seed-{seed}/G/record.json"
                )
                assert theirs["model"]["skeleton"] == source and theirs["skeleton"] == "kinect_v2"
                assert record["source"]["seed"] == theirs["seed"] == seed


def test_a_comparison_is_a_record(compared, tmp_path):
    *_, asked, lines = compared
    command = "pcsta transfer synthetic sbu --row K --controls --out runs/transfer"
    parses(command)
    told = records.describe(asked, lines, "Transfer", command)
    path = records.write(tmp_path / "record.json", told)
    assert set(read_json(path)["lines"]) == set(lines)


def test_a_comparison_continues(compared):
    folder, large, small, _, lines = compared
    assert compare(large, small, folder / "runs")[1] == lines


def test_results_that_started_elsewhere_are_refused(compared):
    folder, _, _, asked, _ = compared
    pretrained = folder / "runs/pretrained/sbu/cross-subject"
    with cores(1), pytest.raises(ValueError, match="holds another run"):
        run_grid(replace(asked, out=asked.out / "scratch", names=("A",), pretrained=pretrained))


# --- the command ----------------------------------------------------------------------------------
def test_table_2_without_images_is_pose_only(tmp_path, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0}, raising=False)  # no pool
    monkeypatch.setenv("PCSTA_DATA", str(tmp_path / "data"))
    from pcsta.skeletons import SBU

    for k, pair in enumerate(("s01s02", "s02s03", "s01s03", "s02s01", "s04s02")):
        for action in (1, 2):
            people = [
                person(22, (x, 0, 2.5), SBU, wave=0.1 * action, seed=10 * k + action)
                for x in (-0.5, 0.5)
            ]
            file = tmp_path / f"raw/{pair}/{action:02}/001/skeleton_pos.txt"
            file.parent.mkdir(parents=True)
            file.write_text(sbu_text(*people))
    out = tmp_path / "table2"
    said = call(
        "table", 2, "--root", tmp_path / "raw", "--config", "narrow", "--recipe", "small",
        "--epochs", 1, "--device", "cpu", "--workers", 0, "--out", out,
    ).output  # fmt: skip
    assert "no video here: pose only" in said
    assert said.count("not run") == 2
    record = read_json(out / "record.json")
    assert list(record["lines"]) == ["A"] and record["protocols"] == [
        f"fold-{k}" for k in range(1, 6)
    ]
    parses(record["command"])
    folds = [r[0]["accuracy"] for r in record["lines"]["A"]["results"].values()]
    ours, theirs = [x for x in said.splitlines() if x.startswith("Ours (pose only)")]
    assert ours.endswith(f" {100 * np.mean(folds):.1f}") and theirs.endswith(" 90.5")


def test_another_table_is_refused(tmp_path):
    assert "pcsta ablate" in str(call("table", 6, "--out", tmp_path, ok=False).exception)


@pytest.mark.slow
def test_table_1_at_the_papers_sizes(tmp_path, monkeypatch):
    """From files in NTU's layout to three filled rows: Inception's 2048 features, 38 million
    parameters, both protocols, one epoch. The sensor's weights are this test's."""
    import torch
    from torchvision.models import inception_v3

    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0}, raising=False)  # no pool
    monkeypatch.setenv("PCSTA_DATA", str(tmp_path / "data"))
    root = tmp_path / "ntu"
    image = np.random.default_rng(0).integers(0, 256, (1080, 1920, 3), np.uint8)
    length = 2  # frames: a crop costs Inception a quarter of a second
    for camera in (1, 2):
        for subject in (1, 2, 3):
            for action in (1, 2):
                name = f"S001C{camera:03}P{subject:03}R001A{action:03}"
                seed = 100 * camera + 10 * subject + action
                joints = person(length, wave=0.2 * action, seed=seed)
                write_ntu(root, name, ntu_text(length, [(1, 0, joints)]))
                write_video(root / f"nturgb+d_rgb/{name}_rgb.avi", [image] * length)
    torch.manual_seed(0)
    network = inception_v3(weights=None, aux_logits=True, init_weights=False)
    torch.save(network.state_dict(), tmp_path / "inception.pth")
    command = [
        "table", 1, "--root", root, "--weights", tmp_path / "inception.pth", "--epochs", 1,
        "--device", "cpu", "--workers", 0, "--out", tmp_path / "table1",
    ]  # fmt: skip
    said = call(*command).output
    rows = [x for x in said.splitlines() if x.startswith("Ours")]
    assert len(rows) == 6 and "not run" not in said
    record = read_json(tmp_path / "table1/record.json")
    assert record["command"] == (
        "pcsta table 1 --out runs/table1 --recipe paper --sensor inception-v3 --seeds 1 --epochs 1"
    )
    assert record["protocols"] == ["cross-subject", "cross-view"]
    assert {k: record["recipe"][k] for k in ("rate", "batch")} == {"rate": 1e-4, "batch": 64}
    for row, letter in zip(rows[:3], "AGK", strict=True):
        values = [
            100 * record["lines"][letter]["results"][p][0]["accuracy"] for p in record["protocols"]
        ]
        shown = [float(cell) for cell in row.split()[-3:]]
        assert shown == [round(v, 1) for v in (*values, np.mean(values))]
    model = load(tmp_path / "table1/cross-view/seed-0/G")
    assert model.config.glimpse_features == 2048 and model.config.glimpse_projection is None
    assert model.config.pose_widths == (64, 64, 1024) and model.config.classes == 60
    counts = record["lines"]["K"]["results"]["cross-view"][0]["clips"]
    assert counts == 6, "camera 1 is the test"


@pytest.mark.slow
@pytest.mark.real
def test_prepare_and_predict_the_real_ntu_files(real_data, tmp_path, monkeypatch):
    """The five real skeletons; the one with a video also with its glimpses, and predicted at the
    paper's sizes. (Inception's own features are the test's above: 200 crops take it a minute.)"""
    from pcsta.config import paper, row
    from pcsta.data import open_dataset
    from pcsta.data.prepare import prepare
    from pcsta.evaluation import predict_clip
    from pcsta.glimpse import GlimpseSensor
    from pcsta.two_stream import TwoStream

    data = open_dataset("ntu", real_data / "ntu")
    poses = prepare(data, tmp_path / "poses", None, 0, "cpu", progress=False)
    assert len(poses) == 5 and not poses.skipped
    sensor = GlimpseSensor("efficientnet-lite0")
    store = prepare(data, tmp_path / "store", sensor, 0, "cpu", progress=False)
    assert [c.name for c in store.clips] == ["S001C001P001R001A001"]
    assert len(store.skipped) == 4 and all("video" in why for why in store.skipped.values())
    glimpses = store.glimpses(0)
    assert glimpses.shape == (103, 4, 1280) and glimpses[:, :2].any(-1).all()
    net = TwoStream(row("K", paper(glimpse_features=1280)))
    said = predict_clip(net, data.read(store.clips[0].name), glimpses)
    assert said.probabilities.shape == (60,) and said.spatial.shape == (10, 20, 4)
