"""The model that comes with the package: whole, what its record says, and asked where no run is named."""

import json

import numpy as np
import pytest
import torch

from command import call
from pcsta import film
from pcsta.checkpoint import load, read_record
from pcsta.data.jhmdb import CLASSES
from pcsta.evaluation import Evaluation
from pcsta.files import read_json
from pcsta.glimpse import GlimpseSensor


def test_it_is_what_its_record_says():
    model, record = load(film.FILM), read_record(film.FILM)
    assert tuple(record["classes"]) == CLASSES and record["crop_share"] == "0.75torso"
    assert record["sensor_fingerprint"] == GlimpseSensor(record["sensor"]).fingerprint
    assert model.parameter_counts() == record["parameters"]
    assert all(torch.isfinite(p).all() and p.dtype == torch.float32 for p in model.parameters())


def test_its_accuracy_is_told_as_it_was_tested():
    tested = Evaluation(**read_json(film.FILM / "evaluation.json"))
    right, read = np.trace(tested.confusion), np.sum(tested.confusion)
    assert read == tested.clips - tested.unread
    assert tested.accuracy == pytest.approx(right / tested.clips)
    assert tested.protocol == read_record(film.FILM)["protocol"]
    assert f"{100 * tested.accuracy:.0f} % of {tested.clips}" in film.about()
    assert f"{100 * tested.accuracy:.1f} %" not in (film.FILM / "README.md").read_text("utf-8")


@pytest.mark.real
def test_it_answers_where_no_run_is_named(real_data):
    name, ntu = "S001C001P001R001A001", real_data / "ntu"
    given = ["--skeleton", ntu / f"nturgb+d_skeletons/{name}.skeleton"]
    video = ntu / f"nturgb+d_rgb/{name}_rgb.avi"
    said = json.loads(call("predict", video, *given, "--json").output)
    assert {label for label, _ in said["top"]} <= set(CLASSES)
    assert film.about() in call("predict", video, *given).output
    missing = call("predict", ntu / "none.mp4", ok=False)
    assert "none.mp4: no such video" in str(missing.exception)
