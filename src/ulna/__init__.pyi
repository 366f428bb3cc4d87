# The names of `import ulna` for type checkers; __init__.py loads each on first use.
from ulna.api.answer import Answer as Answer
from ulna.api.data import index as index
from ulna.api.data import split as split
from ulna.api.expert import load_expert as load_expert
from ulna.api.reader import Reader as Reader
from ulna.api.reader import load as load
from ulna.api.recipes import recipe as recipe
from ulna.api.runs import Run as Run
from ulna.api.runs import train as train
from ulna.api.scores import cross_validate as cross_validate
from ulna.api.scores import evaluate as evaluate
from ulna.config.input_spec import InputSpec as InputSpec
from ulna.config.recipe import Recipe as Recipe
from ulna.errors import UlnaError as UlnaError
from ulna.errors import UlnaWarning as UlnaWarning
from ulna.recipes import RECIPES as RECIPES
from ulna.training.dataset import RadiographDataset as RadiographDataset
from ulna.types import BodyPart as BodyPart
from ulna.types import Radiograph as Radiograph
from ulna.types import Study as Study

__version__: str
