"""Laws of every expert: completeness, shapes, stages, starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ulna.config.input_spec import InputSpec
from ulna.config.recipe import ExpertConfig, InitialWeights, Recipe
from ulna.errors import ConfigError, WeightsError, WeightsWarning
from ulna.models import initial as initial_module
from ulna.models.encoder import build_encoder
from ulna.models.expert import Expert, build_expert
from ulna.models.imagenet import grey_normalisation
from ulna.models.initial import load_initial_weights, write_shipped
from ulna.types import BodyPart, FindingCategory

PARTS = (BodyPart.ELBOW, BodyPart.HUMERUS, BodyPart.WRIST)
CATEGORIES = tuple(FindingCategory)
ENCODERS = ("cnn", "vgg19", "densenet121", "resnet50", "mobilenetv3_small_050")


def _expert(encoder: str, neck: str = "plain", size: int = 64) -> Expert:
    torch.manual_seed(0)
    config = ExpertConfig(name="e", encoder=encoder, neck=neck)  # type: ignore[arg-type]
    expert = build_expert(config, PARTS, CATEGORIES, InputSpec(size=size)).eval()
    if neck == "attention":
        nn.init.normal_(expert.neck.score.weight)  # type: ignore[union-attr, arg-type]
    return expert


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("neck", ["plain", "attention"])
def test_logit_is_mean_of_map_plus_bias(encoder: str, neck: str) -> None:
    expert = _expert(encoder, neck)
    with torch.no_grad():
        out = expert(torch.randn(3, 1, 64, 64, generator=torch.Generator().manual_seed(1)))
    assert out.abnormal_BP.shape == out.body_part_BP.shape == (3, 3)
    assert out.finding_BF.shape == (3, len(CATEGORIES))
    mean = out.cam_BPhw.mean(dim=(2, 3)) + expert.bias_P
    torch.testing.assert_close(mean, out.abnormal_BP, atol=1e-4, rtol=0)


@pytest.mark.parametrize("scale", [0.5, 0.75, 2.0])
def test_an_expert_of_another_scale_sees_the_resized_image(scale: float) -> None:
    plain = _expert("cnn", "attention", 128)
    other = build_expert(
        ExpertConfig("e", "cnn", neck="attention", input_scale=scale),
        PARTS,
        CATEGORIES,
        InputSpec(size=128),
    ).eval()
    other.load_state_dict(plain.state_dict())
    x = torch.randn(2, 1, 128, 128, generator=torch.Generator().manual_seed(1))
    side = int(128 * scale)
    with torch.no_grad():
        small = nn.functional.interpolate(x, (side, side), mode="bilinear", align_corners=False)
        for result, wanted in zip(other(x), plain(small), strict=True):
            torch.testing.assert_close(result, wanted)
        for one, two in zip(other.pool(x), plain.pool(small), strict=True):
            torch.testing.assert_close(one, two)
        assert other(x).cam_BPhw.shape[-1] == side // 8


@pytest.mark.parametrize(("crop", "scale"), [(96, 0.75), (64, 0.6), (0, 9.0)])
def test_crops_must_fit_the_scale(crop: int, scale: float) -> None:
    with pytest.raises(ConfigError, match="scale"):
        ExpertConfig("e", "cnn", crop_size=crop, input_scale=scale)


def test_map_of_cnn_has_an_eighth_of_the_side() -> None:
    with torch.no_grad():
        assert _expert("cnn")(torch.zeros(1, 1, 96, 96)).cam_BPhw.shape[-2:] == (12, 12)


def test_attention_starts_as_the_plain_average_and_pools_by_weight() -> None:
    config = ExpertConfig(name="e", encoder="cnn", neck="attention")
    neck = build_expert(config, PARTS, (), InputSpec(size=64)).neck
    grid = torch.randn(2, 64, 8, 8)
    plain, weighted = neck(grid).chunk(2, dim=1)
    torch.testing.assert_close(plain, weighted)
    nn.init.normal_(neck.score.weight)  # type: ignore[union-attr, arg-type]
    weighted = neck(grid)[:, 64:]
    pooled = torch.einsum("bn,bcn->bc", neck.score(grid).flatten(1).softmax(1), grid.flatten(2))
    torch.testing.assert_close(weighted.mean(dim=(2, 3)), pooled, atol=1e-5, rtol=1e-4)


def test_attention_changes_the_abnormal_head_but_not_the_body_part() -> None:
    expert = _expert("cnn", "attention")
    x = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        first = expert(x)
        nn.init.zeros_(expert.neck.score.weight)  # type: ignore[union-attr, arg-type]
        flat = expert(x)
    assert first.attention_BAhw.shape == (1, 1, 8, 8)
    assert _expert("cnn", "plain")(x).attention_BAhw.shape == (1, 0, 8, 8)
    torch.testing.assert_close(first.body_part_BP, flat.body_part_BP)
    assert not torch.equal(first.abnormal_BP, flat.abnormal_BP)
    share = (first.cam_BPhw / flat.cam_BPhw)[0, 0].flatten()
    expected = first.attention_BAhw.flatten().softmax(0) * 64
    torch.testing.assert_close(share, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_stages_hold_every_parameter_once(encoder: str) -> None:
    expert = _expert(encoder, "attention")
    listed = [id(p) for stage in expert.stages() for p in stage]
    assert len(listed) == len(set(listed))
    assert set(listed) == {id(p) for p in expert.parameters()}
    heads = {id(p) for p in expert.stages()[-1]}
    assert id(expert.abnormal.weight) in heads
    first = {id(p) for p in expert.stages()[0]}
    assert id(next(expert.encoder.parameters())) in first


def test_vgg_leaves_its_fully_connected_layers_out() -> None:
    assert sum(p.numel() for p in build_encoder("vgg19", 64).parameters()) < 21e6


@pytest.mark.parametrize(
    ("name", "message"),
    [("resnet51", "unknown encoder"), ("vit_tiny_patch16_224", "feature grid|does not take")],
)
def test_encoders_without_a_grid_are_refused(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_encoder(name, 224)


def _recipe(initial: InitialWeights, encoder: str = "cnn") -> Recipe:
    config = ExpertConfig(name="e", encoder=encoder, initial=initial)
    return Recipe(name="t", experts=(config,), body_parts=PARTS, input_spec=InputSpec(size=64))


def test_file_start_fills_the_encoder(tmp_path: Path) -> None:
    source = _expert("cnn")
    for p in source.parameters():
        nn.init.normal_(p)
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    recipe = _recipe(InitialWeights("file", str(tmp_path / "w.safetensors")))
    expert = load_initial_weights(recipe.experts[0], recipe)
    for mine, given in zip(expert.encoder.parameters(), source.encoder.parameters(), strict=True):
        torch.testing.assert_close(mine, given)


def test_run_start_reads_the_expert_of_the_same_name(tmp_path: Path) -> None:
    folder = tmp_path / "experts" / "e"
    folder.mkdir(parents=True)
    source = _expert("cnn")
    save_file(source.state_dict(), folder / "weights.safetensors")
    recipe = _recipe(InitialWeights("run", str(tmp_path)))
    expert = load_initial_weights(recipe.experts[0], recipe)
    torch.testing.assert_close(
        expert.encoder.body.stem[0].weight,  # type: ignore[union-attr, index]
        source.encoder.body.stem[0].weight,  # type: ignore[union-attr, index]
    )


def test_run_start_takes_the_only_expert_whatever_its_name_but_never_guesses(
    tmp_path: Path,
) -> None:
    source = _expert("cnn")
    for name in ("one", "two"):
        (tmp_path / "experts" / name).mkdir(parents=True)
    save_file(source.state_dict(), tmp_path / "experts" / "one" / "weights.safetensors")
    recipe = _recipe(InitialWeights("run", str(tmp_path)))
    expert = load_initial_weights(recipe.experts[0], recipe)
    for mine, given in zip(expert.encoder.parameters(), source.encoder.parameters(), strict=True):
        torch.testing.assert_close(mine, given)
    save_file(source.state_dict(), tmp_path / "experts" / "two" / "weights.safetensors")
    with pytest.raises(WeightsError, match="expected weights of expert 'e'"):
        load_initial_weights(recipe.experts[0], recipe)
    named = _recipe(InitialWeights("run", str(tmp_path), expert="two"))
    chosen = load_initial_weights(named.experts[0], named)
    for mine, given in zip(chosen.encoder.parameters(), source.encoder.parameters(), strict=True):
        torch.testing.assert_close(mine, given)
    absent = _recipe(InitialWeights("run", str(tmp_path), expert="three"))
    with pytest.raises(WeightsError, match="three"):
        load_initial_weights(absent.experts[0], absent)


def test_colour_weights_are_summed_to_one_channel(tmp_path: Path) -> None:
    import timm

    colour = timm.create_model("resnet18", num_classes=1000)
    torch.save(colour.state_dict(), tmp_path / "resnet18.pth")
    recipe = _recipe(InitialWeights("file", str(tmp_path / "resnet18.pth")), "resnet18")
    expert = load_initial_weights(recipe.experts[0], recipe)
    grey = torch.randn(1, 1, 64, 64)
    colour.eval()
    expert.eval()
    with torch.no_grad():
        expected = colour.forward_features(grey.expand(-1, 3, -1, -1))
        torch.testing.assert_close(expert.encoder(grey), expected, atol=1e-3, rtol=1e-3)


def test_weights_that_are_not_there_or_do_not_fit_are_errors(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        recipe = _recipe(InitialWeights("file", str(tmp_path / "none.pth")))
        load_initial_weights(recipe.experts[0], recipe)
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(WeightsError, match=r"text\.pth"):
        recipe = _recipe(InitialWeights("file", str(tmp_path / "text.pth")))
        load_initial_weights(recipe.experts[0], recipe)
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="fits 0 of"):
        recipe = _recipe(InitialWeights("file", str(tmp_path / "other.safetensors")))
        load_initial_weights(recipe.experts[0], recipe)
    with pytest.raises(WeightsError, match="no ImageNet weights"):
        recipe = _recipe(InitialWeights("imagenet"))
        load_initial_weights(recipe.experts[0], recipe)


def test_imagenet_start_offline_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no connection")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", offline)
    recipe = _recipe(InitialWeights("imagenet"), "resnet18")
    wanted = "come from .*timm/resnet18"
    with pytest.raises(WeightsError, match=wanted), pytest.warns(WeightsWarning, match=wanted):
        load_initial_weights(recipe.experts[0], recipe)


def test_imagenet_start_loads_what_the_hub_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    torch.manual_seed(3)
    hub = timm.create_model("resnet18").state_dict()
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", lambda *_, **__: dict(hub))
    recipe = _recipe(InitialWeights("imagenet"), "resnet18")
    with pytest.warns(WeightsWarning, match="timm/resnet18.*nothing but the request leaves"):
        expert = load_initial_weights(recipe.experts[0], recipe)
    given = expert.encoder.body.conv1.weight  # type: ignore[union-attr]
    # Brought to the recipe's grey levels: tests/models/test_normalisation.py
    _, std = grey_normalisation("resnet18") or (0, 0)
    summed = hub["conv1.weight"].sum(1, keepdim=True) * recipe.input_spec.std / std
    torch.testing.assert_close(given, summed)


def test_shipped_start_is_the_encoder_of_a_run_in_half_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(initial_module, "__file__", str(tmp_path / "initial.py"))
    recipe = _recipe(InitialWeights("shipped"))
    with pytest.raises(WeightsError, match="missing"):
        load_initial_weights(recipe.experts[0], recipe)
    source = _expert("cnn")
    folder = tmp_path / "run" / "experts" / "cnn"
    folder.mkdir(parents=True)
    save_file(source.state_dict(), folder / "weights.safetensors")
    assert write_shipped(tmp_path / "run").stat().st_size < 2e6
    expert = load_initial_weights(recipe.experts[0], recipe)
    for mine, given in zip(expert.encoder.parameters(), source.encoder.parameters(), strict=True):
        torch.testing.assert_close(mine, given, atol=1e-3, rtol=1e-3)
    recipe = _recipe(InitialWeights("shipped"), "resnet18")
    with pytest.raises(WeightsError, match="no weights of 'resnet18' are shipped"):
        load_initial_weights(recipe.experts[0], recipe)


def test_the_package_has_its_shipped_weights() -> None:
    recipe = _recipe(InitialWeights("shipped"))
    torch.manual_seed(0)
    random = load_initial_weights(_recipe(InitialWeights()).experts[0], recipe)
    torch.manual_seed(0)
    shipped = load_initial_weights(recipe.experts[0], recipe)
    moved = [
        not torch.allclose(a, b)
        for a, b in zip(shipped.encoder.parameters(), random.encoder.parameters(), strict=True)
    ]
    assert all(moved)
