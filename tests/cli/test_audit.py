"""`hearthkms audit`: the trail shown, followed and verified, after each kind of tampering too."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, environment
from tests.support.server import hearthkms, running

RECORDS = 12


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a service, now stopped, that had 12 changes and 12 other calls, all by one worker."""
    data = tmp_path_factory.mktemp("audited") / "data"
    with running(data, "--workers", "1") as server:
        kms = server.client()
        for number in range(RECORDS):
            key_id = kms.create_key(Description=f"number {number}")["KeyMetadata"]["KeyId"]
            kms.encrypt(KeyId=key_id, Plaintext=b"x", EncryptionContext={"number": str(number)})
    return data


@pytest.fixture
def data(original: Path, tmp_path: Path) -> Path:
    """A copy of it, for one test to tamper with."""
    shutil.copytree(original, tmp_path / "data")
    return tmp_path / "data"


def _stream(data: Path) -> Path:
    """The worker's log."""
    (path,) = [path for path in (data / "audit").glob("*.jsonl") if path.stat().st_size]
    return path


def _lines(data: Path) -> list[bytes]:
    return _stream(data).read_bytes().splitlines(keepends=True)


def _write(data: Path, lines: list[bytes]) -> None:
    _stream(data).write_bytes(b"".join(lines))


def _edit_a_byte(data: Path) -> None:
    lines = _lines(data)
    assert lines[4].count(b'"number":"4"') == 1
    lines[4] = lines[4].replace(b'"number":"4"', b'"number":"5"')
    _write(data, lines)


def _delete_a_line(data: Path) -> None:
    lines = _lines(data)
    _write(data, lines[:4] + lines[5:])


def _delete_the_last_lines(data: Path) -> None:
    _write(data, _lines(data)[:-2])


def _cut_the_last_line(data: Path) -> None:
    content = _stream(data).read_bytes()
    _stream(data).write_bytes(content[:-40])


def _swap_two_lines(data: Path) -> None:
    lines = _lines(data)
    lines[4], lines[5] = lines[5], lines[4]
    _write(data, lines)


def _double_a_line(data: Path) -> None:
    lines = _lines(data)
    _write(data, [*lines[:5], lines[4], *lines[5:]])


def _delete_the_file(data: Path) -> None:
    _stream(data).unlink()


def _empty_the_folder(data: Path) -> None:
    shutil.rmtree(data / "audit")


def _sql(data: Path, *statements: str) -> None:
    database = sqlite3.connect(data / "hearthkms.db")
    with database:
        for statement in statements:
            changed = database.execute(statement).rowcount
            assert changed > 0, statement
    database.close()


def _edit_a_row(data: Path) -> None:
    _sql(
        data,
        """UPDATE ledger SET event = CAST(replace(CAST(event AS TEXT), 'number 4', 'number 5') AS BLOB)
           WHERE seq = 5""",
    )


def _delete_a_row(data: Path) -> None:
    _sql(data, "DELETE FROM ledger WHERE seq = 5")


def _delete_the_last_rows(data: Path) -> None:
    _sql(data, f"DELETE FROM ledger WHERE seq > {RECORDS - 2}")


def _delete_the_last_rows_and_set_the_head_back(data: Path) -> None:
    _sql(
        data,
        f"DELETE FROM ledger WHERE seq > {RECORDS - 2}",
        f"""UPDATE ledger_head SET seq = {RECORDS - 2},
            chain = (SELECT chain FROM ledger WHERE seq = {RECORDS - 2})""",
    )


def _empty_the_ledger(data: Path) -> None:
    _sql(data, "DELETE FROM ledger")


def _truncate_a_stream_and_forget_it(data: Path) -> None:
    """Without the registry's checkpoints the stream's own head still vouches for what is gone."""
    name = _stream(data).stem
    _delete_the_last_lines(data)
    _sql(
        data,
        f"DELETE FROM checkpoints WHERE stream_id = '{name}'",
        f"DELETE FROM streams WHERE stream_id = '{name}'",
    )


LAST, GONE = RECORDS, RECORDS - 1
TAMPERED: dict[Callable[[Path], None], str] = {
    _edit_a_byte: r"{stream}: edited: record 5 at byte \d+ \(event [0-9a-f-]{{36}} of 20\S+Z\): its content",
    _delete_a_line: r"{stream}: missing: record 5 at byte \d+: gone from this place",
    _delete_the_last_lines: rf"{{stream}}: truncated: records {GONE} to {LAST} at byte \d+: the \w+ says",
    _cut_the_last_line: rf"{{stream}}: truncated: record {LAST} at byte \d+: the \w+ says",
    _swap_two_lines: r"{stream}: reordered: record",
    _double_a_line: r"{stream}: inserted: record 5 at byte \d+ .*: a copy of the line before it",
    _delete_the_file: r"{stream}: stream missing: its file is gone",
    _empty_the_folder: r"{stream}: stream missing: its file is gone",
    _edit_a_row: r"ledger: edited: record 5 \(event [0-9a-f-]{{36}} of 20\S+Z\): its content was changed",
    _delete_a_row: r"ledger: missing: record 5: gone from this place",
    _delete_the_last_rows: rf"ledger: truncated: records {GONE} to {LAST}: ",
    _delete_the_last_rows_and_set_the_head_back: rf"ledger: truncated: records {GONE} to {LAST}: ",
    _empty_the_ledger: rf"ledger: truncated: records 1 to {LAST}: ",
    _truncate_a_stream_and_forget_it: rf"{{stream}}: truncated: records {GONE} to {LAST} at byte \d+: ",
}


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda tamper: tamper.__name__.strip("_"))
def test_verify_says_which_record(cli: Cli, data: Path, tamper: Callable[[Path], None]) -> None:
    stream = _stream(data).stem
    tamper(data)
    said = cli("audit", "verify", "--data", data, code=1).stdout.splitlines()
    expected = TAMPERED[tamper].format(stream=re.escape(stream))
    assert any(re.match(expected, line) for line in said), said
    assert re.fullmatch(r"\d+ findings? in \d+ records in \d+ streams?: the trail is NOT whole\.", said[-1])


def test_verify_finds_a_whole_trail_whole(cli: Cli, data: Path) -> None:
    said = cli("audit", "verify", "--data", data)
    assert said.stdout == f"{2 * RECORDS} records in 2 streams: the trail is whole.\n"
    assert said.stderr == ""


def test_verify_beside_a_service_at_work(cli: Cli, data: Path) -> None:
    stop = threading.Event()
    with running(data, "--workers", "2") as server:

        def work() -> None:
            kms = server.client()
            while not stop.is_set():
                key_id = kms.create_key()["KeyMetadata"]["KeyId"]
                kms.generate_data_key(KeyId=key_id, KeySpec="AES_256")

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            said = [cli("audit", "verify", "--data", data).stdout for _ in range(3)]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert all(text.endswith("the trail is whole.\n") for text in said)


def test_verify_after_the_service_was_killed(cli: Cli, data: Path) -> None:
    """What a crash leaves is not tampering."""
    with running(data, "--workers", "2") as server:
        server.client().create_key()
        server.kill()
        said = cli("audit", "verify", "--data", data).stdout
        assert said.endswith("the trail is whole.\n")
        server.process.returncode = 0


def test_verify_shows_how_far_it_is_at_a_terminal(data: Path) -> None:
    terminal, process_end = pty.openpty()
    process = subprocess.Popen(
        [hearthkms(), "audit", "verify", "--data", str(data)],
        env=environment(TERM="dumb"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=process_end,
    )
    os.close(process_end)
    stdout, _ = process.communicate(timeout=60)
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)
    assert process.returncode == 0
    assert stdout.decode().endswith("the trail is whole.\n")
    assert f"{RECORDS} records read, 0 streams done" in shown
    assert f"{2 * RECORDS} records read, 1 stream done" in shown
    assert shown.endswith("\r\x1b[K")


def test_tail_tells_who_did_what(cli: Cli, data: Path) -> None:
    lines = cli("audit", "tail", "--data", data, "-n", "3").stdout.splitlines()
    assert len(lines) == 3
    when = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    pattern = rf"{when} us-east-1 (CreateKey|Encrypt) ok arn:aws:iam::\d{{12}}:root arn:aws:kms:us-east-1:\S+"
    assert all(re.fullmatch(pattern, line) for line in lines)
    records = [
        json.loads(line) for line in cli("audit", "tail", "--data", data, "--json").stdout.splitlines()
    ]
    assert len(records) == 20
    assert [record["eventTime"] for record in records] == sorted(record["eventTime"] for record in records)
    assert {record["eventName"] for record in records} == {"CreateKey", "Encrypt"}
    assert cli("audit", "tail", "--data", data, "-n", "0").stdout == ""
    everything = cli("audit", "tail", "--data", data, "-n", "1000").stdout
    assert len(everything.splitlines()) == 2 * RECORDS


def test_tail_follows_both_changes_and_other_calls(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--workers", "2") as server:
        kms = server.client()
        first = kms.create_key()["KeyMetadata"]["KeyId"]
        process = subprocess.Popen(
            [hearthkms(), "audit", "tail", "-f", "--json", "--data", str(tmp_path / "data")],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        # Once it shows what was there, it follows.
        assert first in process.stdout.readline()
        missing = str(uuid.uuid4())
        with pytest.raises(kms.exceptions.NotFoundException):
            kms.describe_key(KeyId=missing)
        second = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.encrypt(KeyId=second, Plaintext=b"x")
        shown = [json.loads(process.stdout.readline()) for _ in range(3)]
        assert sorted(record["eventName"] for record in shown) == ["CreateKey", "DescribeKey", "Encrypt"]
        (refused,) = [record for record in shown if record["eventName"] == "DescribeKey"]
        assert refused["errorCode"] == "NotFoundException"
        assert missing in refused["errorMessage"]
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        assert rest == ""


def test_tail_may_be_cut_off_by_who_reads_it(data: Path) -> None:
    started = time.monotonic()
    done = subprocess.run(
        [
            "bash",
            "-o",
            "pipefail",
            "-c",
            '"$0" audit tail -n 1000 --data "$1" | head -n 1',
            hearthkms(),
            str(data),
        ],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""
    assert time.monotonic() - started < 60
