# The public names, each with the file that it comes from. `__init__.py` reads them here and imports
# a file when one of its names is first used; type checkers read this as any other stub.
from .archive.scoring import ArchiveReport as ArchiveReport
from .archive.scoring import score_archive as score_archive
from .benching import BenchReport as BenchReport
from .benching import bench as bench
from .calibrating import CalibrationReport as CalibrationReport
from .calibrating import calibrate as calibrate
from .config import PRESETS as PRESETS
from .config import Settings as Settings
from .core.records import Clip as Clip
from .core.records import Event as Event
from .core.records import Frame as Frame
from .core.records import Score as Score
from .core.zones import Zones as Zones
from .detect import Extras as Extras
from .detect import ScoreReport as ScoreReport
from .detect import score as score
from .errors import OddframeError as OddframeError
from .evaluation import evaluate as evaluate
from .exporting import ExportReport as ExportReport
from .exporting import export as export
from .metrics.report import EvalReport as EvalReport
from .reporting import PageReport as PageReport
from .reporting import write_report as write_report
from .score_evaluation import evaluate_scores as evaluate_scores
from .scoring import Model as Model
from .scoring import load as load
from .training import TrainReport as TrainReport
from .training import train as train
from .watching.camera_file import read_camera_file as read_camera_file
from .watching.cameras import Camera as Camera
from .watching.cameras import WatchPlan as WatchPlan
from .watching.cameras import WatchSettings as WatchSettings
from .watching.watch import WatchReport as WatchReport
from .watching.watch import watch as watch
from .settings import read_zones as read_zones

__version__: str
