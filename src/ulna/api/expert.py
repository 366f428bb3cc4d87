"""One trained network as a torch module, to fine-tune."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ulna.errors import ConfigError, DependencyError

if TYPE_CHECKING:
    from ulna.models.expert import Expert


def load_expert(run: Path | str, name: str = "") -> Expert:
    """Load one expert of a run as a torch module.

    Parameters
    ----------
    run : path
        The folder of `ulna train` or `ulna.train`, or one fold of a cross-validation.
    name : str
        Which of its experts; may be left out where there is one.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, on the CPU. `encoder` is the pre-trained part, `abnormal`, `body_part`
        and `finding` are its linear heads, `prepare(film)` gives the (1, S, S) tensor that it
        expects, `input_spec`, `body_parts` and `categories` say in which size and order. Calling it
        with (B, 1, S, S) returns a named tuple of logits, maps and features.

    Raises
    ------
    ConfigError
        For a folder that is no run, or a name that it has not.
    WeightsError
        Where the expert is not trained to its end, or its file is damaged.
    DependencyError
        Without torch (`pip install 'ulna[train]'`).

    Examples
    --------
    >>> import ulna
    >>> expert = ulna.load_expert("runs/first", "cnn")
    >>> out = expert(expert.prepare("film.png")[None])
    >>> out.abnormal_BP.shape[1] == len(expert.body_parts)
    True
    """
    try:
        from ulna.models.trained import load_expert as load_trained
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"a torch module needs {error.name}: install Ulna's extra 'train' "
            "(pip install 'ulna[train]')"
        ) from None
    from ulna.config.codec import read_json
    from ulna.config.recipe import Recipe

    folder = Path(run)
    if not (folder / "recipe.json").is_file():
        raise ConfigError(f"{folder}: no recipe.json: expected the folder of a run (ulna train)")
    recipe = read_json(Recipe, folder / "recipe.json")
    known = {e.name: e for e in recipe.experts}
    if not name and len(known) == 1:
        (name,) = known
    if name not in known:
        raise ConfigError(f"expert {name!r} of {folder}: expected one of {', '.join(known)}")
    return load_trained(folder, recipe, known[name])
