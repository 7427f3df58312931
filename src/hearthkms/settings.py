"""Settings: every knob of the service, its default, and one loader for the settings file."""

from __future__ import annotations

import difflib
import ipaddress
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from hearthkms.core.errors import SettingsError
from hearthkms.core.ids import ACCOUNT_ID


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one service. A settings file (TOML) uses the same names, as does the command line.

    Sizes are bytes, times are seconds unless the name says otherwise. Relative paths start at the folder in
    which the command runs.
    """

    data: Path = Path("hearthkms-data")
    """Folder for the database, the root key file and the audit log; made with mode 0700."""
    database: str | None = field(default=None, repr=False)
    """`sqlite:///PATH` or `postgresql://USER:PASSWORD@HOST/NAME`; by default SQLite inside `data`."""
    host: str = "127.0.0.1"
    """Address to listen on. Anything but loopback demands TLS or `tls_terminated_by_proxy`."""
    port: int = 7710
    """TCP port; 0 takes any free one."""
    workers: int = 1
    """API worker processes; one per core is a good number."""
    account_id: str | None = None
    """12-digit AWS account id of the deployment; generated once when it is not given."""
    regions: tuple[str, ...] = ()
    """Region names served; empty means every Region of the `aws` partition."""
    dev: bool = False
    """Development: make a root access key at first start, and print it at every start."""
    tls_cert: Path | None = None
    """PEM file with the server's certificate chain."""
    tls_key: Path | None = None
    """PEM file with the certificate's private key."""
    tls_dev: bool = False
    """Serve TLS with a development certificate, made in `data`/tls with a CA bundle beside it."""
    tls_terminated_by_proxy: bool = False
    """A proxy in front ends TLS, so plain HTTP may be served on an address that is not loopback."""
    ready_file: Path | None = None
    """JSON file (mode 0600) written when the service can answer, removed when it stops."""
    root_of_trust: str | None = None
    """What seals the domain keys: `key-file` or `passphrase`; by default what this deployment uses already,
    and a key file for a new one."""
    root_key_file: Path | None = None
    """Where the root key is; by default `data`/root.key."""
    passphrase_file: Path | None = None
    """Read the passphrase from this file at start, instead of starting sealed."""
    audit_durability: str = "strict"
    """`strict`: on disk (fsync) before an answer leaves. `relaxed`: written before, not forced to disk."""
    audit_segment_bytes: int = 256 * 1024 * 1024
    """Size at which a worker continues its audit log in a new file."""
    audit_checkpoint_seconds: float = 10.0
    """How often a stream of the audit trail that had records is checkpointed, signed, in the database."""
    domain_key_days: float = 30.0
    """Age at which a Region's domain key is replaced and its backing keys are sealed anew."""
    jobs_seconds: float = 5.0
    """How often due deletions and rotations are looked for."""
    clock_skew_seconds: float = 300.0
    """How far a request's signature date may be from this machine's clock. AWS allows five minutes."""
    max_body_bytes: int = 1024 * 1024
    """Largest request body."""
    max_header_bytes: int = 16 * 1024
    """Largest header block, the request line with it."""
    max_header_count: int = 64
    """Most header fields of one request."""
    max_connections: int = 4096
    """Open connections of one worker; further ones are refused."""
    max_pipelined: int = 128
    """Unanswered requests on one connection from which on no more of it is read."""
    max_unsent_bytes: int = 256 * 1024
    """Answers that wait for one client, from which on no more of its requests are read."""
    header_timeout: float = 10.0
    """Time for a request's headers to arrive."""
    body_timeout: float = 30.0
    """Time for a request's body to arrive."""
    idle_timeout: float = 60.0
    """How long a kept-alive connection may say nothing."""
    request_timeout: float = 60.0
    """How long answering a request may take."""
    write_timeout: float = 30.0
    """How long answers may wait for a client that does not read them."""
    linger_timeout: float = 2.0
    """How long what a client still sends is thrown away, after an answer that ends its connection early."""
    stop_grace_seconds: float = 10.0
    """How long a stop waits for answers in flight."""
    log_level: str = "info"
    """`debug`, `info`, `warning` or `error`."""

    def check(self) -> Settings:
        """Return these settings, or raise SettingsError saying what to change."""
        if self.account_id is not None and not ACCOUNT_ID.fullmatch(self.account_id):
            raise SettingsError(f"account_id must be 12 digits, not '{self.account_id}'.")
        if not 1 <= self.workers <= 256:
            raise SettingsError(f"workers must be between 1 and 256, not {self.workers}.")
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"port must be between 0 and 65535, not {self.port}.")
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in choices:
                raise SettingsError(f"{name} must be one of {', '.join(choices)}, not '{value}'.")
        for name in _POSITIVE:
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} must be at least 1, not {getattr(self, name)}.")
        self._check_exposure()
        return self

    def _check_exposure(self) -> None:
        """Refuse whatever would put requests on a network unprotected without anybody having said so."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise SettingsError("tls_cert and tls_key must be given together.")
        if self.tls_dev and self.tls_cert is not None:
            raise SettingsError("Give either tls_dev or tls_cert and tls_key, not both.")
        if not self.host:
            raise SettingsError("host must not be empty; 0.0.0.0 stands for every address of this machine.")
        if not (_is_loopback(self.host) or self.serves_tls or self.tls_terminated_by_proxy):
            raise SettingsError(
                f"Plain HTTP is for loopback alone, and '{self.host}' is not: give --tls-cert and --tls-key "
                "(or --tls-dev), or say --tls-terminated-by-proxy if a proxy ends TLS."
            )

    @property
    def serves_tls(self) -> bool:
        """Whether the service itself ends TLS."""
        return self.tls_dev or self.tls_cert is not None

    @property
    def database_url(self) -> str:
        """The database's URL, the embedded one by default."""
        return self.database or f"sqlite:///{self.data.absolute()}/hearthkms.db"

    @property
    def key_file(self) -> Path:
        """The root key file."""
        return self.root_key_file or self.data / "root.key"


_PATHS = {"data", "tls_cert", "tls_key", "ready_file", "root_key_file", "passphrase_file"}
_CHOICES = {
    "root_of_trust": ("key-file", "passphrase"),
    "audit_durability": ("strict", "relaxed"),
    "log_level": ("debug", "info", "warning", "error"),
}
_POSITIVE = (
    "audit_segment_bytes",
    "max_body_bytes",
    "max_header_bytes",
    "max_header_count",
    "max_connections",
    "max_pipelined",
    "max_unsent_bytes",
)


def load(path: Path | None, given: Mapping[str, Any]) -> Settings:
    """Settings from a TOML file (if any), overridden by `given`; None values there count as not given.

    Raises SettingsError for unknown names, wrong types and contradictions.
    """
    settings = Settings()
    if path is not None:
        try:
            with path.open("rb") as file:
                settings = _merge(settings, tomllib.load(file), f"{path}: ")
        except OSError as error:
            raise SettingsError(f"The settings file {path} cannot be read: {error.strerror}.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path} is not valid TOML: {error}.") from error
    return _merge(settings, {name: value for name, value in given.items() if value is not None}, "").check()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        # Whatever else a name resolves to is for name servers to say, and they are not asked.
        return host.lower() == "localhost"


def _merge(settings: Settings, values: Mapping[str, Any], where: str) -> Settings:
    known = [item.name for item in fields(Settings)]
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            close = difflib.get_close_matches(name.replace("-", "_"), known, 1)
            hint = f"; did you mean '{close[0]}'?" if close else "."
            raise SettingsError(f"{where}there is no setting '{name}'{hint}")
        changes[name] = _typed(name, value, getattr(settings, name), where)
    return replace(settings, **changes)


def _typed(name: str, value: Any, current: Any, where: str) -> Any:
    """`value` as the setting `name` takes it, whose type the `current` value shows."""
    wanted = "text"
    if name in _PATHS:
        if isinstance(value, Path) or (isinstance(value, str) and value):
            return Path(value)
        wanted = "a path"
    elif name == "regions":
        names = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
        if isinstance(names, list | tuple) and names and all(isinstance(item, str) for item in names):
            return tuple(names)
        wanted = "a list of Region names"
    elif isinstance(current, bool):
        if isinstance(value, bool):
            return value
        wanted = "true or false"
    elif isinstance(current, int | float):
        whole = isinstance(current, int)
        number = isinstance(value, int) or (isinstance(value, float) and not whole and math.isfinite(value))
        if number and not isinstance(value, bool) and (whole or value > 0):
            return int(value) if whole else float(value)
        wanted = "a whole number" if whole else "a number above 0"
    elif isinstance(value, str):
        return value
    raise SettingsError(f"{where}the setting '{name}' must be {wanted}, not {value!r}.")
