"""The fit: a prior, a solver, a ladder of forms, and the search that weighs them."""

from unsl_tracking.fit.component import Component as Component
from unsl_tracking.fit.component import fit_component as fit_component
from unsl_tracking.fit.ladder import Roles as Roles
from unsl_tracking.fit.ladder import Rung as Rung
from unsl_tracking.fit.ladder import ladder as ladder
from unsl_tracking.fit.mixture import Member as Member
from unsl_tracking.fit.mixture import Mixture as Mixture
from unsl_tracking.fit.mixture import typical_error as typical_error
from unsl_tracking.fit.points import Points as Points
from unsl_tracking.fit.points import size_of as size_of
from unsl_tracking.fit.refresh import refresh as refresh
from unsl_tracking.fit.search import search as search

__all__ = [
    "Component",
    "Member",
    "Mixture",
    "Points",
    "Roles",
    "Rung",
    "fit_component",
    "ladder",
    "refresh",
    "search",
    "size_of",
    "typical_error",
]
