# The public names, each with the file that it comes from. `__init__.py` reads them here and imports
# a file when one of its names is first used; type checkers read this as any other stub.
from .batch.recordings import Extras as Extras
from .batch.run import ArchiveReport as ArchiveReport
from .batch.run import score_archive as score_archive
from .core.records import Clip as Clip
from .core.records import Event as Event
from .core.records import Frame as Frame
from .core.records import Score as Score
from .core.zones import Zones as Zones
from .errors import OddframeError as OddframeError
from .inference.loading import load as load
from .inference.model import Model as Model
from .inference.score_stream import ScoreStream as ScoreStream
from .media.overlay import overlay as overlay
from .monitoring.config import Camera as Camera
from .monitoring.config import WatchPlan as WatchPlan
from .monitoring.config import WatchSettings as WatchSettings
from .monitoring.config_file import read_camera_file as read_camera_file
from .results.collected import Events as Events
from .results.collected import Scores as Scores
from .settings import read_zones as read_zones
from .tasks.bench import BenchReport as BenchReport
from .tasks.bench import bench as bench
from .tasks.calibrate import CalibrationReport as CalibrationReport
from .tasks.calibrate import calibrate as calibrate
from .tasks.evaluate import EvalReport as EvalReport
from .tasks.evaluate import evaluate as evaluate
from .tasks.evaluate import evaluate_scores as evaluate_scores
from .tasks.export import ExportReport as ExportReport
from .tasks.export import export as export
from .tasks.record import RecordReport as RecordReport
from .tasks.record import record as record
from .tasks.report import PageReport as PageReport
from .tasks.report import write_report as write_report
from .tasks.score import ScoreReport as ScoreReport
from .tasks.score import score as score
from .tasks.train import TrainReport as TrainReport
from .tasks.train import train as train
from .tasks.watch import WatchReport as WatchReport
from .tasks.watch import watch as watch
from .training.settings import PRESETS as PRESETS
from .training.settings import Settings as Settings

__version__: str
