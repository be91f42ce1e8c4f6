"""The error tree: every fault that a user can meet has a class, one sentence and one hint.

EsmmError
├── RecipeError         a recipe cannot be used; carries every fault found, each with its line
├── CatalogueError      a catalogue cannot be read at all (single bad lines are rejected, not raised)
├── PhotoError          one photo cannot be used; costs a product its photo vector, nothing else
├── EncoderError        an encoder cannot be loaded, or does not fit the index
├── AlignError          a photo encoder cannot be trained
├── LearnError          judgements, clicks or a fusion cannot be used
├── QueryError          a query cannot be understood or built
├── ClusterError        the server was reached, or not, and something is wrong there
│   ├── Unreachable     nothing answers
│   ├── AccessDenied    wrong or missing credentials or rights
│   ├── Incompatible    server, client or licence do not allow what was asked for
│   ├── IndexFault      an index or alias is missing, is of the wrong kind or refuses writes
│   ├── Locked          another run changes what is behind the alias
│   └── LoadFailed      a load did not end well; the alias was not moved
└── NodeError           the local node cannot be fetched, started or stopped
"""

from collections.abc import Sequence


class EsmmError(Exception):
    """Something a user can mend: one sentence that says what and where, one hint that says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class RecipeError(EsmmError):
    """A recipe cannot be used; ``faults`` holds one sentence for each thing wrong."""

    def __init__(self, source: str, faults: Sequence[str], hint: str = "") -> None:
        self.faults = list(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        super().__init__("\n".join([f"{source} has {count}:", *(f"  {fault}" for fault in self.faults)]), hint)


class CatalogueError(EsmmError):
    """A catalogue cannot be read at all."""


class PhotoError(EsmmError):
    """One photo cannot be used."""


class EncoderError(EsmmError):
    """An encoder cannot be loaded, or does not fit the index."""


class AlignError(EsmmError):
    """A photo encoder cannot be trained; the last good state is kept."""


class LearnError(EsmmError):
    """Judgements, clicks or a fusion cannot be used."""


class QueryError(EsmmError):
    """A query cannot be understood or built."""


class ClusterError(EsmmError):
    """The server refused, failed or could not be reached."""


class Unreachable(ClusterError):
    """Nothing answers at the address."""


class AccessDenied(ClusterError):
    """The credentials are missing or wrong, or lack a right."""


class Incompatible(ClusterError):
    """Server, client or licence do not allow what was asked for."""


class IndexFault(ClusterError):
    """An index or alias is missing, of the wrong kind, or refuses writes."""


class Locked(ClusterError):
    """Another run changes what is behind the alias."""


class LoadFailed(ClusterError):
    """A load did not end well; the alias was not moved."""


class NodeError(EsmmError):
    """The local node cannot be fetched, started or stopped."""
