"""Imports point downwards: in each package a module imports only what stands above it in its list.

Imports inside functions count like all others. `pcsta` knows nothing of `pcsta_book`.
"""

import ast
from collections import Counter

import pytest

from pcsta_book.places import BOOK, ROOT

PCSTA = """
files conforms common tensors config skeletons subsequences pose_tensor pose_net glimpse
attention scaling rgb_stream two_stream symmetries
data.clip data.tracks data.bodies data.finder data.dataset data.text data.truth data.video data.crop_size data.pairing data.splits
data.ntu data.sbu data.msr_daily data.jhmdb data.own data.estimated data.blazepose data.keypoints data data.poses
data.shard data.store data.store_writer data.sources data.progress data.features data.prepare data.check data.inspect data.soundness
batches checkpoint epoch_figures preflight training evaluation film course export doctor
options console cli __main__ __init__
"""
PCSTA_BOOK = """
places assets pools exercises
synthetic.actions synthetic.actors synthetic.camera synthetic.casting synthetic.brush synthetic.tracking
synthetic.motions synthetic.scene synthetic.objects synthetic.hand
synthetic.face synthetic.figure synthetic.people synthetic.clip_plan synthetic.generate synthetic
rehearsal
figures.notation figures.style figures.pictures figures.arrays figures.paint figures.player
figures.body figures.joint_orders figures.confusion_cells figures.overlay figures.system
figures.source figures
experiments.paper experiments.bootstrap experiments.attention_controls
experiments.attention_scores experiments.baselines.joints experiments.baselines.recurrent
experiments.baselines.st_gcn experiments.baselines.glimpse_mean experiments.baselines
experiments.variants experiments.grid experiments.interventions experiments.deletion
experiments.records experiments.comparisons
artifacts
experiments.tables experiments
site.contents site.state site.equation_map site.execute site.appendices site.vendor site.progress
site.serve site.stream_export site.playground site.see_yourself site.extension site.build site
cli __init__
"""
PACKAGES = {
    "pcsta": (ROOT / "pcsta", PCSTA.split()),
    "pcsta_book": (BOOK / "pcsta_book", PCSTA_BOOK.split()),
}


def modules(package):
    """Dotted name within the package -> its file."""
    folder, _ = PACKAGES[package]
    found = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)
        found[name] = path
    return found


def imported(path, known):
    """(dotted module, whether inside a function) of every import from our own packages."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            prefixes = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
            if found := next((prefix for prefix in prefixes if prefix in known), None):
                yield found, id(node) in inside


@pytest.fixture(scope="module")
def known():
    return {
        package if name == "__init__" else f"{package}.{name}"
        for package in PACKAGES
        for name in modules(package)
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_has_its_place(package):
    _, order = PACKAGES[package]
    assert not [name for name, count in Counter(order).items() if count > 1]
    assert set(order) == set(modules(package))


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_downwards(package, known):
    _, order = PACKAGES[package]
    for name, path in modules(package).items():
        for target, _ in imported(path, known):
            top, _, rest = target.partition(".")
            if top == package:
                at = order.index(rest or "__init__")
                assert at < order.index(name), (
                    f"{package}.{name} imports {target}, which is above it"
                )
            else:
                assert package == "pcsta_book", f"pcsta.{name} imports {target}"


def test_imports_inside_functions_are_those_that_keep_the_start_quick(known):
    """`pcsta --help` answers before torch is loaded, and Ctrl-C is heard before that; no other reason."""
    for package in PACKAGES:
        for name, path in modules(package).items():
            late = [target for target, inside in imported(path, known) if inside]
            assert not late or name in LATE.get(package, ()), f"{package}.{name}: {late}"


LATE = {"pcsta": ("cli", "options", "__main__"), "pcsta_book": ("cli",)}
