"""Artifacts: collections of versions with aliases, their manifests and files."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.integrations.wandb.server import nodes
from tests.integrations.wandb.server.store import Json, Project, Run, Store, make_id, now


@dataclass
class Collection:
    """All versions of an artifact of one name."""

    project: Project
    type: str
    name: str
    number: int
    created: str = field(default_factory=now)
    versions: list[Artifact] = field(default_factory=list)
    aliases: dict[str, Artifact] = field(default_factory=dict)


@dataclass
class Artifact:
    """One version, from its announcement to its commit."""

    collection: Collection
    number: int
    digest: str
    metadata: str | None
    description: str | None
    wanted_aliases: list[str]
    run: Run | None
    state: str = "PENDING"
    version: int | None = None
    created: str = field(default_factory=now)

    @property
    def id(self) -> str:
        return make_id("Artifact", self.number)

    @property
    def manifest_id(self) -> str:
        return make_id("ArtifactManifest", self.number)

    @property
    def manifest_blob(self) -> str:
        return f"manifest-{self.number}"

    def entries(self, store: Store) -> dict[str, Json]:
        """The files, by name, as the manifest has them."""
        text = store.blobs.get(self.manifest_blob, b'{"contents": {}}')
        return dict(json.loads(text)["contents"])


class ArtifactNode:
    """One version."""

    typename = "Artifact"
    interfaces = ()
    ttlDurationSeconds = -2
    ttlIsInherited = True
    tags: Sequence[Any] = ()
    historyStep = None
    digestAlgorithm = None
    commitHash = None
    labels = None
    updatedAt = None

    def __init__(self, artifact: Artifact, base: str, store: Store) -> None:
        self._artifact, self._base, self._store = artifact, base, store
        self.id, self.digest, self.state = artifact.id, artifact.digest, artifact.state
        self.versionIndex, self.metadata = artifact.version, artifact.metadata
        self.description, self.createdAt = artifact.description, artifact.created
        self.tags = []

    def fileCount(self) -> int:
        return len(self._artifact.entries(self._store))

    def size(self) -> int:
        return sum(
            int(each.get("size") or 0) for each in self._artifact.entries(self._store).values()
        )

    def artifactSequence(self) -> Any:
        return CollectionNode(self._artifact.collection, self._base, self._store)

    def artifactType(self) -> Any:
        collection = self._artifact.collection
        return type_node(collection.project, collection.type, self._base, self._store)

    def project(self) -> Any:
        return nodes.ProjectNode(self._artifact.collection.project, self._base, self._store)

    def aliases(self, **_: object) -> list[Any]:
        collection = self._artifact.collection
        names = [name for name, each in collection.aliases.items() if each is self._artifact]
        return [_alias(collection, name, self._base, self._store) for name in names]

    def currentManifest(self) -> Any:
        url = f"{self._base}/storage/blob/{self._artifact.manifest_blob}"
        file = nodes.plain("File", id="file", name="wandb_manifest.json", directUrl=url)
        return nodes.plain(
            "ArtifactManifest", id=self._artifact.manifest_id, digest=self.digest, file=file
        )

    def files(
        self,
        names: Sequence[str] | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Any:
        entries = self._artifact.entries(self._store)
        kept = [name for name in sorted(entries) if not names or name in names]
        return nodes.connection([self._file(name, entries[name]) for name in kept], first, after)

    def filesByManifestEntries(self, entries: Sequence[Json] = (), **_: object) -> Any:
        return self.files([each["name"] for each in entries], first=10**6)

    def createdBy(self) -> Any:
        run = self._artifact.run
        return nodes.RunNode(run, self._base, self._store) if run else None

    def artifactMemberships(self, first: int | None = None, after: str | None = None) -> Any:
        membership = Membership(self._artifact, self._base, self._store)
        return nodes.connection([membership], first, after)

    def _file(self, name: str, entry: Json) -> Any:
        blob = base64.b64decode(entry["digest"]).hex()
        url = f"{self._base}/storage/blob/{blob}"
        return nodes.plain(
            "File",
            id=make_id("File", f"{self._artifact.number}:{name}"),
            name=name,
            displayName=name,
            url=url,
            directUrl=url,
            sizeBytes=entry.get("size") or 0,
            digest=entry["digest"],
            md5=entry["digest"],
            mimetype="application/octet-stream",
            updatedAt=self._artifact.created,
            storagePath=None,
        )


class CollectionNode:
    """All versions of one name."""

    typename = "ArtifactSequence"
    interfaces = ("ArtifactCollection",)
    description = None
    updatedAt = None
    state = "READY"

    def __init__(self, collection: Collection, base: str, store: Store) -> None:
        self._collection, self._base, self._store = collection, base, store
        self.id = make_id("ArtifactSequence", collection.number)
        self.name, self.createdAt = collection.name, collection.created
        self.tags = nodes.connection([])

    def project(self) -> Any:
        return nodes.ProjectNode(self._collection.project, self._base, self._store)

    def defaultArtifactType(self) -> Any:
        return type_node(self._collection.project, self._collection.type, self._base, self._store)

    def latestArtifact(self) -> Any:
        newest = self._collection.versions[-1:]
        return ArtifactNode(newest[0], self._base, self._store) if newest else None

    def aliases(self, first: int | None = None, after: str | None = None) -> Any:
        found = [
            _alias(self._collection, name, self._base, self._store)
            for name in self._collection.aliases
        ]
        return nodes.connection(found, first, after)

    def artifacts(self, first: int | None = None, after: str | None = None, **_: object) -> Any:
        versions = reversed(self._collection.versions)
        found = [ArtifactNode(each, self._base, self._store) for each in versions]
        return nodes.connection(found, first, after)

    def artifactMemberships(
        self, first: int | None = None, after: str | None = None, **_: object
    ) -> Any:
        versions = reversed(self._collection.versions)
        found = [Membership(each, self._base, self._store) for each in versions]
        return nodes.connection(found, first, after)

    def artifactMembership(self, aliasName: str) -> Any:
        name = f"{self._collection.name}:{aliasName}"
        return member(self._collection.project, name, self._base, self._store)


class Membership:
    """That a version is in a collection."""

    typename = "ArtifactCollectionMembership"

    def __init__(self, artifact: Artifact, base: str, store: Store) -> None:
        self._node = ArtifactNode(artifact, base, store)
        self.id = make_id("Membership", artifact.number)
        self.versionIndex, self.createdAt = artifact.version, artifact.created
        self.aliases, self.artifactCollection = self._node.aliases, self._node.artifactSequence
        self.files = self._node.files
        self.filesByManifestEntries = self._node.filesByManifestEntries

    def artifact(self) -> Any:
        return self._node


def _alias(collection: Collection, name: str, base: str, store: Store) -> Any:
    return nodes.plain(
        "ArtifactAlias",
        id=make_id("ArtifactAlias", f"{collection.number}:{name}"),
        alias=name,
        artifactCollection=lambda: CollectionNode(collection, base, store),
    )


def type_node(project: Project, name: str, base: str, store: Store) -> Any:
    """A type of artifacts; every name is one."""
    found = [each for each in project.collections.values() if each.type == name]

    def all_of(first: int | None = None, after: str | None = None, **_: object) -> Any:
        return nodes.connection([CollectionNode(each, base, store) for each in found], first, after)

    def one(name: str) -> Any:
        return next(
            (CollectionNode(each, base, store) for each in found if each.name == name), None
        )

    return nodes.plain(
        "ArtifactType",
        id=make_id("ArtifactType", name),
        name=name,
        description=None,
        createdAt=project.created,
        artifactCollections=all_of,
        artifactCollection=one,
    )


def member(project: Project, name: str, base: str, store: Store) -> Membership | None:
    """The version at `name:alias`, `name:v3` or `name:digest`."""
    collection_name, _, which = name.partition(":")
    collection = project.collections.get(collection_name)
    if collection is None:
        return None
    found = collection.aliases.get(which or "latest")
    for each in collection.versions:
        if found is None and which in (f"v{each.version}", each.digest):
            found = each
    return Membership(found, base, store) if found else None


class ArtifactMutations:
    """Writing artifacts."""

    def __init__(self, store: Store, base: str) -> None:
        self._store, self._base = store, base

    def createArtifact(self, input: Mapping[str, Any]) -> Any:
        """Announce a version; the same bytes as the latest one are that one."""
        store = self._store
        project = store.make_project(input.get("entityName"), input.get("projectName"))
        name = (input.get("artifactCollectionNames") or [input.get("artifactCollectionName")])[0]
        if name not in project.collections:
            kind = input["artifactTypeName"]
            project.collections[name] = Collection(project, kind, name, next(store.numbers))
        collection = project.collections[name]
        latest = collection.versions[-1] if collection.versions else None
        aliases = [each["alias"] for each in input.get("aliases") or []]
        run = project.runs.get(input.get("runName") or "")
        same = latest is not None and latest.digest == input.get("digest")
        if latest is not None and same and input.get("enableDigestDeduplication"):
            artifact = latest
            collection.aliases |= dict.fromkeys(aliases, latest)
        else:
            about = (input["digest"], input.get("metadata"), input.get("description"))
            artifact = Artifact(collection, next(store.numbers), *about, aliases, run)
            store.artifacts[artifact.id] = artifact
        if input.get("clientID"):
            store.client_ids[input["clientID"]] = artifact.id
        if run is not None and artifact not in run.logged:
            run.logged.append(artifact)
        node = nodes.plain(
            "Artifact",
            id=artifact.id,
            state=artifact.state,
            artifactSequence=nodes.plain(
                "ArtifactSequence",
                id=make_id("ArtifactSequence", collection.number),
                latestArtifact=nodes.plain("Artifact", id=latest.id) if latest else None,
            ),
        )
        return nodes.plain("CreateArtifactPayload", artifact=node)

    def createArtifactManifest(self, input: Mapping[str, Any]) -> Any:
        return self._manifest(self._store.artifacts[input["artifactID"]])

    def updateArtifactManifest(self, input: Mapping[str, Any]) -> Any:
        wanted = input["artifactManifestID"]
        found = [each for each in self._store.artifacts.values() if each.manifest_id == wanted]
        return self._manifest(found[0])

    def _manifest(self, artifact: Artifact) -> Any:
        url = f"{self._base}/storage/blob/{artifact.manifest_blob}"
        file = nodes.plain("File", id="file", uploadUrl=url, uploadHeaders=[])
        manifest = nodes.plain("ArtifactManifest", id=artifact.manifest_id, file=file)
        return nodes.plain("CreateArtifactManifestPayload", artifactManifest=manifest)

    def createArtifactFiles(self, input: Mapping[str, Any]) -> Any:
        """Where to upload the files to."""
        found = []
        for file in input["artifactFiles"]:
            blob = hashlib.md5(file["name"].encode()).hexdigest()
            if file.get("md5"):
                blob = base64.b64decode(file["md5"]).hex()
            node = nodes.plain(
                "File",
                name=file["name"],
                storagePath=f"blob/{blob}",
                uploadUrl=f"{self._base}/storage/blob/{blob}",
                uploadHeaders=[],
                uploadMultipartUrls=None,
                artifact=nodes.plain("Artifact", id=file["artifactID"]),
            )
            found.append(node)
        files = nodes.connection(found, first=len(found))
        return nodes.plain("CreateArtifactFilesPayload", files=files)

    def commitArtifact(self, input: Mapping[str, Any]) -> Any:
        artifact = self._store.artifacts[input["artifactID"]]
        if artifact.state != "COMMITTED":
            collection = artifact.collection
            artifact.state, artifact.version = "COMMITTED", len(collection.versions)
            collection.versions.append(artifact)
            for name in ("latest", *artifact.wanted_aliases):
                collection.aliases[name] = artifact
        return self._payload(artifact)

    def updateArtifact(self, input: Mapping[str, Any]) -> Any:
        artifact = self._store.artifacts[input["artifactID"]]
        for name in ("metadata", "description"):
            if input.get(name) is not None:
                setattr(artifact, name, input[name])
        return self._payload(artifact)

    def addAliases(self, input: Mapping[str, Any]) -> Any:
        artifact = self._store.artifacts[input["artifactID"]]
        for each in input.get("aliases") or []:
            artifact.collection.aliases[each["alias"]] = artifact
        return nodes.plain("AddAliasesPayload", success=True)

    def deleteAliases(self, input: Mapping[str, Any]) -> Any:
        artifact = self._store.artifacts[input["artifactID"]]
        for each in input.get("aliases") or []:
            if artifact.collection.aliases.get(each["alias"]) is artifact:
                del artifact.collection.aliases[each["alias"]]
        return nodes.plain("DeleteAliasesPayload", success=True)

    def useArtifact(self, input: Mapping[str, Any]) -> Any:
        artifact = self._store.artifacts[input["artifactID"]]
        project = self._store.project(input.get("entityName"), input.get("projectName"))
        run = project.runs.get(input["runName"]) if project else None
        if run is not None and artifact not in run.used:
            run.used.append(artifact)
        return self._payload(artifact)

    def _payload(self, artifact: Artifact) -> Any:
        node = ArtifactNode(artifact, self._base, self._store)
        return nodes.plain("ArtifactPayload", artifact=node)
