"""Pages that deny the weights which a release carries."""

from custom.release.contents import bundle_contents
from custom.release.releasing import release
from custom.release.weight_claims import contradiction, weight_claims

from ..bundle_copies import STATED, change_metadata, fresh_weights

FLARE = "flare_pseudolabel"


def test_sentences_are_found_across_lines_and_others_are_not():
    pages = {
        "docs/README.md": b"# Data\n\nNo trained\nweights are shipped. It has weights.\n\nThe weights are not shipped",
        "docs/data_license.txt": b"This ships no data and no weights trained on patient data.\n\nNo data. Weights.",
        "models/README.md": b"`model.pt`: the weights. Trained without a GPU; weights of no other network fit.",
        "custom/engines.md": b"no weights",
        "docs/picture.png": b"\x89PNG no weights",
    }
    assert weight_claims(pages) == [
        'docs/README.md says "No trained weights are shipped."',
        'docs/README.md says "The weights are not shipped"',
        'docs/data_license.txt says "This ships no data and no weights trained on patient data."',
    ]
    assert contradiction({"docs/README.md": b"Trained weights are shipped."}) == ""


def test_a_release_with_weights_warns_in_one_line_and_one_without_does_not(copied, tmp_path, caplog):
    root = copied(FLARE)
    change_metadata(root, eval_metrics=STATED)
    model = fresh_weights(root, tmp_path / "model.pt")
    release(output=str(tmp_path / "dist"), source=str(root.parent))
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    release(output=str(tmp_path / "other"), source=str(root.parent), weights=f"{FLARE}={model}")
    (line,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "\n" not in line and line.startswith(f"{FLARE}: it has weights, but ")
    for claim in weight_claims(bundle_contents(root, "code")):
        assert claim in line
    assert line.count(" says ") == 3, "page, licence of the data, models/README.md"
