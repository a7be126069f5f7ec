"""The law: forms as data, their value and Jacobian, and the named special cases."""

from unsl_tracking.law import zoo as zoo
from unsl_tracking.law.evaluate import evaluate as evaluate
from unsl_tracking.law.evaluate import log_value as log_value
from unsl_tracking.law.form import BrokenPowerLaw as BrokenPowerLaw
from unsl_tracking.law.form import Ceiling as Ceiling
from unsl_tracking.law.form import Form as Form
from unsl_tracking.law.form import ImplicitSigmoid as ImplicitSigmoid
from unsl_tracking.law.form import Limit as Limit
from unsl_tracking.law.form import Parameter as Parameter
from unsl_tracking.law.form import RepeatedData as RepeatedData
from unsl_tracking.law.form import RepeatedTokens as RepeatedTokens

__all__ = [
    "BrokenPowerLaw",
    "Ceiling",
    "Form",
    "ImplicitSigmoid",
    "Limit",
    "Parameter",
    "RepeatedData",
    "RepeatedTokens",
    "evaluate",
    "log_value",
    "zoo",
]
