"""A trained network as a torch module, for fine-tuning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ulna.errors import ConfigError, DependencyError

if TYPE_CHECKING:
    from ulna.models.expert import Expert


def load_expert(run: Path | str, name: str = "") -> Expert:
    """Load one expert of a run, or of a bundle, as a torch module.

    Parameters
    ----------
    run : path
        The folder of `ulna train` or `ulna.train`, or one fold of a cross-validation; or the folder
        of a bundle, whose weights are then loaded into a module with the same outputs. A graph that
        averages several scales or a mirror image is this module run on each of them
        (`ulna.models.test_time_augmentation.with_test_time_augmentation`). In a bundle the batch
        normalisation is folded into the convolutions: keep `torch.nn.BatchNorm2d` modules in
        evaluation mode during fine-tuning.
    name : str
        Name of the expert; may be omitted if there is only one.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, on the CPU. `encoder` is the pre-trained part; `abnormal`, `body_part`
        and `finding` are the linear heads; `prepare(image)` returns the (1, S, S) input tensor;
        `input_spec`, `body_parts` and `categories` hold its size and the order of outputs. A call
        with (B, 1, S, S) returns a named tuple of logits, maps and features.

    Raises
    ------
    ConfigError
        For a folder that is neither, or an unknown name.
    BundleError
        For a bundle with a damaged file.
    WeightsError
        If the training of the expert is not finished, or its file is damaged.
    DependencyError
        Without torch (`pip install 'ulna[train]'`).

    Examples
    --------
    >>> import ulna
    >>> expert = ulna.load_expert("runs/first", "cnn")
    >>> out = expert(expert.prepare("image.png")[None])
    >>> out.abnormal_BP.shape[1] == len(expert.body_parts)
    True
    """
    folder = Path(run)
    try:
        if (folder / "manifest.json").is_file():
            return _of_bundle(folder, name)
        return _of_run(folder, name)
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"a torch module needs {error.name}: install Ulna's extra 'train' "
            "(pip install 'ulna[train]')"
        ) from None


def _of_run(folder: Path, name: str) -> Expert:
    from ulna.config.codec import read_json
    from ulna.config.recipe import Recipe
    from ulna.models.trained import load_expert as load_trained

    if not (folder / "recipe.json").is_file():
        raise ConfigError(
            f"{folder}: neither recipe.json nor manifest.json: expected the folder of a run (ulna "
            "train) or of a bundle (ulna export)"
        )
    recipe = read_json(Recipe, folder / "recipe.json")
    known = {e.name: e for e in recipe.experts}
    return load_trained(folder, recipe, known[_chosen(name, list(known), folder)])


def _of_bundle(folder: Path, name: str) -> Expert:
    from ulna.bundle import read_bundle
    from ulna.models.from_graph import expert_of_graph

    bundle = read_bundle(folder)
    manifest = bundle.manifest
    known = {e.name: e for e in manifest.experts}
    entry = known[_chosen(name, list(known), folder)]
    configs = {e.name: e for e in manifest.recipe.experts}
    # In a bundle of all folds the expert 'net' of fold 2 is called 'net-2'.
    config = configs.get(entry.name) or configs[entry.name.rpartition("-")[0]]
    return expert_of_graph(
        bundle.graph_path(entry),
        config,
        manifest.body_parts,
        manifest.categories,
        manifest.input_spec,
    )


def _chosen(name: str, known: list[str], folder: Path) -> str:
    """Return `name`, or the name of the only expert. Raises ConfigError for an unknown name."""
    if not name and len(known) == 1:
        (name,) = known
    if not name:
        raise ConfigError(
            f"{folder}: holds {len(known)} experts: expected a name, one of {', '.join(known)}"
        )
    if name not in known:
        raise ConfigError(f"expert {name!r} of {folder}: expected one of {', '.join(known)}")
    return name
