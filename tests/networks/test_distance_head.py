"""The distance head on several networks: the paper's sizes, what it adds in training, what it leaves out in eval."""

import pytest
import torch
from monai.losses import DeepSupervisionLoss, DiceCELoss

from custom.engines.gradient_norms import gradient_norm
from custom.errors import InputError
from custom.export.accurate_instance_norm import TRANSLATIONS
from custom.losses import BoundaryAwareLoss, JointLoss, supervision_weights
from custom.networks import (
    DistanceHead,
    LogitsAndField,
    NativeScaleDynUNet,
    build_network,
    field_response,
    require_distance_field,
    shared_parameters,
    supervision_scales,
    unlearnt_classes,
)

from .architectures import FACTS, MEDNEXT, NAMES, OURS, SWIN, UNET

SPINE = {
    "name": "NativeScaleDynUNet",
    "strides": [1, [1, 2, 2], [1, 2, 2], 2, [1, 2, 2], [1, 2, 2], [1, 2, 2]],
    "filters": [32, 64, 128, 256, 320, 320, 320],
}
KNIGHT = {
    "name": "NativeScaleDynUNet",
    "strides": [1, 2, 2, 2, 2, 2],
    "filters": [32, 64, 128, 256, 320, 320],
    "kernel_size": [3] * 6,
}
PATCH = [8, 8, 8]


def headed(architecture=OURS, patch=PATCH, activation="sigmoid", channels=3) -> DistanceHead:
    torch.manual_seed(0)
    network = build_network(architecture, 1, 3, patch, channels, activation)
    assert isinstance(network, DistanceHead)
    return network


def millions(network: torch.nn.Module) -> float:
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6


@pytest.mark.parametrize(("kernel", "size"), [([1, 3, 3], 44.25), ([1, 1, 1], 44.07)])
def test_spine_network_has_the_papers_size(kernel, size):
    """The paper says 44.3 M: so has nnU-Net's plan, and the kernels printed are 0.2 M away."""
    network = build_network({**SPINE, "kernel_size": [kernel, kernel, 3, 3, 3, 3, 3]}, 1, 5, [12, 256, 512], 5)
    assert millions(network) == pytest.approx(size, abs=0.01)


def test_knight_network_has_the_papers_size():
    assert millions(build_network(KNIGHT, 1, 3, [128, 128, 128], 3)) == pytest.approx(31.2, abs=0.05)


def test_field_is_bounded_and_starts_near_zero():
    scales, field = headed()(torch.randn(2, 1, *PATCH))
    assert [tuple(scale.shape) for scale in scales] == [(2, 3, 8, 8, 8), (2, 3, 8, 4, 4)]
    assert field.shape == (2, 3, 8, 8, 8)
    assert field.dtype == torch.float32
    assert field.min() >= 0
    assert field.max() <= 1
    assert field.median() < 0.05


def test_linear_head_is_not_bounded():
    _, field = headed(activation="linear", channels=1)(10 * torch.randn(2, 1, *PATCH))
    assert field.shape[1] == 1
    assert field.min() < 0
    assert field.max() > 1


def test_field_has_the_size_of_the_image_where_features_are_coarser():
    _, field = headed(UNET)(torch.rand(1, 1, *PATCH))
    assert field.shape == (1, 3, 8, 8, 8)
    assert field.max() < 1


def test_half_precision_gives_a_field_in_single_precision():
    with torch.autocast("cpu", torch.bfloat16):
        scales, field = headed()(torch.rand(1, 1, *PATCH))
    assert (scales[0].dtype, field.dtype) == (torch.bfloat16, torch.float32)


@pytest.mark.parametrize(("architecture", "patch"), [fact[:2] for fact in FACTS], ids=NAMES)
def test_equal_seeds_give_the_network_without_head_and_eval_is_its_answer_bit_for_bit(architecture, patch):
    network = headed(architecture, patch)
    torch.manual_seed(0)
    alone = build_network(architecture, 1, 3, patch).eval()
    assert all(torch.equal(network.network.state_dict()[name], value) for name, value in alone.state_dict().items())
    network.head.register_forward_hook(lambda *_: pytest.fail("the distance head ran"))
    image = torch.rand(1, 1, *patch)
    with torch.no_grad():
        assert torch.equal(network.eval()(image), alone(image))


@pytest.mark.parametrize(
    ("architecture", "patch"), [(OURS, PATCH), (SWIN, [64, 32, 32]), (MEDNEXT, PATCH)], ids=["ours", "swin", "mednext"]
)
def test_a_few_steps_learn_and_both_terms_reach_the_shared_features(architecture, patch):
    network = headed(architecture, patch).train()
    dice_ce = DiceCELoss(include_background=False, softmax=True, to_onehot_y=True)
    weights = supervision_weights(supervision_scales(network))
    loss = JointLoss(DeepSupervisionLoss(dice_ce, weights=weights), BoundaryAwareLoss())
    label = torch.zeros(2, 1, *patch)
    label[:, :, 1:4, 1:4, 1:4], label[:, :, 4:7, 4:7, 4:7] = 1, 2
    image = label + 0.1 * torch.randn(label.shape)
    target = {"label": label, "surface_distance": torch.cat([label == one for one in range(3)], 1).float()}
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for step in range(5):
        total = loss(network(image), target)
        losses.append({name: term.item() for name, term in loss.terms.items()})
        if step == 0:
            norms = {name: gradient_norm(term, shared_parameters(network)) for name, term in loss.terms.items()}
            assert min(norms.values()) > 0
        optimizer.zero_grad()
        total.backward()
        assert all(one.grad is not None for one in network.parameters() if one.requires_grad), "as DDP needs"
        optimizer.step()
    assert sum(losses[-1].values()) < 0.9 * sum(losses[0].values())


def test_scripts_and_its_checkpoint_loads_strictly():
    """Also in training mode, as MONAI's exports may leave it; scripted it always answers with logits."""
    network = headed()
    image = torch.rand(1, 1, *PATCH)
    scripted = torch.jit.script(network)
    expected = network.eval()(image)
    assert torch.equal(scripted(image), expected)
    assert torch.equal(torch.jit.script(network)(image), expected)
    other = headed()
    other.load_state_dict(scripted.state_dict(), strict=True)
    assert set(other.state_dict()) >= {"head.weight", "head.bias", "network.output_block.conv.conv.weight"}


def test_exports_with_torch_export_and_to_onnx(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    network, image = headed().eval(), torch.rand(2, 1, *PATCH)
    with torch.no_grad():
        expected = network(image)
    program = torch.export.export(network, (image,))
    assert torch.allclose(program.module()(image), expected, atol=1e-5)
    file = str(tmp_path / "model.onnx")
    torch.onnx.export(program, (), file, custom_translation_table=TRANSLATIONS, verbose=False)
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    answer = session.run(None, {session.get_inputs()[0].name: image.numpy()})[0]
    assert torch.allclose(torch.from_numpy(answer), expected, atol=1e-4)


def test_two_dimensions():
    network = DistanceHead(NativeScaleDynUNet(2, 1, 2, [3, 3, 3], [1, 2, 2], [4, 8, 16]), 2)
    assert network(torch.rand(1, 1, 16, 16))[1].shape == (1, 2, 16, 16)


def test_unknown_activation_is_refused():
    with pytest.raises(InputError, match="activation is 'relu'; use 'sigmoid' or 'linear'"):
        headed(activation="relu")


@pytest.mark.parametrize("architecture", [OURS, UNET])
def test_in_eval_mode_logits_and_the_field_of_any_class_come_in_one_tensor(architecture):
    """Of two classes, of the second of which the head answers a tenth; the first channel is that of background."""
    network = headed(architecture).eval()
    image = torch.randn(1, 1, *PATCH)
    with torch.no_grad():
        both = LogitsAndField(network, [None, 0.1])(image)
        assert torch.equal(both[:, :3], network(image))
        _, first, second = network.training_output(image)[1].split(1, dim=1)
    assert both.shape == (1, 4, *PATCH)
    assert torch.equal(both[:, 3:], torch.maximum(first, second / 0.1).clamp(max=1))


def test_a_joint_field_is_divided_by_its_own_response():
    network = DistanceHead(build_network(OURS, 1, 3, PATCH), 1).eval()
    image = torch.randn(1, 1, *PATCH)
    with torch.no_grad():
        field = network.training_output(image)[1]
        assert torch.allclose(LogitsAndField(network, [0.5])(image)[:, 3:], 2 * field)


def test_the_field_of_a_class_that_was_not_learnt_is_not_blown_up():
    """Divided by next to nothing it would confirm everything, or nothing at all."""
    network = headed(OURS).eval()
    image = torch.randn(1, 1, *PATCH)
    with torch.no_grad():
        assert torch.equal(LogitsAndField(network, [0.0, 0.5])(image), LogitsAndField(network, [1.0, 0.5])(image))


def plan(response=None, **training):
    return {"classes": ["first", "second"], "training": {**training, "field_response": response}}


def test_a_consensus_needs_a_bounded_field(caplog):
    require_distance_field(False, torch.nn.Identity(), {}, "model.pt")
    require_distance_field(True, headed(), plan({"first": 1.0, "second": 0.5}, field_normalize=True), "model.pt")
    assert caplog.text == ""
    with pytest.raises(InputError, match=r"^--consensus true: the network of model.pt has no distance head; leave"):
        require_distance_field(True, build_network(OURS, 1, 3, PATCH), plan(), "model.pt")
    with pytest.raises(InputError, match=r"model.pt was trained with field_truncate false, so its field has no scale"):
        require_distance_field(True, headed(), plan(field_truncate=False), "model.pt")


def test_a_field_of_unknown_scale_is_told_of(caplog):
    require_distance_field(True, headed(), plan({"first": 1.0}), "model.pt")
    assert "the plan next to model.pt does not say how much of its field it answers in every class" in caplog.text


def test_the_response_of_each_class():
    assert field_response(plan({"second": 0.5})) == [None, 0.5]
    assert field_response(plan()) == [None, None]
    assert field_response(plan({"foreground": 0.75})) == [0.75], "a joint field"
    own = {"classes": ["foreground", "rim"], "training": {"field_response": {"foreground": 0.75, "rim": 0.5}}}
    assert field_response(own) == [0.75, 0.5], "a class may be called so"


def test_classes_that_the_head_has_not_learnt(caplog):
    assert unlearnt_classes(plan({"first": 0.0543, "second": 0.0002})) == [2]
    assert unlearnt_classes(plan({"first": 0.5})) == [], "not known"
    assert unlearnt_classes(plan({"foreground": 0.0})) == [1, 2], "a joint field"
    require_distance_field(True, headed(), plan({"first": 0.5, "second": 0.0}), "model.pt")
    assert "the distance head of model.pt has not learnt second" in caplog.text
