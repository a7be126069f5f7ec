"""Saved views of a project, as W&B calls both views of its workspace and reports.

Through our own connection: wandb-workspaces makes and reads their content, but sends it to whatever
server W&B's settings name, and tells failures in words only.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from unsl_tracking.errors import NotFound, TrackerError
from unsl_wandb.client import Connection
from unsl_wandb.home import Place

WORKSPACE: Final = "project-view"
REPORT: Final = "runs"
_PAGE: Final = 100
_FIELDS: Final = ("id", "name", "displayName", "spec")
_FIND: Final = """
query UnslViews($entity: String!, $project: String!, $type: String!, $name: String, $first: Int!,
    $after: String) {
  project(name: $project, entityName: $entity) {
    allViews(viewType: $type, viewName: $name, first: $first, after: $after) {
      edges { node { id name displayName spec } }
      pageInfo { endCursor hasNextPage }
    }
  }
}"""
_SAVE: Final = """
mutation UnslView($id: ID, $entity: String!, $project: String!, $type: String!, $name: String!,
    $title: String!, $description: String!, $spec: String!) {
  upsertView(input: {id: $id, entityName: $entity, projectName: $project, type: $type, name: $name,
      displayName: $title, description: $description, spec: $spec, createdUsing: WANDB_SDK}) {
    view { id name }
    inserted
  }
}"""


class View(NamedTuple):
    """A saved view or report. `id` is "" for one that the server does not have yet."""

    id: str
    name: str
    title: str
    spec: str
    type: str
    description: str = ""


def find_view(
    connection: Connection, place: Place, type: str, *, name: str | None = None, title: str = ""
) -> View | None:
    """The first view of this name, or of this title; None where there is none.

    Raises `NotFound` for an unknown project.
    """
    variables = {**place._asdict(), "type": type, "name": name, "first": _PAGE, "after": None}
    while True:
        data = connection.query(_FIND, variables, f"list the views of {place.project!r}")
        if data.get("project") is None:
            next_step = "Check its name and the entity's, or log a run to it first."
            raise NotFound("The project must exist", got="/".join(place), next_step=next_step)
        page = data["project"].get("allViews") or {}
        for edge in page.get("edges") or ():
            node = edge["node"]
            if name in (None, node.get("name")) and title in ("", node.get("displayName")):
                view_id, own, shown, spec = (str(node.get(key) or "") for key in _FIELDS)
                return View(view_id, own, shown, spec, type)
        info = page.get("pageInfo") or {}
        if not info.get("hasNextPage"):
            return None
        variables |= {"after": info.get("endCursor")}


def save_view(connection: Connection, place: Place, view: View) -> str:
    """Create the view, or replace the one of its id; the server's id."""
    variables = {
        **place._asdict(),
        "id": view.id or None,
        "type": view.type,
        "name": view.name,
        "title": view.title,
        "description": view.description,
        "spec": view.spec,
    }
    doing = f"save the view {view.title!r} of project {place.project!r}"
    data = connection.query(_SAVE, variables, doing, writing=True)
    saved = (data.get("upsertView") or {}).get("view") or {}
    if not saved.get("id"):
        raise TrackerError(f"W&B at {connection.server} must be able to {doing}", got="no view")
    return str(saved["id"])
