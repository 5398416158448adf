"""Every error that foretell raises on purpose, as one tree.

    ForetellError
    ├── ConfigError              a setting is wrong                                 exit  2
    ├── ImportFailed             a model's files cannot become a bundle             exit  3
    │   ├── SourceNotFound       no such file or folder                             exit  3
    │   ├── UnreadableFile       damaged, or not the format that it claims          exit  3
    │   ├── UnsafePickle         would execute something to be read                 exit  3
    │   ├── UnsupportedModel     a layer, option or scaler that is not known        exit  3
    │   └── MissingFact          the files do not say it and no flag did            exit  3
    ├── BundleError              a bundle cannot be trusted                         exit  4
    │   ├── BundleNotFound       no such folder, name, version or alias             exit  4
    │   ├── ManifestInvalid      bundle.json is wrong; names the field              exit  4
    │   ├── DigestMismatch       a file is not the one that was written             exit  4
    │   └── GoldenMismatch       the engine's answers differ from the source's      exit  4
    ├── InputError               rows or windows that cannot be forecast            exit  5
    │   ├── ShapeError           an array of the wrong shape; names both            exit  5
    │   └── AdapterError         adapter.yaml is wrong; names the line              exit  2
    ├── EngineError              the runtime failed on a batch                      exit  6
    ├── RayUnreachable           no way to the cluster worked                       exit  7
    ├── DeployFailed             a version never became ready, or turned sick       exit  9
    ├── ServerUnreachable        nobody answers, or somebody who is no foretell     exit  9
    └── KafkaError               the broker or a topic                              exit  8
        ├── BrokerUnreachable    nobody answers at the address                      exit  8
        ├── TopicMissing         and could not be created                           exit  8
        └── Fenced               another worker took over; stop at once             exit  8

Each message says what was wrong and where; `cure` says what to do about it.
"""

from typing import ClassVar


class ForetellError(Exception):
    """The root. `code` names the class in logs and answers; `exit_status` ends a command."""

    code: ClassVar[str] = "internal"
    exit_status: ClassVar[int] = 1
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, cure: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message}\n  {self.cure}" if self.cure else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Ray carries errors between processes, and keyword arguments are lost by default.
        return _rebuild, (type(self), self.message, self.cure)


def _rebuild(cls: type[ForetellError], message: str, cure: str | None) -> ForetellError:
    return cls(message, cure=cure)


class ConfigError(ForetellError):
    code, exit_status, http_status = "config", 2, 500


class ImportFailed(ForetellError):
    code, exit_status, http_status = "import_failed", 3, 422


class SourceNotFound(ImportFailed):
    code = "source_not_found"


class UnreadableFile(ImportFailed):
    code = "unreadable_file"


class UnsafePickle(ImportFailed):
    code = "unsafe_pickle"


class UnsupportedModel(ImportFailed):
    code = "unsupported_model"


class MissingFact(ImportFailed):
    code = "missing_fact"


class BundleError(ForetellError):
    code, exit_status, http_status = "bundle", 4, 500


class BundleNotFound(BundleError):
    code, http_status = "bundle_not_found", 404


class ManifestInvalid(BundleError):
    code = "manifest_invalid"


class DigestMismatch(BundleError):
    code = "digest_mismatch"


class GoldenMismatch(BundleError):
    code = "golden_mismatch"


class InputError(ForetellError):
    code, exit_status, http_status = "input", 5, 422


class ShapeError(InputError):
    code = "shape"


class AdapterError(InputError):
    code, exit_status = "adapter", 2


class EngineError(ForetellError):
    code, exit_status, http_status = "engine", 6, 500


class RayUnreachable(ForetellError):
    code, exit_status, http_status = "ray_unreachable", 7, 503


class DeployFailed(ForetellError):
    code, exit_status, http_status = "deploy_failed", 9, 503


class ServerUnreachable(ForetellError):
    """Nobody answers at the address of a server, or somebody who is no foretell."""

    code, exit_status, http_status = "server_unreachable", 9, 503


class KafkaError(ForetellError):
    code, exit_status, http_status = "kafka", 8, 503


class BrokerUnreachable(KafkaError):
    code = "broker_unreachable"


class TopicMissing(KafkaError):
    code = "topic_missing"


class Fenced(KafkaError):
    code = "fenced"
