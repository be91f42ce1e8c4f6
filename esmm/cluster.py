"""The connection to Elasticsearch: where it is, who we are there, what it can do, and what its refusals mean."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esmm.errors import AccessDenied, ClusterError, EsmmError, Incompatible, IndexFault, QueryError, Unreachable

if TYPE_CHECKING:
    from elastic_transport import ApiError, TransportError
    from elasticsearch import Elasticsearch

SMALLEST = (8, 14)
DEFAULT_URL = "http://localhost:9200"
_VARIABLES = {
    "url": "ELASTICSEARCH_URL",
    "api_key": "ELASTICSEARCH_API_KEY",
    "username": "ELASTICSEARCH_USERNAME",
    "password": "ELASTICSEARCH_PASSWORD",
    "cloud_id": "ELASTICSEARCH_CLOUD_ID",
    "ca_certs": "ELASTICSEARCH_CA_CERTS",
}


@dataclass(frozen=True)
class Connection:
    """Where the server is and who asks. Secrets never show in ``repr``, nor those inside the address."""

    url: str | None = None
    cloud_id: str | None = None
    ca_certs: str | None = None
    username: str | None = None
    password: str | None = None
    api_key: str | None = None

    def __repr__(self) -> str:
        return f"Connection({self.where}, username={self.username})"

    @property
    def named(self) -> bool:
        """Say whether a server is named at all."""
        return bool(self.url or self.cloud_id)

    @property
    def where(self) -> str:
        """Name the server without any credential in it."""
        return "the cloud deployment" if self.cloud_id else _without_credentials(self.url or DEFAULT_URL)


def connection(
    env: Mapping[str, str] = os.environ, *, env_file: str | Path = ".env", **flags: str | None
) -> Connection:
    """Gather the connection from flags, then the environment, then an ``.env`` file; the first that says it counts."""
    from dotenv import dotenv_values

    stored = dotenv_values(env_file) if Path(env_file).is_file() else {}
    found = {name: flags.get(name) or env.get(key) or stored.get(key) for name, key in _VARIABLES.items()}
    return Connection(**{name: value or None for name, value in found.items()})


def connect(where: Connection) -> "Elasticsearch":
    """Return a client; nothing is sent yet. Raises ClusterError if the settings contradict each other."""
    from elasticsearch import Elasticsearch, OrjsonSerializer

    if where.url and where.cloud_id:
        raise ClusterError("both a URL and a cloud id are given", "give one of them")
    target: dict[str, Any] = {"cloud_id": where.cloud_id} if where.cloud_id else {"hosts": where.url or DEFAULT_URL}
    if where.api_key:
        target["api_key"] = where.api_key
    elif where.username:
        target["basic_auth"] = (where.username, where.password or "")
    if where.ca_certs:
        if not Path(where.ca_certs).is_file():
            raise ClusterError(f"CA certificate {where.ca_certs} does not exist", "name the PEM file of the authority")
        target["ca_certs"] = where.ca_certs
    try:
        # Retries are ours (esmm/ingest/bulk.py): the client's would resend without any pause.
        # orjson: a request carries each query vector twice, thousands of numbers.
        return Elasticsearch(**target, request_timeout=60, max_retries=0, serializer=OrjsonSerializer())
    except (ValueError, TypeError) as error:
        hint = "copy the cloud id whole" if where.cloud_id else "write it as http://host:9200"
        raise ClusterError(f"{where.where} is no usable address: {_one_line(str(error))}", hint) from None


@dataclass(frozen=True)
class Capabilities:
    """What a server can do, as far as building requests and loading documents must know it."""

    version: tuple[int, int, int] = (9, 4, 0)
    licence: str = "basic"
    modules: frozenset[str] = frozenset({"lang-painless", "lang-mustache", "ingest-common"})

    @property
    def painless(self) -> bool:
        """Scripts can be run, so scores can be fused exactly."""
        return "lang-painless" in self.modules

    @property
    def mustache(self) -> bool:
        """Search templates can be stored and rendered."""
        return "lang-mustache" in self.modules

    @property
    def packed_vectors(self) -> bool:
        """Vectors are taken as base64."""
        return self.version >= (9, 3, 0)

    @property
    def knn_k(self) -> bool:
        """The knn query takes ``k``; before that it returns ``num_candidates`` from each shard."""
        return self.version >= (8, 15, 0)

    @property
    def pipelines(self) -> bool:
        """Ingest pipelines with conditions can be stored."""
        return self.painless and "ingest-common" in self.modules

    @property
    def paid(self) -> bool:
        """The licence allows rrf and linear retrievers."""
        return self.licence in ("trial", "enterprise")

    def strategies(self) -> dict[str, str]:
        """Return each strategy with the reason it cannot be used here, or an empty text where it can."""
        licence = "" if self.paid else f"needs an Enterprise or trial licence, not {self.licence}"
        module = "" if "rank-rrf" in self.modules else "the server lacks the module rank-rrf"
        return {
            "exact": "" if self.painless else "the server has no painless scripts",
            "boost": "",
            "client": "",
            "rrf": licence or module,
            "linear": ("" if self.version >= (8, 18, 0) else "needs Elasticsearch 8.18") or licence or module,
        }

    def __str__(self) -> str:
        return ".".join(map(str, self.version))


def capabilities(client: "Elasticsearch") -> Capabilities:
    """Ask the server what it can do. Raises Incompatible if it is older than 8.14."""
    nodes = client.nodes.info(metric="plugins", filter_path="nodes.*.version,nodes.*.modules.name")["nodes"].values()
    version = min(_version(node["version"]) for node in nodes)
    if version < SMALLEST:
        raise Incompatible(
            f"the server is Elasticsearch {'.'.join(map(str, version))}, esmm needs 8.14 or newer", "upgrade the server"
        )
    modules = frozenset.intersection(*(frozenset(m["name"] for m in node.get("modules", [])) for node in nodes))
    return Capabilities(version, _licence(client), modules)


@contextmanager
def named_errors(where: Connection | None = None) -> Iterator[None]:
    """Turn what the client raises into the errors of esmm, which say what to do."""
    from elasticsearch import ApiError, TransportError

    try:
        yield
    except ApiError as error:
        raise _from_answer(error, where) from error
    except TransportError as error:
        raise _from_transport(error, where) from error


def _licence(client: "Elasticsearch") -> str:
    from elasticsearch import ApiError

    try:
        return str(client.license.get()["license"]["type"])
    except ApiError:  # the core build has no licence API, and some roles may not ask
        return "basic"


def _version(text: str) -> tuple[int, int, int]:
    major, minor, patch = re.findall(r"\d+", text)[:3]
    return int(major), int(minor), int(patch)


def _from_transport(error: "TransportError", where: Connection | None) -> EsmmError:
    place = where.where if where else "the server"
    text = _one_line(str(error.message))  # str(error) leaves the cause out
    if "timed out" in text.lower() or "timeout" in type(error).__name__.lower():
        return Unreachable(f"{place} does not answer in time", "look at its load, or give it longer")
    if "WRONG_VERSION_NUMBER" in text:
        return Unreachable(f"{place} does not speak HTTPS", "write the address with http://")
    if "CERTIFICATE" in text.upper() or type(error).__name__ == "TlsError":
        return Unreachable(
            f"the certificate of {place} is not trusted: {text}",
            "name the authority's PEM file as --ca-certs or ELASTICSEARCH_CA_CERTS",
        )
    return Unreachable(
        f"no Elasticsearch answers at {place}: {_cause(text)}",
        "start it, set ELASTICSEARCH_URL, or run one here with esmm up",
    )


def _from_answer(error: "ApiError", where: Connection | None) -> EsmmError:
    place = where.where if where else "the server"
    kind, reason = _kind_and_reason(error.body)
    if type(error).__name__ == "UnsupportedProductError":
        return Unreachable(
            f"what answers at {place} is not Elasticsearch, or is older than 7.14",
            "check host and port of the address; esmm needs 8.14 or newer",
        )
    for pattern, make in _ANSWERS.items():
        if re.search(pattern, f"{error.meta.status} {kind} {reason}"):
            return replace_place(make, place, reason)
    answer = " ".join(str(part) for part in (error.meta.status, kind) if part)
    return ClusterError(f"{place} answers {answer}: {_one_line(reason)}", "the server's log may say more")


def replace_place(make: tuple[type[EsmmError], str, str], place: str, reason: str) -> EsmmError:
    """Fill in the sentence of a known refusal."""
    kind, sentence, hint = make
    return kind(sentence.format(place=place, reason=_one_line(reason)), hint)


# First match counts: status, type and reason of a refusal -> error, sentence, hint.
_ANSWERS: dict[str, tuple[type[EsmmError], str, str]] = {
    r"^401": (
        AccessDenied,
        "{place} does not accept the credentials",
        "check ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USERNAME and ELASTICSEARCH_PASSWORD",
    ),
    r"license is non-compliant": (
        Incompatible,
        "{place} has no licence for this: {reason}",
        "use the strategy exact or boost, which the basic licence allows",
    ),
    r"media_type_header_exception": (
        Incompatible,
        "this Python client is too new for the server at {place}",
        'pip install "elasticsearch>=8.15,<9"',
    ),
    r"analyzer \[.*\] has not been configured": (
        Incompatible,
        "{place} lacks the recipe's analyzer: {reason}",
        "choose another index.analyzer in the recipe, such as standard",
    ),
    r"flood.stage|disk usage exceeded": (
        IndexFault,
        "{place} refuses writes because its disk is nearly full (flood-stage watermark)",
        "free disk space there; the next run goes on from the vectors already made",
    ),
    r"^(?!503).*cluster_block_exception": (
        IndexFault,
        "{place} refuses the request: {reason}",
        "lift the block: PUT INDEX/_settings with index.blocks.read_only and index.blocks.write set to false",
    ),
    r"^400 .*(For input string|failed to parse date|Can't parse boolean)": (
        QueryError,
        "{place} cannot use a value in this search: {reason}",
        "filter number fields by a number, dates by a date such as 2026-01-31, booleans by true or false",
    ),
    r"^403": (AccessDenied, "{place} does not allow this: {reason}", "use a user or API key with that right"),
    r"index_not_found_exception": (IndexFault, "{place}: {reason}", "load it first: esmm ingest CATALOGUE"),
    r"^413": (ClusterError, "{place} finds a request too large", "raise http.max_content_length"),
    r"^(429|502|503|504)": (Unreachable, "{place} is overloaded or not ready: {reason}", "try again later"),
}


def _kind_and_reason(body: Any) -> tuple[str, str]:
    problem = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(problem, dict):
        return "", str(problem)[:300]
    root = (problem.get("root_cause") or [{}])[0]
    deepest = problem.get("caused_by") or root or problem
    reasons = [str(part.get("reason")) for part in (problem, root, deepest) if part.get("reason")]
    return str(problem.get("type", "")), "; ".join(dict.fromkeys(reasons))[:600]


def _cause(text: str) -> str:
    for phrase in ("Connection refused", "Name or service not known", "No route to host"):
        if phrase in text:
            return phrase.lower()
    return text[:200]


def _one_line(text: str) -> str:
    """Make a reason fit into a sentence: tags of a proxy's error page, line ends and credentials go."""
    return _without_credentials(" ".join(re.sub(r"<[^<>]*>", " ", text).split()))


def _without_credentials(text: str) -> str:
    # Greedy: a password that holds @, / or a space unescaped must not show either.
    return re.sub(r"(//).*@|^(?!\S*//)\S+@", r"\1***@", text)
